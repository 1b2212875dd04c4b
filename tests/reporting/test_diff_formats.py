"""A `diff` as people and spreadsheets see it: golden files, and what must not be lost in any of them."""

import csv
import io

import pytest
from diffs import changed_pair, made_run
from msgspec.structs import replace
from rendered import on_screen, printed, sentences, written
from samples import analytic_record

from kaoprof.diffing import diff
from kaoprof.records.measured import dumps
from kaoprof.reporting.kinds import report_of, to_console
from kaoprof.reporting.tables.diff import MOST_SHOWN, page_of, warnings_of


@pytest.fixture
def compare(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # so that golden files hold no temporary folder

    def compared(old, new, **options):
        from pathlib import Path

        paths = Path("old.json"), Path("new.json")
        for path, record in zip(paths, (old, new), strict=True):
            path.write_text(dumps(record))
        return diff(*paths, **options)

    return compared


@pytest.mark.parametrize("width", [80, 140])
def test_console(compare, check_golden, width):
    record = compare(*changed_pair(), fail_above=0.05)
    check_golden(f"diff-{width}.txt", on_screen(record, width))


@pytest.mark.parametrize("name", ["csv", "json", "md"])
def test_each_file_format(compare, check_golden, name):
    check_golden(f"diff.{name}", written(compare(*changed_pair(), fail_above=0.05), name))


def test_nothing_is_wider_than_80_columns_and_every_row_is_there(compare):
    record = compare(*changed_pair())
    lines = printed(to_console(report_of(record), 80, verbose=True), 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith(("nonlocal", "kao_")) and "E" not in line[:20] for line in lines) >= len(record.rows)


def test_a_csv_line_for_each_row_with_raw_values(compare):
    record = compare(*changed_pair())
    lines = list(csv.DictReader(io.StringIO(written(record, "csv"))))
    assert len(lines) == len(record.rows)
    for line, row in zip(lines, record.rows, strict=True):
        assert line["name"] == row.name
        assert line["ratio"] == (repr(row.time.ratio) if row.time else "")
        assert line["old_macs"] == (str(row.old.macs) if row.old else "")


def test_what_markdown_would_interpret_is_literal(compare):
    old, new = made_run(1), made_run(2)
    rows = (replace(new.rows[0], status="error", detail="<script>|*x*"), *new.rows[1:])
    text = written(compare(old, replace(new, rows=rows)), "md")
    assert "<script>" not in text
    assert r"\<script\>\|\*x\*" in text


def test_a_long_comparison_shows_what_changed_and_says_how_much_is_hidden(compare):
    sizes = tuple(range(8, 8 + 9))
    old, new = made_run(1, sizes=sizes), made_run(2, sizes=sizes, slower={"kao_qkv:sdpa": 1.5})
    record = compare(old, new)
    assert len(record.rows) > MOST_SHOWN
    page = page_of(record)
    assert {row[0] for table in page.tables for row in table.rows} == {"kao_qkv:sdpa"}
    assert f"{len(record.rows) - len(sizes)} more rows" in sentences(page)


def test_the_drift_is_never_removed_silently(compare):
    before = sentences(page_of(compare(made_run(1), made_run(2, factor=2.0))))
    assert "took 2.0" in before or "took 1.99" in before
    assert "--drift keep" in before


def test_closed_forms_alone_say_that_no_times_were_compared(compare):
    record = compare(analytic_record(), analytic_record(), fail_above=0.05)
    assert "no times to compare" in sentences(page_of(record))
    assert warnings_of(record) == ["no times could be compared: only counts and predicted memory were judged"]


def test_a_limit_on_runs_that_cannot_tell_anything_is_warned_about(compare):
    def few(record):
        rows = tuple(
            replace(row, latency=replace(row.latency, rounds=(0,), samples_s=row.latency.samples_s[:1], launches=(1,)))
            for row in record.rows
        )
        return replace(record, rows=rows, interrupted=True)

    warnings = warnings_of(compare(few(made_run(1)), few(made_run(2)), fail_above=0.05))
    assert any("too noisy or too short" in warning for warning in warnings)
    assert any("old.json was interrupted" in warning for warning in warnings)


def test_of_many_rows_only_those_are_seen_in_which_something_changed(compare):
    names = [f"operator{number}" for number in range(30)]
    old, new = made_run(1), made_run(2)
    first = old.rows[0]
    rows = [replace(first, case=replace(first.case, operator=name)) for name in names]
    grown = replace(rows[7], counted=replace(first.counted, macs=2 * first.counted.macs))
    text = on_screen(compare(replace(old, rows=tuple(rows)), replace(new, rows=(*rows[:7], grown, *rows[8:]))), 80)
    shown = [line for line in text.splitlines() if line.startswith("operator") and "verdict" not in line]
    assert any("operator7" in line and "+100 %" in line for line in shown)
    assert "more rows, in which nothing changed: -v." in text
    assert len(shown) < len(names)


def test_a_busy_machine_is_named_before_any_row(compare):
    record = compare(*changed_pair())
    busy = replace(record, old=replace(record.old, warnings=("other programs kept 1.7 of 2 cores busy",)))
    text = on_screen(busy, 80)
    assert text.startswith("2 SLOWER")
    assert text.index("Other programs ran while the old run was measured") < text.index("nonlocal")
    assert "Other programs" not in on_screen(record, 80)
