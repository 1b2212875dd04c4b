"""Somebody's module on the command line: in `fit`, for good by an entry point, and in every format."""

import csv
import importlib.metadata
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from kaoprof.catalog import OPERATORS
from kaoprof.cli.app import run
from kaoprof.comparing.own_modules import GROUP, installed_modules, with_installed
from kaoprof.records.own import OwnModule

HERE = Path(__file__).parent.parent  # where `somebodys` is
MINE = ["--with", "Mine=somebodys:TokenAttention(heads=1)", "--allow-import"]
C = 4


def macs(n):
    """Of `TokenAttention` on n tokens: four transformations and two products."""
    return 4 * n * C**2 + 2 * n**2 * C


@pytest.fixture
def beside_it(monkeypatch):
    """The current folder is where the module is found."""
    monkeypatch.chdir(HERE)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_measuring", "beside_it")
def test_fit_solves_for_a_module(capsys):
    """61 tokens and not 62, by its derived form; KAO_KV on one axis is regular attention, with one transformation."""
    budget = (macs(61) + macs(62)) // 2
    words = ["--operators", "kao_kv:matmul", "--solve", "n", "--c", str(C), *MINE, "--format", "json"]
    assert run(["fit", "--macs", str(budget), *words]) == 0
    sizes = {row["operator"]: row["largest"] for row in json.loads(capsys.readouterr().out)["rows"]}
    by_hand = max(n for n in range(1, 999) if n * C**2 + 2 * n**2 * C <= budget)
    assert sizes == {"kao_kv": by_hand, "Mine": 61}


@pytest.mark.slow
@pytest.mark.usefixtures("quick_measuring", "beside_it")
def test_a_module_crosses_an_operator(capsys):
    """4 N c^2 + 2 N^2 c against the 7 * 64 N c of expectation maximization, c = 4: the same where N = 216.

    So the module is cheaper up to 14 x 14 and no longer at 15 x 15.
    """
    assert run(["fit", "--cross", "Mine,ema", "--c", str(C), "--solve", "h", *MINE, "--format", "json"]) == 0
    (row, *_) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["first"], row["second"], row["cheaper"], row["since"]) == ("Mine", "ema", "ema", 15)


@pytest.mark.slow
@pytest.mark.usefixtures("quick_measuring", "beside_it")
def test_a_module_stands_in_every_format(tmp_path):
    files = {suffix: tmp_path / f"run.{suffix}" for suffix in ("csv", "json", "md", "tex", "html")}
    targets = [word for file in files.values() for word in ("-o", str(file))]
    words = ["--h", "5", "--c", str(C), "--operators", "kao_qkv:matmul", "--baseline", "Mine", "--samples", "6"]
    assert run(["compare", *words, "--device", "cpu", *MINE, *targets]) == 0
    texts = {suffix: file.read_text() for suffix, file in files.items()}
    assert all("Mine" in text for text in texts.values())
    rows = {row["operator"]: row for row in csv.DictReader(texts["csv"].splitlines())}
    assert (rows["Mine"]["closed_form"], rows["kao_qkv"]["closed_form"]) == ("derivation", "formula")
    assert int(rows["Mine"]["macs_analytic"]) == int(rows["Mine"]["macs_counted"]) == macs(25)
    assert run(["report", str(files["json"]), "--only", "operator=Mine", "-o", str(tmp_path / "again.tex")]) == 0
    assert "Mine" in (tmp_path / "again.tex").read_text()
    (tmp_path / "twin.json").write_text(texts["json"])
    assert run(["diff", str(files["json"]), str(tmp_path / "twin.json"), "-o", str(tmp_path / "same.md")]) == 0
    assert "Mine" in (tmp_path / "same.md").read_text()


def test_a_package_registers_its_operator_for_good(monkeypatch):
    """By an entry point; a name that is one of the catalogue's stays that."""
    registered = [
        SimpleNamespace(name="mine", value="my_pkg.attention : Mine"),
        SimpleNamespace(name="kao_kv", value="my_pkg.attention:Other"),
    ]
    asked = []
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: asked.append(group) or registered)
    assert installed_modules() == {"mine": OwnModule(name="mine", code="my_pkg.attention:Mine")}
    known, own = with_installed("kao_kv,mine", ())
    assert (known, own) == (["kao_kv"], (OwnModule(name="mine", code="my_pkg.attention:Mine"),))
    assert with_installed(["h3", *OPERATORS], ()) == (["h3", *OPERATORS], ())
    assert set(asked) == {GROUP} == {"kaoprof.operators"}
