"""A report of many rows as CSV: rows stay in their file, and warnings are summed while they pass."""

import csv
import io
import os
import signal
from operator import itemgetter

import msgspec
import pytest
from every_kind import every_kind
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace
from profile_samples import model
from profile_samples import record as profile_record
from rendered import on_screen, printed, reported, runs
from samples import CALL_S, grid_record

from kaoprof.cli.app import run
from kaoprof.errors import OutputError, RecordError
from kaoprof.findings.tally import Tally, sweep_warnings
from kaoprof.records import file_parts, journal_reading, pieces
from kaoprof.records.compare import by_cell
from kaoprof.records.journal import Finished, Header, Launch
from kaoprof.records.measured import dumps
from kaoprof.records.reading import load_records
from kaoprof.records.stored_rows import StoredRows
from kaoprof.reporting import many_rows
from kaoprof.reporting.document import Column, Notes, Page, Table
from kaoprof.reporting.formats.console import to_console
from kaoprof.reporting.formats.csv import csv_lines, line_reader
from kaoprof.reporting.formats.folding import FEW_ROWS, MOST_ROWS, MOST_TABLES
from kaoprof.reporting.formats.html import to_html
from kaoprof.reporting.formats.latex import to_latex
from kaoprof.reporting.formats.markdown import to_markdown
from kaoprof.reporting.kinds import KINDS, Report, csv_of, load, warnings_of, written
from kaoprof.sweeping.plan import sweep_plan


def record_file(folder):
    """A record; a cell's rows are not all beside each other."""
    record = grid_record()
    record = replace(record, rows=record.rows[::2] + record.rows[1::2])
    path = folder / "run.json"
    path.write_text(dumps(record))
    return path, record


def journal_file(folder):
    """A journal: lines of one cell and of two, one that was tried again later, and the rest of a crash."""
    record = grid_record()
    cells = list(by_cell(record.rows).values())
    plan = sweep_plan(spatial=[cell[0].case.spatial for cell in cells], c=[8], batch=8, operators=list(CALL_S))
    failed = [replace(row, status="error", latency=None) for row in cells[2]]
    launch = {"version": "0.1.0", "created": "then", "environment": record.environment, "protocol": record.protocol}
    finished = [Finished(rows=tuple(rows)) for rows in (failed, cells[3] + cells[0], cells[1], cells[2])]
    path = folder / "run.jsonl"
    entries = [Header(version="0.1.0", created="then", plan=plan), Launch(**launch), *finished]
    path.write_bytes(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries) + b'{"entry":"cel')
    return path, load_records(path)[0]


@pytest.fixture(params=[record_file, journal_file])
def large_file(request, tmp_path, monkeypatch):
    """A file that is read in pieces, and its record."""
    path, record = request.param(tmp_path)
    monkeypatch.setattr(pieces, "LARGE_BYTES", 0)
    monkeypatch.setattr(journal_reading, "LARGE_BYTES", 0)
    monkeypatch.setattr(file_parts, "CHUNK_BYTES", 2000)
    return path, record


def test_rows_that_stay_in_their_file_are_those_that_it_holds(large_file):
    path, record = large_file
    (kept,) = load_records(path, in_place=True)
    assert isinstance(kept.rows, StoredRows)
    assert (len(kept.rows), tuple(kept.rows), kept.rows[1:3]) == (16, record.rows, record.rows[1:3])
    assert {cell: list(rows) for cell, rows in kept.rows.groups().items()} == record.cells()
    assert replace(kept, rows=record.rows) == record
    assert load_records(path) == (record,)


def assert_all_is_written(file, target, capsys):
    """The report of the file as CSV holds what its record gives, and warns of it."""
    path, record = file
    code = run(["report", str(path), "--to", str(target)])
    assert code == 0
    assert target.read_text() == "".join(csv_of(Report(runs=runs(record))))
    said = capsys.readouterr().err
    assert all(f"warning: {warning}\n" in said for warning in sweep_warnings(record))
    assert "warning: skipped: 1 of 16 rows" in said


def test_as_csv_they_are_what_they_are_otherwise(large_file, tmp_path, capsys):
    assert_all_is_written(large_file, tmp_path / "x.csv", capsys)


def test_a_file_that_is_changed_meanwhile_is_one_clear_line(large_file):
    path, _ = large_file
    (kept,) = load_records(path, in_place=True)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(RecordError, match="was changed while it was read"):
        list(kept.rows)


def test_a_key_that_stands_twice_in_a_row_is_refused(large_file):
    path, _ = large_file
    status = '"status": "ok"' if path.suffix == ".json" else '"status":"ok"'
    path.write_text(path.read_text().replace(status, f'"detail":"", {status}', 1))
    with pytest.raises(RecordError, match=r"'detail' stands twice") as error:
        load_records(path, in_place=True)
    assert path.suffix == ".json" or "run.jsonl:4: this line is damaged" in str(error.value)


def test_warnings_are_those_of_all_rows_however_many_were_written():
    record = grid_record()
    report = Report(runs=runs(record), tallies=(Tally(record),))
    expected = warnings_of(Report(runs=runs(record), tallies=(Tally(record),)))
    assert expected
    for _ in range(2):  # as to a file and to a terminal
        list(csv_of(report))
        assert warnings_of(report) == expected
    parts = csv_of(report)
    next(parts)
    parts.close()  # as `| head` does
    assert warnings_of(report) == expected


def test_columns_read_together_are_those_read_one_by_one(tmp_path):
    for record in every_kind(tmp_path).values():
        columns = load(KINDS[record.kind].columns)
        read = line_reader(columns.values())
        for view in load(KINDS[record.kind].views)(record):
            assert read(view) == tuple(column(view) for column in columns.values()), record.kind


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text('ab,"é ', max_size=9)


