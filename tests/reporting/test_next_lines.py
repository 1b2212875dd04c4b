"""What comes next after a command, and how a page says to repeat a run: each line is one command, as printed."""

import re
import shlex

import pytest
from every_kind import every_kind
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from profile_samples import model
from profile_samples import record as profile_record
from samples import grid_record, measured_record
from sweeps import swept_record
from test_fit_formats import memory

from kaoprof.cli.command_table import built
from kaoprof.comparing.cases import parse_sizes, parse_widths, spatial_grid
from kaoprof.records.aspect import aspect_through, parse_aspect
from kaoprof.records.own import OWN, OwnModule
from kaoprof.reporting.kinds import next_step_of
from kaoprof.reporting.repeat import compare_commands, profile_commands

COMMAND_OF = {"models": "sweep", "cross": "fit", "fit-models": "fit", "reproduction": "reproduce"}  # by kind of record
WHERE_HINTS_END = re.compile(" {4,}")


def understood(line):
    """The parameters of a command, as a shell and its parser read it; what stands behind `#` is for people."""
    program, name, *words = shlex.split(line, comments=True)
    assert program == "kaoprof"
    return built(name).make_context(name, words).params


def options_of(name):
    return {text for parameter in built(name).params for text in (*parameter.opts, *parameter.secondary_opts)}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    plain = every_kind(tmp_path_factory.mktemp("runs"))
    measured = plain["compare"]
    one = replace(measured, rows=measured.rows[1:2])
    named = replace(one.rows[0].case, operator="window(window=8)", spatial=(9, 16), heads=2, dtype="bf16")
    own = OwnModule(name="Mine", code="mine:Attention", arguments="64, heads=4")
    mine = replace(named, operator="Mine", implementation=OWN, own=own)
    return plain | {
        "wide": replace(one, rows=(replace(one.rows[0], case=named), replace(one.rows[0], case=mine))),
        "closed": replace(measured, protocol=None, environment=None),
        "nothing fits": replace(plain["fit"], rows=tuple(replace(row, largest=None) for row in plain["fit"].rows)),
        "mine alone": replace(
            plain["fit"], rows=tuple(replace(row, implementation=OWN) for row in plain["fit"].rows)
        ),
        "explained": replace(plain["explain"], device="cuda"),
    }  # fmt: skip


NAMES = (
    "compare", "sweep", "models", "profile", "fit", "cross", "fit-models", "diff", "reproduction", "explain", "wide",
    "closed", "nothing fits", "mine alone", "explained",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_what_comes_next_is_understood(records, name):
    record = records[name]
    for line in next_step_of(record).splitlines():
        if line.startswith("kaoprof "):
            assert understood(line)
            continue
        hints, _ = WHERE_HINTS_END.split(line)[::2], None
        known = options_of(COMMAND_OF.get(record.kind, record.kind))
        for hint in hints:
            options = re.findall(r"(?<!\S)--?[a-z][a-z-]*", hint)
            assert options
            assert set(options) <= known


def test_a_frame_that_is_not_square_keeps_its_sides_as_it_grows(records):
    line = next_step_of(records["wide"]).splitlines()[0]
    asked = understood(line)
    assert (asked["h"], asked["aspect"]) == ("2:18:x2", "16:9")
    assert asked["operators"] == "window(window=8)"
    assert list(asked["with_"]) == ["Mine=mine:Attention(64, heads=4)"]
    assert line.endswith("    # how it grows")


def test_what_fits_of_somebody_s_own_is_not_called_by_a_name_that_no_command_knows(records):
    assert next_step_of(records["mine alone"]) == "the same --with in kaoprof compare    measures it"


def shapes_asked(command):
    asked = understood(command)
    grid = spatial_grid(parse_sizes("h", asked["h"]), parse_widths(asked["w"], asked["aspect"]), None, None)
    return {tuple(spatial) for spatial in grid}


@pytest.mark.parametrize(
    "shapes",
    [
        [(9, 16), (18, 32), (27, 48)],
        [(10, 18), (20, 36), (25, 45)],
        [(7, 7), (14, 14)],
        [(h, w) for h in (4, 8) for w in (3, 5)],
    ],
)
def test_a_grid_is_repeated_by_one_command(shapes):
    (row, *_) = measured_record().rows
    rows = tuple(replace(row, case=replace(row.case, spatial=shape)) for shape in shapes)
    (command,) = compare_commands(replace(measured_record(), kind="sweep", rows=rows))
    assert shapes_asked(command) == set(shapes)


@given(st.fractions(min_value="1/4", max_value=4, max_denominator=20), st.sets(st.integers(1, 2000), min_size=2))
def test_a_ratio_is_found_again_that_gives_the_same_widths(ratio, heights):
    """Whatever was written; but where heights and widths are few, a simpler one may give them, too."""
    aspect = parse_aspect(f"{ratio.numerator}:{ratio.denominator}", where="aspect")
    again = aspect_through([(height, aspect.width(height)) for height in heights])
    assert again is not None
    assert [again.width(height) for height in heights] == [aspect.width(height) for height in heights]
    assert again.ratio.denominator <= ratio.denominator


def test_widths_without_a_ratio_have_none():
    assert aspect_through([(8, 8), (16, 17), (32, 90)]) is None
    assert aspect_through([(8, 8), (8, 16), (16, 16)]) is None
    assert aspect_through([(8, 14)]) is None


def test_every_command_that_repeats_a_run_is_understood():
    records = (measured_record(), swept_record(), grid_record())
    commands = [line for record in records for line in compare_commands(record)]
    commands += profile_commands(profile_record(model("small", 0.01)))
    assert len(commands) == len(records) + 1
    for command in commands:
        assert understood(command)


def test_the_frame_that_fits_is_one_command_with_both_sides():
    record = memory()
    tied = replace(record, conditions=replace(record.conditions, aspect="16:9"))
    asked = understood(next_step_of(tied))
    assert int(asked["w"]) == pytest.approx(int(asked["h"]) * 16 / 9, abs=0.51)
