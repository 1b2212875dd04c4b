"""A user's script passes mypy in its strict mode: the package carries its types."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kaoprof

SCRIPT = """
from pathlib import Path

import torch
from torch import nn

import kaoprof

net, x = nn.Linear(8, 4), torch.randn(2, 8)
counts: kaoprof.Counts = kaoprof.count(net, x)
with kaoprof.count() as block:
    net(x)
total: int = block.macs + counts.macs
record = kaoprof.profile(net, x, mode="train", options=kaoprof.Options(samples=6))
record.save(Path("x.json"))
print(record, record.models[0].total.macs_counted, total)
frame = kaoprof.compare(h=[14, 28], operators="kao_qkv").to_pandas()
print(kaoprof.sweep(h=14).rows[0].case.spatial, kaoprof.report("x.json", to="x.md"))
print(kaoprof.diff("x.json", record).breached, kaoprof.explain("kao_qkv").formulas, kaoprof.reproduce().claims)
request = kaoprof.FitRequest(axis="h", sizes={"c": 8})
print(kaoprof.fit(request, "macs", "1G").rows, kaoprof.cross(request, "nonlocal,kao_qkv").rows, len(frame))
"""


@pytest.mark.slow
def test_a_script_of_twenty_lines_in_mypys_strict_mode(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT + "wrong: str = counts.macs\nkaoprof.profile(net, x, measured='no')\n")
    package = Path(kaoprof.__file__).parent
    assert (package / "py.typed").is_file()
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--no-incremental", "script.py"]
    environment = {"MYPYPATH": str(package.parent), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("script.py")]
    last = len((SCRIPT + "\n\n").splitlines())
    places = [line.split(" error: ")[0] for line in lines]
    assert places == [f"script.py:{last - 1}:", f"script.py:{last}:"], done.stdout


def test_types_and_late_imports_name_the_same():
    tree = ast.parse(Path(kaoprof.__file__).read_text(encoding="utf-8"))
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {}
    for node in checked.body:
        if isinstance(node, ast.ImportFrom):
            typed |= {(alias.asname or alias.name): f"{node.module}:{alias.name}" for alias in node.names}
        else:
            names, values = ([part.id for part in side.elts] for side in (node.targets[0], node.value))
            typed |= {name: typed.pop(value) for name, value in zip(names, values, strict=True)}
    assert typed == {name: f"kaoprof.{place}" for name, place in kaoprof._PLACES.items()}


def test_help_shows_the_functions_first():
    import pydoc

    text = pydoc.plain(pydoc.render_doc(kaoprof))
    functions = [name for name in kaoprof.__all__ if name[0].islower()]
    places = [text.find(f"    {name}(") for name in functions if name != "plan_sweep"]
    assert min(places) > 0
    assert max(places) < text.index("CLASSES"), "before the classes"
