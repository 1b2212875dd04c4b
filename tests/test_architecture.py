"""The house keeps its shape: which room imports which, and that the light ones stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kaoprof"
HEAVY = {"torch", "fvcore", "sympy", "matplotlib", "numpy", "scipy"}
HEAVY_ROOMS = {"operators", "models", "count"}
HEAVY_IN_MEASURE = {  # the child's side
    "bench", "caches", "ceilings", "denormals", "deviation", "energy", "environment", "layer_meter", "meters",
    "smaller", "traffic", "variants",
}  # fmt: skip

ARROWS = {  # each room may import from these, and from itself; only inside functions for the heavy ones
    "errors": set(),
    "version": set(),
    "units": {"errors"},
    "dims": {"errors"},
    "bounds": {"dims"},
    "costs": {"dims", "units", "errors"},
    "specs": {"dims", "units", "errors"},
    "operators": {"dims", "errors"},
    "models": {"operators", "dims", "errors"},
    "catalog": {"costs", "specs", "dims", "units", "errors"},
    "build": {"catalog", "costs", "specs", "dims", "units", "errors", "operators", "models"},
    "records": {"bounds", "dims", "units", "errors"},
    "stats": {"records", "student"},
    "findings": {"records", "stats", "units"},
    "report": {"version", "records", "stats", "findings", "units", "errors", "costs"},
    "requests": {"records", "catalog", "dims", "units", "errors"},
    "count": {"build", "catalog", "costs", "dims", "units", "errors"},
    "measure": {"build", "catalog", "costs", "dims", "units", "errors"},
}
ARROWS["networks"] = ARROWS["build"] | {"build"}
ARROWS["targets"] = ARROWS["build"] | {"build"}
ARROWS["explanations"] = {"records", "version"}
ARROWS["count"] |= {"explanations", "networks", "targets"}
ARROWS["count"] |= {"watching", "layer_records"}
ARROWS["measure"] |= {"watching", "layer_records", "count"}  # a child may count what is not trusted
ARROWS["measure"] |= {"records"}
ARROWS["ceiling_store"] = {"record_checks", "records"}
ARROWS["watching"] = set()
ARROWS["layer_records"] = {"bounds", "records"}
ARROWS["layer_findings"] = {"costs", "findings", "layer_records", "records", "roofline", "stats"}
ARROWS["report"] |= {"layer_records", "layer_findings", "explanations"}
ARROWS["measuring"] = ARROWS["measure"] | {"measure", "records", "requests", "ceiling_store"}
ARROWS["profiling"] = set(ARROWS) - {"report"}
ARROWS["model_rows"] = set(ARROWS) - {"report"}
ARROWS["model_profiling"] = set(ARROWS) - {"report"}
ARROWS["explaining"] = set(ARROWS) - {"report"}
ARROWS["fitting"] = set(ARROWS) - {"report"}
ARROWS["student"] = set()
ARROWS["power_law"] = {"student"}
ARROWS["overhead"] = {"power_law", "student"}
ARROWS["fit_records"] = {"records"}
ARROWS["stopwatch"] = ARROWS["fitting"] | {"fitting"}
ARROWS["timing"] = ARROWS["stopwatch"] | {"fit_records", "power_law", "stats", "stopwatch"}
ARROWS["race_verdict"] = {"fit_records"}
ARROWS["scaling"] = {
    "catalog",
    "costs",
    "dims",
    "records",
    "stats",
    "fit_records",
    "power_law",
    "overhead",
    "race_verdict",
}
ARROWS["report"] |= {"fit_records", "scaling"}
ARROWS["roofline"] = {"records", "costs"}
ARROWS["findings"] |= {"roofline"}
ARROWS["report"] |= {"roofline"}
ARROWS["crossing"] = ARROWS["fitting"] | {"fitting"}
ARROWS["fit_runs"] = ARROWS["timing"] | {"timing", "crossing", "race_verdict"}
ARROWS["sweep_plan"] = ARROWS["requests"] | {"requests"}
ARROWS["journal"] = {"sweep_plan", "record_checks", "records", "bounds", "errors"}
ARROWS["journal_file"] = {"journal", "errors"}
ARROWS["sweep_pace"] = set()
ARROWS["sweep_findings"] = {"findings", "records"}
ARROWS["report"] |= {"sweep_findings"}
ARROWS["record_checks"] = {"records", "layer_records", "errors"}
ARROWS["sweeping"] = ARROWS["profiling"] | {"profiling", "journal", "journal_file", "runs", "sweep_pace", "sweep_plan"}
ARROWS["runs"] = {"journal", "record_checks", "sweep_plan", "records", "layer_records", "fit_records", "errors"}
ARROWS["runs"] |= {"diff_records", "explanations", "reproduction_records"}
ARROWS["diff_records"] = {"records"}
ARROWS["reproduction_records"] = {"records"}
ARROWS["reproduction"] = set(ARROWS) - {"report"}
ARROWS["report"] |= {"reproduction_records"}
ARROWS["differences"] = {
    "diff_records",
    "layer_records",
    "records",
    "runs",
    "stats",
    "student",
    "dims",
    "errors",
    "version",
}
ARROWS["differences"] |= {"findings", "units"}  # that other programs had the cores
ARROWS["report"] |= {"diff_records"}


def modules():
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[0] != "_")


def room_of(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports_of(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            rooms = [f"kaoprof.{alias.name}" for alias in node.names] if node.module == "kaoprof" else [node.module]
            yield from ((name, node) for name in rooms)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    room = room_of(path)
    if room == "cli":
        return
    allowed = ARROWS[room] | {room}
    for name, _ in imports_of(ast.parse(path.read_text())):
        if name.startswith("kaoprof."):
            assert name.split(".")[1] in allowed, f"{room} must not import {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_heavy_rooms_import_heavy_packages_at_their_top(path):
    room = room_of(path)
    heavy_room = room in HEAVY_ROOMS or (room == "measure" and path.stem in HEAVY_IN_MEASURE) or "plot" in path.stem
    for node in ast.parse(path.read_text()).body:
        names = (
            [name for name, _ in imports_of(ast.Module([node], []))]
            if not isinstance(node, ast.If | ast.FunctionDef | ast.ClassDef)
            else []
        )
        for name in names:
            assert heavy_room or name.split(".")[0] not in HEAVY, f"{path} imports {name} at its top"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_command_line_prints_or_exits(path):
    if room_of(path) == "cli":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"print", "sys.exit", "exit"}, f"{path}:{node.lineno}"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["compare", "--help"],
        ["--version"],
        ["compare", "--h", "56", "--c", "8", "--analytic"],
        ["compare", "--h", "56", "--c", "8", "--analytic", "--format", "csv"],
        ["check", "kanet-qkv", "paper-grid"],
        ["list"],
        ["list", "--format", "json"],
        ["schema"],
        ["init", "--help"],
        ["explain", "--help"],
        ["fit", "--help"],
        ["fit", "--macs", "1G", "--c", "8"],
        ["diff", "--help"],
        ["reproduce", "--analytic"],
    ],
    ids=" ".join,
)
def test_help_and_closed_forms_never_import_torch(arguments):
    script = (
        "import sys; from kaoprof.cli.app import run; code = run(sys.argv[1:]); "
        f"heavy = {HEAVY!r} & set(sys.modules); print(sorted(heavy), file=sys.stderr); sys.exit(code or bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