@given(line=st.lists(VALUES, min_size=2, max_size=9), run=st.none() | st.text('a,"', max_size=5))
@example(line=[10**80, -(2**63), 2**63, 5e-5, 1e-4, 1e16, 0.1, -0.0, True], run=None)
def test_a_line_is_what_the_csv_module_writes(line, run):
    columns = {str(place): itemgetter(place) for place in range(len(line))}
    expected = io.StringIO()
    csv.writer(expected, lineterminator="\n").writerows([line if run is None else [*line, run]] * 2)
    assert "".join(csv_lines(columns, [line, line], run=run)) == expected.getvalue()


def test_the_rows_of_a_csv_are_as_wide_as_its_head(large_file):
    _, record = large_file
    lines = list(csv.reader("".join(csv_of(Report(runs=runs(record)))).splitlines()))
    assert {len(line) for line in lines} == {len(lines[0])}


READERS = {
    "console": lambda page: printed(to_console(page, 80)),
    "markdown": to_markdown,
    "latex": to_latex,
    "html": lambda page: to_html([page], "run").partition("<main>")[2].partition("</main>")[0],
}


def page_of(*sizes):
    """Tables of so many rows each, and what they say."""
    tables = [
        Table(title=f"table {place}", columns=(Column("a", words=True), Column("b")),
              rows=tuple((f"row {place}:{number};", "1") for number in range(size)))
        for place, size in enumerate(sizes)
    ]  # fmt: skip
    between = [block for table in tables for block in (table, Notes(("of one",)))]
    return Page(blocks=(*between, Notes(("what it says",))))


@pytest.mark.parametrize("reader", READERS)
def test_what_nobody_scrolls_through_is_folded(reader):
    shown = READERS[reader](page_of(2, MOST_ROWS + 1, 300))
    assert shown.count("row ") == MOST_ROWS + FEW_ROWS
    assert all(text in shown for text in ("row 0:1;", f"row 1:{MOST_ROWS - 3};", f"row 2:{FEW_ROWS - 1};"))
    assert all(f"... and {left} more rows: -o table.csv holds them all" in shown for left in (3, 290))
    assert "what it says" in shown
    assert "more rows" not in READERS[reader](page_of(MOST_ROWS))


@pytest.mark.parametrize("reader", READERS)
def test_tables_without_end_are_folded_too(reader):
    shown = READERS[reader](page_of(*[4] * (MOST_TABLES + 50)))
    assert shown.count("row ") == 4 * MOST_TABLES
    assert shown.count("of one") == MOST_TABLES + 1
    assert "... and 50 more tables with 200 rows: -o table.csv" in shown.replace("\n", " ")
    assert "what it says" in shown


def test_a_page_of_many_cells_shows_the_first_and_says_where_all_are():
    record = replace(grid_record(), rows=grid_record().rows * 100)
    shown = written(reported(record, quantities=()), "html")
    body = shown.partition("<tbody>")[2] if shown.count("<tbody>") == 1 else shown.rpartition("<tbody>")[2]
    assert body.count("<tr>") == MOST_ROWS
    assert "The first 1,000 of 1,600 rows; --only chooses among them, and -o table.csv holds them all" in shown
    assert "Why 100 rows have no measurement" in shown


def test_a_deep_model_s_page_keeps_its_whole():
    small = model("deep", 0.01)
    layers = (small.layers[0], *(small.layers[1:] * 400))
    shown = written(reported(profile_record(replace(small, layers=layers))), "html")
    body = shown.rpartition("<tbody>")[2].partition("</tbody>")[0]
    assert body.count("<tr>") == MOST_ROWS + 1
    assert "... and 200 more rows: -o table.csv holds them all" in shown


def test_a_terminal_gets_the_first_cells_and_what_is_known_of_all():
    shown = on_screen(grid_record(range(8, 8 + MOST_TABLES + 20)))
    assert shown.count("Attention on") == MOST_TABLES
    assert "... and 20 more tables with 80 rows: -o table.csv" in shown.replace("\n", " ")
    assert "agree in all 480 rows" in shown


@pytest.fixture
def shared(monkeypatch):
    """Whatever rows stay in their file are written by two processes, a few at a time."""
    monkeypatch.setattr(many_rows, "PIECE_ROWS", 4)
    monkeypatch.setattr(many_rows, "processes_for", lambda _: 2)


@pytest.mark.usefixtures("shared")
def test_several_processes_write_what_one_does(large_file, tmp_path, capsys):
    assert_all_is_written(large_file, tmp_path / "x.csv", capsys)


@pytest.mark.usefixtures("shared")
def test_what_one_of_several_processes_says_is_said(large_file):
    path, _ = large_file
    (kept,) = load_records(path, in_place=True)
    path.write_bytes(path.read_bytes()[:3000])
    report = Report(runs=runs(kept), tallies=(Tally(kept),))
    with pytest.raises(RecordError, match="was changed while it was read"):
        list(csv_of(report))
    assert not report.tallies[0].whole


def test_a_process_that_is_killed_is_one_clear_line(large_file):
    path, _ = large_file
    (kept,) = load_records(path, in_place=True)
    lines = many_rows.shared_lines(kept, Tally(kept), lambda *_: os.kill(os.getpid(), signal.SIGKILL), 2)
    with pytest.raises(OutputError, match="ended too early"):
        list(lines)


def test_few_rows_are_not_shared(large_file):
    path, record = large_file
    (kept,) = load_records(path, in_place=True)
    assert many_rows.processes_for(kept.rows) == many_rows.processes_for(record.rows) == 1
