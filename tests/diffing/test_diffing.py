"""Two run files compared: verdicts, exact changes, what came and went, limits, and files that cannot be compared."""

import msgspec
import pytest
from diffs import NAMES, changed_pair, made_run
from msgspec.structs import replace
from samples import analytic_record

from kaoprof.diffing import diff
from kaoprof.errors import KaoprofError, RecordError, UsageError
from kaoprof.records.diff import FASTER, SAME, SLOWER, UNSURE, growth, peaks_of
from kaoprof.records.measured import Conditions, dumps
from kaoprof.records.reading import load_records
from kaoprof.reporting.tables.diff import warnings_of


@pytest.fixture
def compare(tmp_path):
    """Compares two records by way of files."""

    def compared(old, new, **options):
        paths = [tmp_path / f"{name}.json" for name in ("old", "new")]
        for path, record in zip(paths, (old, new), strict=True):
            path.write_text(record if isinstance(record, str) else dumps(record))
        return diff(*paths, **options)

    return compared


def named(record, name, cell="14 x 14"):
    return next(row for row in record.rows if row.name == name and cell in row.cell)


def test_the_same_thing_twice_is_the_same(compare):
    record = compare(made_run(1), made_run(2))
    assert {row.verdict for row in record.rows} == {SAME}
    assert record.changes == ()
    assert len(record.rows) == 2 * len(NAMES)


def test_the_row_that_is_slower_is_found_although_the_whole_machine_is(compare):
    record = compare(made_run(1), made_run(2, factor=1.5, slower={"kao_kv:sdpa": 1.2, "nonlocal:sdpa": 0.7}))
    verdicts = {row.name: row.verdict for row in record.rows}
    assert verdicts.pop("kao_kv:sdpa") == SLOWER
    assert verdicts.pop("nonlocal:sdpa") == FASTER
    assert set(verdicts.values()) == {SAME}
    change = named(record, "kao_kv:sdpa").time
    assert change.ratio == pytest.approx(1.2, rel=0.02)
    assert change.low < 1.2 < change.high
    assert change.low_joint < change.low
    assert change.new_s / change.old_s == pytest.approx(1.2 * 1.5, rel=0.02)  # as measured, with the machine's part
    assert all(drift.removed and drift.factor == pytest.approx(1.5, rel=0.02) for drift in record.drifts)


def test_in_another_environment_what_all_have_in_common_is_part_of_the_change(compare):
    new = made_run(2, factor=1.5)
    settings = ("MALLOC_ARENA_MAX=2", "OMP_NUM_THREADS=3")
    new = replace(new, environment=replace(new.environment, torch="2.14.0", load_before=0.3, settings=settings))
    record = compare(made_run(1), new)
    assert {row.verdict for row in record.rows} == {SLOWER}
    assert [(one.name, one.old, one.new) for one in record.changes] == [
        ("torch", "2.13.0", "2.14.0"), ("settings", "none", "MALLOC_ARENA_MAX=2 OMP_NUM_THREADS=3"),
    ]  # fmt: skip
    removed = compare(made_run(1), new, drift="remove")
    assert {row.verdict for row in removed.rows} == {SAME}


def test_kept_the_drift_counts_also_in_the_same_environment(compare):
    record = compare(made_run(1), made_run(2, factor=1.5), drift="keep")
    assert {row.verdict for row in record.rows} == {SLOWER}


def test_another_protocol_is_named(compare):
    new = made_run(2)
    record = compare(made_run(1), replace(new, protocol=replace(new.protocol, budget_s=60.0, spent_s=61.0)))
    assert [(one.name, one.old, one.new) for one in record.changes] == [("budget_s", "10.0", "60.0")]


def test_counts_memory_and_status_are_compared_exactly(compare):
    record = compare(*changed_pair())
    assert growth(*peaks_of(named(record, "nonlocal_pool:matmul"))) == pytest.approx(1.1)
    more = named(record, "kao_kv:matmul")
    assert more.new.macs == 2 * more.old.macs
    failed = named(record, "nonlocal_pool:sdpa")
    assert (failed.old_status, failed.new_status, failed.verdict) == ("ok", "oom", None)
    assert named(record, NAMES[0], "28 x 28").new_status is None
    assert named(record, NAMES[-1], "28 x 28").old_status is None


def test_every_kind_of_growth_beyond_the_limit_is_a_breach_and_none_below(compare):
    old, new = changed_pair()
    strict = compare(old, new, fail_above=0.05)
    breaches = {(row.name, row.breaches) for row in strict.rows if row.breaches}
    assert breaches == {
        ("kao_qkv:matmul", ("time",)),
        ("nonlocal_pool:matmul", ("memory",)),
        ("nonlocal_pool:sdpa", ("status",)),
        ("kao_kv:matmul", ("MACs",)),
    }
    lax = compare(old, new, fail_above=1.0)
    assert {row.breaches for row in lax.rows if row.breaches} == {("status",)}
    assert not compare(old, new).breached


