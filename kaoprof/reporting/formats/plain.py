"""Text that somebody else chose, before a format's own escaping: on one line, no sign that hides or turns others."""

import re

# C0 and C1 controls, line separators, and what turns or hides text (Unicode TR 36): none has a place in a name
UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
SPACES = re.compile(r"[\t\n\v\f\r\u2028\u2029]+")


def visible(text: str) -> str:
    r"""`text` on one line, controls shown as their code: `a\u202eb`."""
    if text.isprintable():  # nearly always, and ten times as fast
        return text
    return UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", SPACES.sub(" ", text))
