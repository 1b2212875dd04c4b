"""The house keeps its shape: which room imports which, and that the light ones stay light."""

import ast
import functools
import json
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "kaoprof"
HEAVY = {"torch", "fvcore", "sympy", "matplotlib", "numpy", "scipy"}
HEAVY_ROOMS = {"bench", "counting", "explaining", "inhand", "memory", "models", "operators", "reporting.plots", "tape"}
HEAVY_FILES = {  # beside all that stands in heavy rooms
    "networks.builders", "profiling.taking", "stats.overhead_fit", "torch_internals", "workload.attention_backend",
    "workload.called", "workload.conversions", "workload.cuda_attention", "workload.gpu", "workload.misfits",
    "workload.tensor_bytes",
}  # fmt: skip
LIGHT_FILES = {
    "explaining.run",
    "explaining.target",
    "inhand.profiled",
    "tape.tree",
}  # the doors of heavy rooms
FLOORS = [  # a room imports from lower floors only; heavy rooms are imported inside functions, unless by each other
    {"errors", "version", "models"},
    {"dims", "own_options", "torch_internals", "units"},
    {"costs", "operators", "records", "specs", "workload"},
    {"catalog", "counting", "stats"},
    {"measuring"},
    {"findings", "memory", "networks"},
    {"diffing", "tape"},
    {"comparing", "explaining", "profiling", "reporting"},
    {"bench", "fitting", "reproducing", "sweeping"},
    {"inhand"},
    {"cli", "testing"},
]
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
PUBLIC = {"count", "profile", "compare", "explain", "fit", "cross", "sweep", "report", "diff", "reproduce"}


def modules():
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem[0] != "_")


@functools.cache
def parsed(path):
    return ast.parse(path.read_text())


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


def upward(room, tree):
    """The imports of a module in `room` that do not lead to a lower floor."""
    for name, node in imports_of(tree):
        target = name.split(".")[1] if name.startswith("kaoprof.") else room
        if target != room and FLOOR_OF[target] >= FLOOR_OF[room]:
            yield f"line {node.lineno}: {room} must not import {name}"


def test_imports_point_to_lower_floors():
    wrong = {str(path.relative_to(PACKAGE)): list(upward(room_of(path), parsed(path))) for path in modules()}
    assert {path: lines for path, lines in wrong.items() if lines} == {}


def test_an_upward_import_is_found_wherever_it_stands():
    inside_a_function = ast.parse("def late():\n    from kaoprof.cli import app\n")
    same_floor = ast.parse("from kaoprof.counting.lists import anything")
    assert list(upward("records", inside_a_function)) == ["line 2: records must not import kaoprof.cli"]
    assert list(upward("stats", same_floor)) == ["line 1: stats must not import kaoprof.counting.lists"]


def test_every_room_has_a_floor_and_few_files_stand_outside_of_rooms():
    assert {room_of(path) for path in modules()} == FLOOR_OF.keys()
    assert len(list(PACKAGE.glob("*.py"))) <= 9
    assert not {path.stem for path in PACKAGE.iterdir()} & PUBLIC, "an import of the room would hide the function"


def heavy_imports(path):
    """Heavy packages that a module imports at its top and may not."""
    place = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    inside = any(place.startswith(f"{room}.") for room in HEAVY_ROOMS)
    may = place in HEAVY_FILES or (inside and place not in LIGHT_FILES)
    for node in parsed(path).body:
        names = (
            [name for name, _ in imports_of(ast.Module([node], []))]
            if not isinstance(node, ast.If | ast.FunctionDef | ast.ClassDef)
            else []
        )
        yield from (name for name in names if not may and name.split(".")[0] in HEAVY)


def test_only_heavy_rooms_import_heavy_packages_at_their_top():
    wrong = {str(path.relative_to(PACKAGE)): list(heavy_imports(path)) for path in modules()}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_only_the_format_makes_html_and_only_there_text_is_escaped():
    """`Html` is text in which nothing can do harm: who else made it would vouch for what he did not escape."""
    wrong = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in modules()
        if path.relative_to(PACKAGE) != Path("reporting/formats/html.py")
        for node in ast.walk(parsed(path))
        if (isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"Html", "NewType", "cast"}
            and "Html" in ast.unparse(node))
        or (isinstance(node, ast.ImportFrom) and node.module == "html")
        or (isinstance(node, ast.ImportFrom) and any(alias.name == "Html" for alias in node.names))
    ]  # fmt: skip
    assert wrong == []


def test_a_page_takes_nothing_but_html():
    tree = parsed(PACKAGE / "reporting" / "formats" / "html.py")
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    makers = {name for name, node in functions.items() if ast.unparse(node.returns or ast.Constant(None)) == "Html"}
    assert {"escape", "table", "main", "section", "folded", "listed", "paragraphs", "figure", "terms"} <= makers
    taking = [functions[name].args for name in ("main", "section", "folded")]
    assert [ast.unparse(arguments.vararg.annotation) for arguments in taking] == ["Html"] * 3
    assert ast.unparse(functions["page"].args.args[1].annotation) == "Iterable[Html]"


def test_only_the_command_line_prints_or_exits():
    wrong = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in modules()
        if room_of(path) != "cli"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and ast.unparse(node.func) in {"print", "sys.exit", "exit"}
    ]
    assert wrong == []


LIGHT_COMMANDS = [
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
]


def test_help_and_closed_forms_never_import_torch():
    script = (
        "import json, sys; from kaoprof.cli.app import run\n"
        "for arguments in json.loads(sys.argv[1]):\n"
        "    code = run(arguments)\n"
        f"    print(arguments, code, sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(LIGHT_COMMANDS)], capture_output=True, text=True, check=True
    )
    told = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert told == [f"{arguments} 0 []" for arguments in LIGHT_COMMANDS]
