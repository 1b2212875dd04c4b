"""A sweep goes on where it stopped, and refuses what would mix figures that mean different things."""

import itertools

import pytest
from msgspec.structs import replace
from samples import measured_record
from sweeps import ENVIRONMENT, LAWS, FakeSession, fake_measuring, plan_of

from kaoprof.errors import MeasurementError, RecordError, UsageError
from kaoprof.findings.tally import sweep_warnings
from kaoprof.records.journal import Header
from kaoprof.records.journal_reading import read_journal
from kaoprof.records.options import Options
from kaoprof.sweeping import workplace
from kaoprof.sweeping.journal_file import Journal
from kaoprof.sweeping.plan import sweep_plan
from kaoprof.sweeping.run import Sweep


@pytest.fixture
def measure(tmp_path, monkeypatch):
    """Runs a sweep in a fake session; returns the outcome, the session and what was told."""

    def run(plan=None, session=None, **given):
        session = session or FakeSession()
        fake_measuring(lambda name, value: monkeypatch.setattr(workplace, name, value), session)
        told, warned = [], []
        sweep = Sweep(
            plan=plan or plan_of(), path=tmp_path / "run.jsonl", watch=told.append, warn=warned.append, **given
        )
        try:
            outcome = sweep.run()
        finally:
            assert session.closed or not session.measured
        return outcome, session, told, warned

    return run


def labels(*heights):
    return [f"{name} 2 x 8 x {h} x {h}" for h in heights for name in LAWS]


def interrupt_at(height):
    def script(subject):
        if subject.label.endswith(f" {height}"):
            raise KeyboardInterrupt
        return "ok"

    return script


def test_every_cell_is_measured_once_with_its_share_of_the_budget(measure):
    outcome, session, told, _ = measure(plan_of(budget_s=12.0))
    assert session.measured == labels(3, 5, 7)
    assert session.shares_s == [4.0] * 3
    (record,) = outcome.records
    assert [row.case.name for row in record.rows] == [*LAWS] * 3
    assert (outcome.done, outcome.total, outcome.interrupted) == (3, 3, False)
    assert [one.done for one in told if one.finished] == [1, 2, 3]


def test_what_passes_until_measuring_begins_is_told_apart(measure):
    """A clock that ticks once when it is looked at: opening takes a second, each cell another."""
    outcome, *_ = measure(plan_of(), clock=itertools.count().__next__)
    assert outcome.records[0].protocol.setup_s == 1.0
    assert outcome.records[0].protocol.spent_s == 1.0 + 3 * 1.0


def test_what_was_finished_is_not_measured_again_and_keeps_its_share(measure):
    outcome, session, _, _ = measure(plan_of(budget_s=12.0), FakeSession(script=interrupt_at(5)))
    assert (outcome.done, outcome.interrupted, outcome.records[0].interrupted) == (1, True, True)
    outcome, session, told, warned = measure(plan_of(budget_s=12.0))
    assert session.measured == labels(5, 7)
    assert session.shares_s == [4.0] * 2
    assert told[0].done == 1
    assert warned == []
    assert len(outcome.records[0].rows) == 9
    outcome, session, _, _ = measure(plan_of(budget_s=12.0))
    assert (session.measured, outcome.done) == ([], 3)


def test_a_larger_grid_goes_on_in_the_same_journal(measure):
    measure(plan_of((3, 5)))
    outcome, session, _, _ = measure(plan_of((2, 3, 5, 7), c=(8, 4)))
    assert session.measured[: len(LAWS)] == labels(2)
    assert len(session.measured) == 6 * len(LAWS)
    order = [(row.case.c, row.case.spatial[0]) for row in outcome.records[0].rows[:: len(LAWS)]]
    assert order == [(c, h) for c in (8, 4) for h in (2, 3, 5, 7)]


def test_a_smaller_grid_that_is_all_there_is_complete(measure, tmp_path):
    measure(plan_of((3, 5, 7)), FakeSession(script=interrupt_at(7)))
    before = (tmp_path / "run.jsonl").read_bytes()
    outcome, session, _, _ = measure(plan_of((3, 5)))
    assert session.measured == []
    assert not outcome.records[0].interrupted
    assert (tmp_path / "run.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"seed": 1}, "seed 1, there 0"),
        ({"threads": 2}, "threads 2, there None"),
        ({"samples": 7}, "samples 7, there None"),
        ({"analytic": True}, "analytic True, there False"),
    ],
)
def test_an_option_that_changes_what_figures_mean_is_refused(option, message, measure):
    measure()
    with pytest.raises(UsageError, match=f"holds a sweep with other options: here {message}"):
        measure(plan_of(**option))


def test_other_operators_are_refused_and_a_longer_budget_is_not(measure):
    measure()
    with pytest.raises(
        UsageError, match="operators kao_qkv:matmul, there nonlocal:matmul,kao_kv:matmul,kao_qkv:matmul"
    ):
        measure(replace(plan_of(), operators=("kao_qkv:matmul",)))
    assert measure(plan_of(budget_s=1.0, timeout_s=5.0))[1].measured == []


def test_another_device_is_refused(measure):
    measure(plan_of((3,)))
    with pytest.raises(UsageError, match=r"holds cells of cpu, and this is cuda:0 \(use --device cpu"):
        measure(plan_of((3, 5), device="cuda:0"))


def test_another_environment_is_named_and_refused_under_strict(measure):
    measure(plan_of((3,)))
    newer = FakeSession(environment=replace(ENVIRONMENT, torch="2.14.0", threads=1))
    with pytest.raises(RecordError, match=r"the environment has changed: threads 2 -> 1; torch 2\.13\.0 -> 2\.14\.0"):
        measure(plan_of((3, 5)), newer, strict=True)
    assert newer.measured == []
    outcome, _, _, warned = measure(plan_of((3, 5)), newer)
    assert "torch 2.13.0 -> 2.14.0" in warned[0]
    assert [record.environment.torch for record in outcome.records] == ["2.13.0", "2.14.0"]


