"""README and guide as tests read them: their commands, their blocks of code, and the screens that records print."""

import re
import shlex
from pathlib import Path

from kaoprof.cli.guide_topics import names, text_of

ROOT = Path(__file__).parent.parent
README_FILE = ROOT / "README.md"
README = README_FILE.read_text(encoding="utf-8")
GUIDE = {name: text_of(name) for name in names() if name != "inside"}  # tests/test_inside.py follows that one
SCREEN = re.compile(r"(<!-- kaoprof (?P<command>.+) -->\n```text\n)(?P<screen>.*?)(```\n)", re.DOTALL)


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def commands(text):
    """Every command of a page, whose lines are joined, without its comment and where its output goes."""
    lines = (line for block in blocks(text, "sh") for line in block.replace("\\\n", " ").splitlines())
    plain = (line.partition(" #")[0].partition(" > ")[0].strip() for line in lines)
    return [line for line in plain if line.startswith("kaoprof ")]


def arguments_of(command):
    return shlex.split(command)[1:]
