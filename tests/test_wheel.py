"""What people install: a wheel of this tree holds all that its commands read, and runs where no source of it is."""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest
from handbook import GUIDE, ROOT

from kaoprof.version import __version__

pytest.importorskip("hatchling", reason="builds the wheel: pip install -e '.[test]'")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built without a network, as pip would."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with the wheel's files and commands, and nothing else."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--no-compile", "--target", str(target)]
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    return target


def kaoprof(installed, *arguments, cwd):
    """What the installed command prints, in a folder without any source of it."""
    environment = os.environ | {"PYTHONPATH": str(installed), "COLUMNS": "80"}
    command = [str(installed / "bin" / "kaoprof"), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True, text=True).stdout


def files_of(folder):
    """Every file of a folder of this tree, but what Python leaves there."""
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(ROOT)) for path in paths}


def test_every_file_of_the_package_and_every_spec_is_in_it(wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == files_of("kaoprof") | {f"kaoprof/{name}" for name in files_of("profiles")}
    assert {f"kaoprof/guide/{name}.md" for name in GUIDE} < held
    assert "kaoprof/reporting/page/uplot/uPlot.iife.min.js" in held


def test_it_brings_the_command_the_plugin_and_both_licences(installed):
    (about,) = (found for found in distributions(path=[str(installed)]) if found.name == "kaoprof")
    assert about.version == __version__
    points = {(point.group, point.name): point.value for point in about.entry_points}
    assert points == {
        ("console_scripts", "kaoprof"): "kaoprof.__main__:main",
        ("pytest11", "kaoprof"): "kaoprof.testing.plugin",
    }
    licences = [file.read_text() for file in about.files or () if "licenses" in file.parts]
    assert any("Apache License" in text for text in licences)
    assert any("Leon Sorokin" in text for text in licences)  # of uPlot


def test_it_runs_alone(installed, tmp_path):
    assert "kaoprof COMMAND -h" in kaoprof(installed, "--help", cwd=tmp_path)
    assert "What a measured time means" in kaoprof(installed, "guide", cwd=tmp_path)
    assert "MAC" in kaoprof(installed, "guide", "MAC", cwd=tmp_path)
    assert "kanet-qkv" in kaoprof(installed, "check", "kanet-qkv", cwd=tmp_path)
    made = kaoprof(installed, "compare", "--h", "14,28", "--c", "8", "--analytic", "-o", "run.html", cwd=tmp_path)
    assert "kao_qkv" in made
    assert "uPlot" in (tmp_path / "run.html").read_text(encoding="utf-8")
    where = [sys.executable, "-P", "-c", "import kaoprof; print(kaoprof.__file__)"]
    alone = subprocess.run(where, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(installed)}, check=True,
                           capture_output=True, text=True)  # fmt: skip
    assert Path(alone.stdout.strip()).is_relative_to(installed)
