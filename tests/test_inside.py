"""The page for whoever carries on: its recipes are followed in a copy of the package, file by file."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_architecture import FLOORS

PACKAGE = Path(__file__).parent.parent / "kaoprof"
INSIDE = (PACKAGE / "guide" / "inside.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^(?P<said>(?!```|#)[^\n]+\n)?\n?```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
NEW = re.compile(r"New file `(?P<file>[^`]+)`:$")
EDIT = re.compile(r"In `(?P<file>[^`]+)`, (?P<side>below|above) `(?P<line>.+)`:$")
FILES = {  # each recipe touches
    "Add an operator": {"costs/row_attention.py", "operators/row_attention.py", "catalog.py"},
    "Add a counting rule": {"counting/rules.py"},
    "Add a measured quantity": {"records/measured.py", "measuring/observations.py", "bench/looks.py"},
    "Add a format": {"reporting/formats/asciidoc.py", "reporting/kinds.py"},
    "Add a kind of record": {
        "records/motto.py", "reporting/tables/motto.py", "reporting/kinds.py", "records/reading.py",
    },
}  # fmt: skip


def recipes():
    parts = re.split(r"^### (.+)$", INSIDE, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def inserted(text, line, code, *, above):
    assert text.count(f"\n{line}\n") == 1, f"no such line: {line}"
    return text.replace(f"\n{line}\n", f"\n{code}{line}\n" if above else f"\n{line}\n{code}")


def followed(recipe, folder):
    """Does what the recipe says in a copy; returns the files that it touched, and the code that shows that it works."""
    touched, shown = set(), ""
    for block in FENCED.finditer(recipe):
        said, code = (block["said"] or "").strip(), block["code"]
        if new := NEW.search(said):
            touched.add(new["file"])
            (folder / new["file"]).write_text(code)
        elif edit := EDIT.search(said):
            touched.add(edit["file"])
            path = folder / edit["file"]
            path.write_text(inserted(path.read_text(), edit["line"], code, above=edit["side"] == "above"))
        else:
            shown = code
    return touched, shown


OPEN_TORCH = {"Add an operator", "Add a counting rule", "Add a measured quantity"}  # each in a process of its own


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in OPEN_TORCH else []) for name in FILES]
)
def test_a_recipe_works_as_it_is_written_and_touches_no_other_file(tmp_path, name):
    shutil.copytree(PACKAGE, tmp_path / "kaoprof", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "profiles", tmp_path / "profiles")
    touched, shown = followed(recipes()[name], tmp_path)
    assert {file.removeprefix("kaoprof/") for file in touched} == FILES[name]
    done = subprocess.run(
        [sys.executable, "-c", shown], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert shown.count("assert ") >= 1


def test_every_recipe_is_followed():
    assert recipes().keys() == FILES.keys()


def test_every_room_stands_on_the_page_with_its_floor():
    for floor, rooms in enumerate(FLOORS, start=1):
        for room in rooms:
            (line,) = [
                line for line in INSIDE.splitlines() if line.startswith("|") and re.search(rf"`{room}(/|\.py)?`", line)
            ]
            named = line.split("|")[1].strip()
            assert named in (str(floor), "1-2"), (room, floor)