def test_another_version_of_kaoprof_is_named(measure, monkeypatch):
    measure(plan_of((3,)))
    monkeypatch.setattr("kaoprof.sweeping.journal_checks.__version__", "9.9.9")
    assert "kaoprof 0.1.0 -> 9.9.9" in measure(plan_of((3, 5)))[3][0]


def test_what_failed_is_a_row_and_is_tried_again_only_if_asked(measure):
    def unlucky(subject):
        return "oom" if subject.label == "nonlocal:matmul 2 x 8 x 5 x 5" else "ok"

    outcome, *_ = measure(session=FakeSession(script=unlucky))
    assert [row.status for row in outcome.records[0].rows].count("oom") == 1
    assert measure()[1].measured == []
    outcome, session, _, _ = measure(retry=True)
    assert session.measured == labels(5)  # all rows of the cell: ratios are from common rounds
    assert {row.status for row in outcome.records[0].rows} == {"ok"}


def test_a_machine_on_which_nothing_runs_ends_the_sweep_and_spoils_no_cell(measure, tmp_path):
    def broken(subject):
        if subject.label.endswith(" 5"):
            raise MeasurementError("the measuring process cannot work")
        return "ok"

    with pytest.raises(MeasurementError):
        measure(session=FakeSession(script=broken))
    assert len(read_journal(tmp_path / "run.jsonl").cells) == 1


def test_each_dtype_has_its_own_rate_of_products(measure):
    plan = replace(plan_of((3,)), dtypes=("fp32", "bf16"))

    class Learning(FakeSession):
        def measure_cell(self, subjects, budget_s):
            seen.append(self.throughput_flops)
            self.throughput_flops = self.throughput_flops or 1e9 * len(seen)
            super().measure_cell(subjects, budget_s)

    seen = []
    outcome, *_ = measure(replace(plan, c=(8, 4)), Learning())
    assert seen == [None, 1e9, None, 3e9]
    assert outcome.records[0].protocol.throughput_flops is None


def test_closed_forms_of_many_cells_share_a_line(tmp_path):
    path = tmp_path / "run.jsonl"
    now = iter(range(10_000))
    plan = plan_of(tuple(range(1, 41)), analytic=True)
    outcome = Sweep(plan=plan, path=path, clock=lambda: 0.03 * next(now)).run()
    assert outcome.done == 40
    cells = [line for line in path.read_bytes().splitlines() if b'"cells"' in line]
    assert 2 <= len(cells) < 20
    assert [row.case.spatial[0] for row in outcome.records[0].rows[::3]] == list(range(1, 41))
    before = path.read_bytes()
    Sweep(plan=plan, path=path).run()
    assert path.read_bytes() == before


def test_a_plan_is_checked():
    spatial = [(4, 4)]
    with pytest.raises(UsageError, match="9 channels cannot be split into 2 heads"):
        sweep_plan(spatial=spatial, c=(8, 9), heads=(1, 2))
    with pytest.raises(UsageError, match="102,400 cells are too many"):
        sweep_plan(spatial=spatial, c=tuple(range(1, 321)), batch=tuple(range(1, 321)))
    with pytest.raises(UsageError, match="did you mean 'fp32'"):
        sweep_plan(spatial=spatial, c=8, dtypes=("fp16", "fp3"))
    with pytest.raises(UsageError, match="mode: none is named"):
        sweep_plan(spatial=spatial, c=8, modes=())
    with pytest.raises(UsageError, match="did you mean 'nonlocal'"):
        sweep_plan(spatial=spatial, c=8, options=Options(baseline="nonlocl"))
    assert len(sweep_plan(spatial=[(4, 4), (4, 4)], c=(8, 8, 4))) == 2


def test_spatial_sizes_vary_fastest():
    plan = sweep_plan(spatial=[(2, 2), (3, 3)], c=(8, 4), dtypes=("fp32", "bf16"), operators=["kao_qkv"])
    first = [(case.dtype, case.c, case.spatial[0]) for case in plan.corners()]
    assert first[:5] == [("fp32", 8, 2), ("fp32", 8, 3), ("fp32", 4, 2), ("fp32", 4, 3), ("bf16", 8, 2)]
    assert [[case.name for case in cell] for cell in plan.cells()] == [["kao_qkv:matmul", "kao_qkv:sdpa"]] * 8


def test_a_warning_stands_once_with_how_many_rows_it_concerns():
    record = measured_record()
    few = [
        replace(row, latency=replace(row.latency, rounds=(0,), samples_s=(0.1,))) for row in record.rows if row.latency
    ]
    (warning, *_) = sweep_warnings(replace(record, rows=tuple(few)))
    assert warning == (
        "too few samples for a 95 % interval, raise --budget or --samples: nonlocal:sdpa at 8 x 8 x 56 x 56 (1), "
        "kao_kv:matmul at 8 x 8 x 56 x 56 (1) and 1 more of 3 rows"
    )
    assert any(
        "baseline kao_kv is not" in text for text in sweep_warnings(replace(record, baseline="kao_kv", rows=few[:1]))
    )


def test_a_journal_without_any_cell_binds_nobody(measure, tmp_path):
    with Journal(tmp_path / "run.jsonl", Header(version="0.1.0", created="x", plan=plan_of((9,), seed=1))):
        pass
    outcome, session, _, _ = measure(plan_of((3, 5)))
    assert session.measured == labels(3, 5)
    assert not outcome.records[0].interrupted
    assert read_journal(tmp_path / "run.jsonl").header.plan == plan_of((3, 5))
