"""Exponents as a table: golden files, and that each sentence says what the laws say."""

import io

from msgspec.structs import replace
from rich.console import Console
from samples import analytic_record, grid_record

from kaoprof.report.scaling_cells import scaling_sheets
from kaoprof.report.sheets import sheet_to_console, sheet_to_latex, sheet_to_markdown

OVERHEAD_S = 5e-5


def with_overhead(record):
    """The rows with 50 us added to every call, and times that differ by 1 % from size to size."""

    def later(row):
        if row.latency is None:
            return row
        factor = 1 + 0.01 * (-1) ** (row.case.spatial[0] // 14 // 2)
        samples = tuple((OVERHEAD_S + seconds) * factor for seconds in row.latency.samples_s)
        return replace(row, latency=replace(row.latency, samples_s=samples))

    return replace(record, rows=tuple(map(later, record.rows)))


def grown():
    (sheet,) = scaling_sheets(with_overhead(grid_record(sizes=(7, 14, 28, 56, 112))).rows)
    return sheet


def shown(sheet, width):
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(sheet_to_console(sheet, {}))
    return console.file.getvalue()


def test_console(check_golden):
    check_golden("scaling-80.txt", shown(grown(), 80))


def test_files(check_golden):
    check_golden("scaling.md", sheet_to_markdown(grown()))
    check_golden("scaling.tex", sheet_to_latex(grown()))


def test_overhead_is_told_and_its_sizes_are_not_counted():
    sheet = grown()
    latency = {row[0]: row[-1] for row in sheet.rows}
    assert latency["kao_kv:matmul"] == "28-112 (3)"  # at h = 14 its own work takes 31 us, at h = 28 250 us
    assert latency["kao_qkv:matmul"] == "-"  # only 56 and 112 are left
    assert any("Overhead is more than half of the time" in note and "kao_qkv:matmul" in note for note in sheet.notes)


def test_a_grid_of_closed_forms_has_exponents_of_counts_and_no_latency():
    rows = [row for size in (14, 28, 56) for row in _resized(size)]
    (sheet,) = scaling_sheets(rows)
    assert "latency 95 %" not in sheet.headers
    assert [row[:3] for row in sheet.rows][-1] == ("kao_qkv:matmul", "h^2", "2.00")


def _resized(size):
    from kaoprof.profiling import analytic

    for row in analytic_record().rows:
        case = replace(row.case, spatial=(size, size))
        yield replace(row, case=case, analytic=analytic(case))


def test_one_size_has_no_table():
    assert scaling_sheets(analytic_record().rows) == []


def test_a_run_s_name_keeps_its_case_in_a_caption():
    titled = replace(grown(), title="before: growth with h")
    assert r"\caption{before: growth with h.}" in sheet_to_latex(titled)
    assert r"\caption{Growth with h, " in sheet_to_latex(grown())
