"""Text that somebody else chose, before a format's own escaping: on one line, not too long, nothing hidden in it."""

import re
import unicodedata

LONGEST = 32_000  # characters of one text: as many as a spreadsheet's cell holds
SPACES = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
OUT_OF_PLANE = 0xFFFF  # code points above need eight digits


def visible(text: str) -> str:
    r"""`text` on one line; what no reader sees, such as controls and turned text, as its code: `a\u202eb`."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}... ({len(text) - LONGEST:,} more characters)"
    if text.isprintable():  # nearly always, and ten times as fast
        return text
    return "".join(map(_shown, SPACES.sub(" ", text)))


def _shown(sign: str) -> str:
    """The sign, or its code if it is a control, a format's sign, half a character, or none at all (Unicode TR 36)."""
    if sign.isprintable() or unicodedata.category(sign) == "Zs":
        return sign
    return f"\\U{ord(sign):08x}" if ord(sign) > OUT_OF_PLANE else f"\\u{ord(sign):04x}"
