"""What took longer than it was allowed to, or than was asked for, is said, and why."""

import pytest
from model_samples import model_row, swept_models
from msgspec.structs import replace
from profile_samples import model
from profile_samples import record as profile_record
from rendered import on_screen
from samples import measured_record

from kaoprof.measuring.outlook import MIN_ROUNDS as FORESEEN
from kaoprof.measuring.outlook import SLOW_ROUNDS as SLOW_FORESEEN
from kaoprof.measuring.plan import MIN_ROUNDS, SLOW_ROUNDS
from kaoprof.records.measured import Latency
from kaoprof.reporting.sentences.facts import FEWEST_ROUNDS, measured_how

ONCE = Latency(rounds=(0,), samples_s=(65.5,), calls=1)


def slow(record):
    """The record with a row whose only call took 65.5 s, of 60 s."""
    row, *others = record.rows
    return replace(record, rows=(replace(row, status="ok", latency=ONCE), *others))


def slow_models():
    row = model_row("small", 8, 1)
    return replace(swept_models(), rows=(replace(row, profile=replace(row.profile, latency=ONCE)),))


@pytest.mark.parametrize(
    "record",
    [
        slow(measured_record()),
        slow(replace(measured_record(), kind="sweep")),
        profile_record(replace(model("small", 0.01), latency=ONCE)),
        slow_models(),
    ],
    ids=["compare", "sweep", "profile", "models"],
)
def test_a_call_beyond_its_timeout_is_named_with_what_it_took(record):
    text = " ".join(on_screen(record).split())
    assert "calls took longer than --timeout 60.0 s: " in text
    assert "65.5 s" in text


def told(rounds, **protocol):
    latency = Latency(rounds=tuple(range(rounds)), samples_s=(1.0,) * rounds, calls=1)
    row = replace(measured_record().rows[1], latency=latency)
    return measured_how([row], replace(measured_record().protocol, **protocol)).text


def test_measuring_is_told_apart_from_what_passed_before_it():
    assert told(11, spent_s=15.5, setup_s=5.5) == "11 rounds, 10.0 s (budget 10 s) + 5.50 s to start"
    assert told(20, spent_s=15.5, setup_s=5.5, samples=20) == "20 rounds, 10.0 s + 5.50 s to start"


def test_what_took_longer_than_the_budget_has_its_reason():
    """On a busy machine ten rounds took 58 s of 79 s; where calls are slow there are fewer."""
    assert told(10, spent_s=79.0, setup_s=21.0) == (
        "10 rounds, the fewest, took 58.0 s (budget 10 s) + 21.0 s to start"
    )
    assert told(3, spent_s=79.0, setup_s=21.0) == "slow calls (3 rounds) took 58.0 s (budget 10 s) + 21.0 s to start"
    assert told(10, spent_s=79.0, setup_s=68.0) == "10 rounds, 11.0 s (budget 10 s) + 68.0 s to start"


def test_a_precision_that_was_wanted_is_named():
    assert told(30, spent_s=9.0, precision=0.02, ended_by="precision") == "30 rounds, 9.00 s (until 2 % was reached)"
    assert told(30, spent_s=9.0, precision=0.02, ended_by="budget") == (
        "30 rounds, 9.00 s (budget 10 s, before 2 % was reached)"
    )


def test_the_fewest_rounds_are_those_of_the_session():
    assert FEWEST_ROUNDS == FORESEEN == MIN_ROUNDS
    assert SLOW_FORESEEN == SLOW_ROUNDS
