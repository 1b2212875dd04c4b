"""The rivals on the command line: what each is told, which of them stand in a table, and what is printed of them."""

import csv
import io

import pytest

from kaoprof.catalog import OPERATORS, group
from kaoprof.cli.app import run
from kaoprof.networks import network_cost
from kaoprof.networks.overrides import override
from kaoprof.specs import load_spec, parse_spec

SIZES = ("14", "28", "56", "128")
CORES = {  # MACs without projections at h = w, c = 64, one head: arithmetic that can be redone by hand
    "nonlocal": (4_917_248, 78_675_968, 1_258_815_488, 34_359_738_368),
    "kao_kv": (702_464, 5_619_712, 44_957_696, 536_870_912),
    "axial": (702_464, 5_619_712, 44_957_696, 536_870_912),
    "criss_cross": (702_464, 5_619_712, 44_957_696, 536_870_912),
    "criss_cross(loops=2)": (1_404_928, 11_239_424, 89_915_392, 1_073_741_824),
    "kao_qkv": (100_352, 401_408, 1_605_632, 8_388_608),
    "window": (1_229_312, 4_917_248, 19_668_992, 2 * 49 * 133**2 * 64),  # 128 is padded to 133
    "neighborhood": (1_229_312, 4_917_248, 19_668_992, 102_760_448),
    "linear": (1_618_176, 6_472_704, 25_890_816, 135_266_304),
    "efficient": (1_605_632, 6_422_528, 25_690_112, 134_217_728),
    "ema": (5_619_712, 22_478_848, 89_915_392, 469_762_048),
    "gc": (25_600, 100_864, 401_920, 2_097_664),
    "spatial_reduction(reduction=2)": (1_229_312, 19_668_992, 314_703_872, 8_589_934_592),
    "spatial_reduction": (25_088, 903_168, 19_668_992, 536_870_912),
    "agent": (2_458_624, 9_834_496, 39_337_984, 205_520_896),
}
MAPS_AT_56 = {
    "nonlocal": 9_834_496, "kao_kv": 351_232, "axial": 351_232, "criss_cross": 351_232, "kao_qkv": 12_544,
    "window": 153_664, "neighborhood": 153_664, "linear": 4_096, "efficient": 405_504, "ema": 200_704, "gc": 3_136,
    "spatial_reduction(reduction=2)": 2_458_624, "spatial_reduction": 153_664, "agent": 307_328,
}  # fmt: skip
PUBLISHED = {  # at 12 x 18, c = 64, 8 heads: MACs and parameters of the public modules
    "axial": (7_907_328, 32_896),
    "criss_cross": (1_572_480, 5_201),
    "window(window=6)": (4_534_272, 17_608),
    "gc": (28_160, 653),
    "coordinate": (30_720, 1_688),
}


def compared(capsys, *arguments):
    """The rows of a comparison by closed forms alone, one for each operator and size."""
    assert run(["compare", "--analytic", "--format", "csv", *arguments]) == 0
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    return [row for row in rows if row["implementation"] == "matmul"]


