"""Exponents as a table: golden files, and that each sentence says what the laws say."""

from msgspec.structs import replace
from rendered import page_on_screen
from samples import analytic_record, grid_record

from kaoprof.findings.growth import Crossover, lines_of
from kaoprof.findings.race import race_row
from kaoprof.records.fit import TimedRatio
from kaoprof.reporting.document import Page, Table, columns_of
from kaoprof.reporting.formats.latex import to_latex
from kaoprof.reporting.formats.markdown import to_markdown
from kaoprof.reporting.tables.growth import growth_tables, sentence_of

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
    (table,) = growth_tables(with_overhead(grid_record(sizes=(7, 14, 28, 56, 112))).rows)
    return table


def page(table):
    return Page(blocks=(table,))


def test_console(check_golden):
    check_golden("scaling-80.txt", page_on_screen(page(grown())))


def test_files(check_golden):
    check_golden("scaling.md", to_markdown(page(grown())))
    check_golden("scaling.tex", to_latex(page(grown())))


def test_overhead_is_told_and_its_sizes_are_not_counted():
    table = grown()
    latency = {row[0]: row[-1] for row in table.rows}
    assert latency["kao_kv:matmul"] == "28-112 (3)"  # at h = 14 its own work takes 31 us, at h = 28 250 us
    assert latency["kao_qkv:matmul"] == "-"  # only 56 and 112 are left
    assert any("Overhead is more than half of the time" in note and "kao_qkv:matmul" in note for note in table.notes)


def test_a_grid_of_closed_forms_has_exponents_of_counts_and_no_latency():
    rows = [row for size in (14, 28, 56) for row in _resized(size)]
    (table,) = growth_tables(rows)
    assert "latency 95 %" not in table.headers
    assert [row[:3] for row in table.rows][-1] == ("kao_qkv:matmul", "h^2", "2.00")


def _resized(size):
    from kaoprof.comparing.run import analytic

    for row in analytic_record().rows:
        case = replace(row.case, spatial=(size, size))
        yield replace(row, case=case, analytic=analytic(case))


def test_an_interval_of_points_that_scatter_is_no_exponent():
    from kaoprof.findings.growth import Law
    from kaoprof.reporting.tables.growth import _latency_cells

    scattered = Law(quantity="latency", source="measured", theory=2, sizes=(7, 14, 28), low=-25.88, high=28.61,
                    objection="the points scatter")  # fmt: skip
    assert _latency_cells(scattered) == ("-", "-")


def test_orders_in_brackets_are_explained_only_where_there_are_any():
    assert any(note.startswith("In brackets") for note in grown().notes)
    bare = tuple(row for row in grid_record(sizes=(7, 14, 28)).rows if row.case.name == "kao_qkv:matmul")
    (table,) = growth_tables(bare)
    assert not any("bracket" in note or "(2)" in note for note in table.notes)


def test_faster_at_the_largest_size_alone_is_no_range():
    ratios = [TimedRatio(size=size, first="a", second="b", ratio=ratio, low=low, high=high, samples=10)
              for size, ratio, low, high in ((14, 1.0, 0.5, 2.0), (28, 3.0, 2.0, 4.0))]  # fmt: skip
    line = lines_of(grid_record(sizes=(7, 14, 28)).rows)[0]
    crossing = Crossover(line=line, verdict=race_row("a", "b", "h", ratios))
    assert (
        sentence_of(crossing)
        == "No crossover: b is certainly faster than a at h=28, at no smaller one certainly slower."
    )


def test_a_minus_is_one_in_latex_and_a_range_stays_one():
    cells = ("a-b:c", "-0.5 (-1.2 to 0.3)", "7-28", "-")
    table = Table(title="changes", columns=columns_of(("operator", "k", "at", "time")), rows=(cells,))
    assert r"a-b:c & $-$0.5 ($-$1.2 to 0.3) & 7--28 & - \\" in to_latex(page(table))


def test_one_size_has_no_table():
    assert growth_tables(analytic_record().rows) == []


def test_a_run_s_name_keeps_its_case_in_a_caption():
    titled = replace(grown(), title="before: growth with h")
    assert r"\caption{before: growth with h.}" in to_latex(page(titled))
    assert r"\caption{Growth with h, " in to_latex(page(grown()))
