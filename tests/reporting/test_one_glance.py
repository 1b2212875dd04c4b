"""An answer is read at one glance: 24 lines of 80 columns with the next command, also where the machine is noisy."""

import math

import pytest
from handbook import ROOT
from msgspec.structs import replace
from rendered import on_screen

from kaoprof.records.measured import Conditions
from kaoprof.records.reading import load_records
from kaoprof.reporting.kinds import next_step_of

MOST_LINES = 24
COMMANDS = {"compare --h 56 --c 64": "compare-h56-c64.json", "profile kanet-qkv": "profile-kanet-qkv.json"}


def measured(command):
    (record,) = load_records(ROOT / "tests" / "golden" / "measured" / COMMANDS[command])
    return record


def scattered(row):
    """The row with samples that are up to four times as long: far beyond what counts as noisy."""
    if row.latency is None:
        return row
    samples = tuple(seconds * (1 + 3 * (number % 4) / 3) for number, seconds in enumerate(row.latency.samples_s))
    return replace(row, latency=replace(row.latency, samples_s=samples))


def disturbed(record):
    """The record as a machine leaves it on which others run: noise, an overrun of the budget, a slow start."""
    protocol = replace(
        record.protocol, spent_s=79.0, setup_s=21.0, quiet_share=0.2, after=Conditions(cores_taken=1.4),
        ended_by="budget", precision=None,
    )  # fmt: skip
    members = "rows" if hasattr(record, "rows") else "models"
    return replace(record, protocol=protocol, **{members: tuple(map(scattered, getattr(record, members)))})


def lines_of(record):
    """What is seen, of the streams together: the screen, and `next:` as a terminal of 80 columns breaks it."""
    below = [f"next: {line}" for line in next_step_of(record).splitlines()]
    shown = [line for line in on_screen(record, 80).splitlines() if line.strip()]
    return [*shown, *(line[:80] for line in below for _ in range(math.ceil(len(line) / 80)))]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("state", [lambda record: record, disturbed], ids=["as measured", "disturbed"])
def test_the_screen_has_at_most_24_lines(command, state):
    lines = lines_of(state(measured(command)))
    assert len(lines) <= MOST_LINES, "\n".join(lines)
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_the_disturbed_one_says_so(command):
    text = "\n".join(lines_of(disturbed(measured(command))))
    assert "used 1.4 of" in text
    assert "took 58.0 s (budget 10 s) + 21.0 s to start" in text