def test_a_time_breaks_a_limit_only_by_the_lower_end_of_its_interval(compare):
    record = compare(made_run(1), made_run(2, slower={"kao_qkv:matmul": 1.2}), fail_above=0.19)
    row = named(record, "kao_qkv:matmul")
    assert (row.verdict, row.breaches) == (SLOWER, ())
    assert 1.05 < row.time.low_joint < 1.19 < row.time.high_joint


def test_few_samples_are_unsure(compare):
    def short(record):
        def two(latency):
            return replace(latency, rounds=(0, 1), samples_s=latency.samples_s[:2], launches=(1, 1))

        return replace(record, rows=tuple(replace(row, latency=two(row.latency)) for row in record.rows))

    record = compare(short(made_run(1)), short(made_run(2, slower={"kao_kv:sdpa": 3.0})))
    assert {row.verdict for row in record.rows} == {UNSURE}


def test_closed_forms_have_no_times_but_counts(compare):
    record = compare(analytic_record(), analytic_record())
    assert {row.verdict for row in record.rows} == {None}
    assert {growth(row.old.macs, row.new.macs) for row in record.rows} == {1.0}


def test_growth_from_nothing_is_infinite_and_of_the_unknown_unknown():
    assert growth(0, 0) == 1.0
    assert growth(0, 5) == float("inf")
    assert growth(None, 5) is None


def test_where_other_programs_had_the_cores_few_rows_prove_nothing(compare):
    few = ("nonlocal:matmul", "kao_qkv:matmul")
    calm = made_run(1, names=few)
    slower = made_run(2, names=few, factor=2.0)
    taken = replace(slower.protocol, after=Conditions(cores_taken=1.4))
    assert {row.verdict for row in compare(calm, slower).rows} == {SLOWER}
    record = compare(calm, replace(slower, protocol=taken), fail_above=0.05)
    assert {row.verdict for row in record.rows} == {UNSURE}
    assert not record.breached
    assert record.old.warnings == ()
    crowded = "other programs kept 1.4 of 2 cores busy while this was measured: expect noise"
    assert record.new.warnings == (f"{crowded}; --threads 1 leaves the others a core",)
    assert f"{record.new.path}: {record.new.warnings[0]}" in warnings_of(record)


def test_a_row_far_apart_in_two_runs_of_one_command_on_a_busy_machine_is_unsure(compare):
    """Also where the other rows agree: a spell of somebody's program may have hit this one alone."""
    taken = Conditions(cores_taken=1.7)
    runs = (made_run(1), made_run(2, slower={"kao_kv:matmul": 1 / 2.7}))
    assert FASTER in {row.verdict for row in compare(*runs).rows}
    busy = (replace(run, protocol=replace(run.protocol, after=taken)) for run in runs)
    assert {row.verdict for row in compare(*busy).rows if row.name == "kao_kv:matmul"} == {UNSURE}


def test_an_interrupted_run_says_so(compare):
    record = compare(made_run(1), replace(made_run(2), interrupted=True))
    assert (record.old.interrupted, record.new.interrupted) == (False, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ('{"a": 1}', "not a kaoprof record"),
        ("<html>", "neither a record nor a journal"),
        (lambda good: good[: len(good) // 2], "cut off or damaged"),
        (lambda good: good.replace('"schema": 1', '"schema": 2', 1), "this kaoprof reads schema 1"),
        (lambda good: good.replace('"kind": "compare"', '"kind": "other"', 1), "'other' cannot be read back"),
    ],
)
def test_what_is_no_run_is_refused_in_one_line(compare, text, message):
    good = dumps(made_run(1))
    with pytest.raises(RecordError, match=message) as refused:
        compare(good, text(good) if callable(text) else text)
    assert "new.json" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_runs_without_rows_or_common_rows_are_refused(compare):
    with pytest.raises(RecordError, match="holds no rows"):
        compare(made_run(1), replace(made_run(2), rows=()))
    with pytest.raises(KaoprofError, match=r"no row stands in both runs .* 8 x 8 x 28 x 28 .* 8 x 8 x 14 x 14"):
        compare(made_run(1, sizes=(14,)), made_run(2, sizes=(28,)))


def test_a_file_is_not_compared_with_itself(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(dumps(made_run(1)))
    (tmp_path / "link.json").symlink_to(path)
    with pytest.raises(UsageError, match="compared with itself"):
        diff(path, tmp_path / "link.json")


def test_the_record_survives_json(compare):
    record = compare(*changed_pair(), fail_above=0.05)
    assert msgspec.json.decode(dumps(record), type=type(record)) == record


def test_a_device_is_no_part_of_a_row_s_name(compare):
    new = made_run(2)
    rows = tuple(replace(row, case=replace(row.case, device="cuda:0")) for row in new.rows)
    record = compare(made_run(1), replace(new, rows=rows, environment=replace(new.environment, device_name="A GPU")))
    assert all(row.time for row in record.rows)
    assert [change.name for change in record.changes] == ["device_name"]


def test_what_was_written_is_what_is_read(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(dumps(made_run(1)))
    assert load_records(path)[-1].rows[0].latency.launches[0] == 1
