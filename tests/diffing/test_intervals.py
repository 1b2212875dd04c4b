"""Whether times changed: on synthetic runs whose truth is known, with rounds, launches, runs and a drifting machine."""

import math
import random

import pytest

from kaoprof.diffing.intervals import RUN_SPREAD, UNKNOWN_SPREAD, levels_of, shifts_between
from kaoprof.records.measured import Latency

NAMES = tuple(f"op{number}" for number in range(8))
BASE_S = {name: 1e-4 * 3**number for number, name in enumerate(NAMES)}


def run(seed, *, factor=1.0, changed=None, launches=3, rounds=30, launch_noise=0.02, run_noise=0.01, round_noise=0.10):
    """One run: every sample has noise of its own and of its round, which only add, of its launch and of its run."""
    draw = random.Random(seed)  # noqa: S311

    def cell():
        of_round = [abs(draw.gauss(0, round_noise)) for _ in range(rounds)]
        found = {}
        for name in NAMES:
            of_run = draw.gauss(0, run_noise)
            of_launch = [draw.gauss(0, launch_noise) for _ in range(launches)]
            launch = [number * launches // rounds for number in range(rounds)]
            typical = BASE_S[name] * factor * (changed or {}).get(name, 1.0)
            samples = tuple(
                typical * math.exp(of_run + of_launch[launch[number]] + of_round[number] + abs(draw.gauss(0, 0.03)))
                for number in range(rounds)
            )
            found[name] = Latency(rounds=tuple(range(rounds)), samples_s=samples, calls=1, launches=tuple(launch))
        return found

    return {"cell": cell()}


def verdicts(shifts, margin=0.05):
    """Each row as -1, 0 or 1: surely faster, neither, surely slower."""
    found = {}
    for cell, rows in shifts.cells.items():
        for one in rows:
            (low, high), far = shifts.joint_interval(one), abs(one.log_ratio) > math.log1p(margin)
            found[cell, one.name] = far * ((low > 1) - (high < 1))
    return found


def test_runs_of_the_same_thing_claim_nothing_in_95_percent_of_comparisons():
    quiet = [
        not any(verdicts(shifts_between(run(seed), run(10_000 + seed), remove_drift=True)).values())
        for seed in range(200)
    ]
    assert sum(quiet) / len(quiet) >= 0.95


def test_a_row_s_own_interval_covers_its_truth_at_least_as_often_as_it_says():
    covered = total = 0
    for seed in range(150):
        shifts = shifts_between(run(seed), run(10_000 + seed, changed={"op3": 1.3}), remove_drift=True)
        for one in shifts.cells["cell"]:
            low, high = shifts.interval(one)
            covered += low <= (1.3 if one.name == "op3" else 1.0) <= high
            total += 1
    assert covered / total >= 0.94


def test_one_row_that_is_15_percent_slower_is_found_and_no_other():
    found = []
    for seed in range(100):
        old, new = run(seed, launch_noise=0.01), run(10_000 + seed, launch_noise=0.01, changed={"op6": 1.15})
        shifts = shifts_between(old, new, remove_drift=True)
        claimed = {name: sign for (_, name), sign in verdicts(shifts).items() if sign}
        found.append(claimed == {"op6": 1})
    assert sum(found) / len(found) >= 0.9


def test_a_machine_that_is_slower_as_a_whole_changes_no_row():
    shifts = shifts_between(run(1, round_noise=0.01), run(2, factor=1.8, round_noise=0.01), remove_drift=True)
    assert not any(verdicts(shifts).values())
    assert math.exp(shifts.drifts["cell"]) == pytest.approx(1.8, rel=0.05)
    assert shifts.removed == {"cell": True}


def test_kept_the_drift_is_everybody_s_change():
    shifts = shifts_between(run(1), run(2, factor=1.8), remove_drift=False)
    assert set(verdicts(shifts).values()) == {1}
    assert shifts.removed == {"cell": False}


def test_each_cell_has_a_drift_of_its_own():
    old = {"first": run(1, round_noise=0.01)["cell"], "second": run(2, round_noise=0.01)["cell"]}
    new = {
        "first": run(3, factor=1.5, round_noise=0.01)["cell"],
        "second": run(4, factor=0.7, round_noise=0.01)["cell"],
    }
    shifts = shifts_between(old, new, remove_drift=True)
    assert math.exp(shifts.drifts["first"]) == pytest.approx(1.5, rel=0.05)
    assert math.exp(shifts.drifts["second"]) == pytest.approx(0.7, rel=0.05)
    assert not any(verdicts(shifts).values())


def test_few_operators_cannot_tell_a_slow_machine_from_slow_operators():
    old, new = ({"cell": dict(list(run(seed)["cell"].items())[:4])} for seed in (1, 2))
    shifts = shifts_between(old, new, remove_drift=True)
    assert shifts.drifts == {"cell": None}
    assert shifts.removed == {"cell": False}
    assert (shifts.run_spread, shifts.learned) == (UNKNOWN_SPREAD, False)


def test_the_spread_between_runs_is_learnt_where_runs_know_nothing_of_it():
    wide = [
        shifts_between(
            run(seed, launches=1, launch_noise=0, run_noise=0.10),
            run(10_000 + seed, launches=1, launch_noise=0, run_noise=0.10),
            remove_drift=True,
        )
        for seed in range(40)
    ]
    spreads = sorted(one.run_spread for one in wide)
    assert spreads[20] == pytest.approx(math.hypot(0.10, 0.10), rel=0.25)
    quiet = shifts_between(
        run(1, launches=1, launch_noise=0, run_noise=0), run(2, launches=1, launch_noise=0, run_noise=0),
        remove_drift=True,
    )  # fmt: skip
    assert RUN_SPREAD <= quiet.run_spread < 0.03


def test_a_disturbance_of_rounds_hardly_moves_a_level():
    quiet, disturbed = (
        levels_of(run(5, launches=1, launch_noise=0, run_noise=0, round_noise=noise)["cell"]) for noise in (0.0, 0.5)
    )
    moved = [disturbed[name].log_s - level.log_s for name, level in quiet.items()]
    assert 0 <= min(moved) <= max(moved) < 0.06  # a median would move by a third of it: 0.34
    assert all(disturbed[name].unseen > level.unseen for name, level in quiet.items())


def test_levels_rest_on_launches_where_there_are_several():
    several = levels_of(run(5, launches=3, launch_noise=0.2)["cell"])
    single = levels_of(run(5, launches=1, launch_noise=0.2)["cell"])
    assert {level.freedom for level in several.values()} == {2}
    assert {level.freedom for level in single.values()} == {0}
    assert sum(level.variance for level in several.values()) > 10 * sum(level.variance for level in single.values())


def test_too_few_samples_have_no_interval():
    short = {"cell": {"op0": Latency(rounds=(0, 1), samples_s=(1.0, 1.1), calls=1)}}
    shifts = shifts_between(short, short, remove_drift=True)
    (one,) = shifts.cells["cell"]
    assert shifts.interval(one) is None


def test_old_records_do_not_say_who_took_a_sample():
    old = {name: Latency(rounds=one.rounds, samples_s=one.samples_s, calls=1) for name, one in run(1)["cell"].items()}
    assert {level.freedom for level in levels_of(old).values()} == {0}