def test_the_cores_of_all_come_from_one_command_to_the_digit(capsys):
    options = ["--option", "criss_cross.loops=1,2", "--option", "spatial_reduction.reduction=2,8"]
    rows = compared(capsys, "--h", ",".join(SIZES), "--operators", "all", "--projection", "none", *options)
    macs = {(row["operator"], row["h"]): int(row["macs_analytic"]) for row in rows}
    maps = {row["operator"]: int(row["map_bytes"]) // 4 for row in rows if row["h"] == "56"}
    assert {name: tuple(macs[name, size] for size in SIZES) for name in CORES} == CORES
    assert {name: maps[name] for name in MAPS_AT_56} == MAPS_AT_56


def test_as_published_they_cost_what_the_public_modules_do(capsys):
    names = "axial,criss_cross,window,gc,coordinate"
    rows = compared(
        capsys, "--h", "12", "--w", "18", "--heads", "8", "--operators", names, "--as-published",
        "--option", "window.window=6", "--baseline", "axial",
    )  # fmt: skip
    found = {row["operator"]: (int(row["macs_analytic"]), int(row["params"])) for row in rows}
    assert found == PUBLISHED
    assert {row["projection"] for row in rows} == {"published"}


def test_groups_are_those_of_the_paper_and_of_the_growth_on_images(capsys):
    assert group("paper") == ["nonlocal", "nonlocal_pool", "kao_kv", "kao_qkv"]
    assert group("all") == list(OPERATORS)
    assert group("h3") == ["kao_kv", "axial", "criss_cross"]
    assert {"kao_qkv", "window", "grid", "neighborhood", "agent", "linear", "gc"} <= set(group("h2"))
    assert not {"nonlocal", "spatial_reduction"} & {*group("h3"), *group("h2")}
    assert [row["operator"] for row in compared(capsys, "--h", "9", "--operators", "h3,kao_qkv")] == [
        "kao_kv", "axial", "criss_cross", "kao_qkv",
    ]  # fmt: skip


def test_what_an_operator_was_told_stands_in_its_name_and_in_a_column(capsys):
    rows = compared(
        capsys, "--h", "9", "--operators", "kao_kv,window,window(window=5,shift=2),axial",
        "--option", "window.window=7,8", "--option", "window.shift=3",
    )  # fmt: skip
    assert {row["operator"]: row["options"] for row in rows} == {
        "kao_kv": "",
        "window(shift=3)": "window=7 shift=3",
        "window(window=8,shift=3)": "window=8 shift=3",
        "window(window=5,shift=2)": "window=5 shift=2",
        "axial": "",
    }


def test_what_has_no_meaning_on_one_axis_is_a_row_that_says_so(capsys):
    rows = compared(capsys, "--n", "9", "--operators", "criss_cross,axial")
    assert [(row["operator"], row["status"], row["macs_analytic"]) for row in rows] == [
        ("criss_cross", "unsupported", ""),
        ("axial", "ok", str(2 * 81 * 64 + 9 * 64**2)),
    ]
    assert "no meaning on one axis" in rows[0]["detail"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--operators", "window", "--option", "window.windw=8"],
            "--option: window has no option 'windw' (did you mean",
        ),
        (
            ["--operators", "window", "--option", "window.window=0"],
            "--option window: must be a whole number >= 1, not 0",
        ),
        (["--operators", "axial", "--option", "window.window=8"], "--option: window is not among the operators"),
        (
            ["--operators", "window", "--option", "window=8"],
            "is no option of an operator (write operator.option=number",
        ),
        (["--operators", "window(8)"], "'window(8)' does not say what the operator is told"),
        (["--operators", "window", "--option", "window.shift=7"], "shift: must be below the window of 7, not 7"),
        (["--operators", "kao_kv(x=1)"], "kao_kv has no option 'x' (it takes none of its own)"),
        (["--as-published", "--projection", "qkv"], "--as-published: excludes --projection qkv"),
    ],
)
def test_what_cannot_be_told_is_one_clear_line(arguments, message, capsys):
    assert run(["compare", "--h", "9", "--analytic", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


NETWORK = """\
schema: 1
name: swin-like
input: {channels: 16, size: [14, 21]}
attention: {type: window, window: 7, heads: 2, projection: published}
layers:
  - {type: attention}
  - {type: attention, shift: 3}
  - {type: attention, operator: criss_cross, loops: 2}
  - {type: attn_skip, expand: 4, out: 16, operator: axial}
"""


def test_a_network_takes_rivals_and_their_options(tmp_path):
    document = parse_spec(NETWORK, file="net.yaml")
    first, second, third, last = network_cost(document).children
    assert [layer.type for layer in (first, second, third)] == ["window", "window", "criss_cross"]
    assert first.macs == second.macs == 4 * 14 * 21 * 16**2 + 2 * 49 * 14 * 21 * 16
    assert third.macs == 2 * 14 * 21 * (2 * 2 * 16 + 16**2 + (14 + 21) * (2 + 16))
    assert {leaf.type for _, leaf in last.leaves()} >= {"axial"}
    swapped = network_cost(override(document, attention="grid(window=2)"))
    assert {leaf.type for _, leaf in swapped.leaves() if leaf.map_entries} == {"grid"}
    path = tmp_path / "net.yaml"
    path.write_text(NETWORK.replace("loops: 2", "window: 2"))
    with pytest.raises(Exception, match=r"net.yaml:8 layers\[2\].window: criss_cross has no option 'window'"):
        network_cost(load_spec(path))


def test_a_fit_takes_the_same_words(capsys):
    assert run(["fit", "--macs", "1G", "--operators", "window", "--option", "window.window=8", "--c", "64"]) == 0
    assert "window(window=8)" in capsys.readouterr().out
