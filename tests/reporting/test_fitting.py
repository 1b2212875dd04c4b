"""A terminal shows answers, as many columns as fit, names in short where they must be; and figures always whole."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from kaoprof.reporting.document import Cell, Column, Notes, Page, Row, Table, Tone
from kaoprof.reporting.formats.console import SteadyConsole, to_console
from kaoprof.reporting.formats.fitting import fitted, in_the_middle, width_of
from kaoprof.reporting.formats.html import to_html
from kaoprof.reporting.formats.latex import to_latex
from kaoprof.reporting.formats.markdown import to_markdown

COLUMNS = (
    Column("name", words=True, name=True),
    Column("MACs"),
    Column("order", optional=1),
    Column("floor", optional=2),
    Column("", bar=True, optional=3),
)
ROWS = (
    ("a_name_of_eighteen", "157.55 M >", "O(h^4 c)", "9.43x", Cell(lines=(("",),), value=1.0)),
    Row(("another", "5.63 M", "O(h^3 c)", "4.64x", Cell(lines=(("",),), value=0.5)), total=True),
)
PAGE = Page(
    blocks=(
        Table(columns=COLUMNS, rows=ROWS, notes=("it answers",), details=("a legend",)),
        Notes(("why it is so",), Tone.QUIET, detail=True),
        Table(title="all of it", columns=COLUMNS[:2], rows=(("hidden", "1 M"),), detail=True),
    )
)


def shown(page, width, *, bars=False, verbose=False, encoding="utf-8"):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
    SteadyConsole(file=stream, width=width, highlight=False, emoji=False).print(
        to_console(page, width, verbose=verbose, bars=bars)
    )
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)


def test_detail_is_left_out_until_it_is_asked_for():
    glance, depth = shown(PAGE, 80), shown(PAGE, 80, verbose=True)
    for sentence in ("a legend", "why it is so", "all of it", "hidden"):
        assert sentence not in glance
        assert sentence in depth
    assert "it answers" in glance
    assert "it answers" in depth


@pytest.mark.parametrize("write", [to_markdown, to_latex, lambda page: to_html([page], "x")])
def test_files_hold_the_detail_too(write):
    assert all(words in write(PAGE) for words in ("a legend", "why it is so", "hidden"))


@pytest.mark.parametrize(("width", "there"), [(80, 3), (43, 3), (42, 2), (36, 2), (35, 1), (29, 1), (28, 1), (21, 1)])
def test_the_highest_optional_column_goes_first(width, there):
    # 18 + 1 + 10 = 29, with the order 29 + 1 + 8 = 38, with the floor 38 + 1 + 5 = 44
    head = shown(PAGE, width).splitlines()[0]
    assert [word in head for word in ("MACs", "order", "floor")] == [True, width >= 38, width >= 44]
    assert there >= 1


def test_names_give_way_and_figures_never_do():
    narrow = shown(PAGE, 23)
    assert "157.55 M >" in narrow
    assert "a_na…ighteen" in narrow
    assert max(map(len, narrow.splitlines())) <= 23


def test_all_tables_of_a_page_have_the_same_columns():
    long = Table(columns=COLUMNS, rows=(("x" * 30, *ROWS[0][1:]),))
    page = fitted(Page(blocks=(PAGE.blocks[0], long)), 50, verbose=False, bars=False)
    assert [table.headers for table in page.tables] == [("name", "MACs", "order")] * 2


def test_bars_take_what_is_left_of_a_line_and_are_drawn_only_for_who_sees_them():
    full, half = (line for line in shown(PAGE, 60, bars=True).splitlines() if "O(" in line)
    assert full.count("▉") == 12
    assert half.count("▉") == 6
    assert "▉" not in shown(PAGE, 60)
    assert shown(PAGE, 50, bars=True).splitlines()[2].count("▉") == 4 + 50 - 44 - 1 - 4


def test_a_terminal_without_such_signs_gets_others_of_the_same_width():
    page = Page(blocks=(Table(columns=COLUMNS[:2], rows=(("a", "3 µs◂"),)),))
    assert "3 us<" in shown(page, 80, encoding="ascii")
    assert "3 µs◂" in shown(page, 80)


def test_words_without_headers_are_a_list_of_facts():
    facts = Table(
        columns=(Column("", words=True), Column("", words=True, rest=True)), rows=(("machine", "idle " * 20),)
    )
    lines = shown(Page(blocks=(facts,)), 60).splitlines()
    assert lines[0].startswith("machine  idle")
    assert all(line.startswith(" " * 9 + "idle") for line in lines[1:])


@given(st.text(max_size=40), st.integers(min_value=1, max_value=40))
def test_a_shortened_name_is_never_wider_than_its_room(name, room):
    assert cell_len(in_the_middle(name, room)) <= max(room, 1)


def test_the_width_is_what_rich_draws():
    for page in (PAGE, Page(blocks=(Table(columns=COLUMNS[:1], rows=(("五七",), ("a\x00b",))),))):
        table = fitted(page, 1000, verbose=False, bars=False).tables[0]
        drawn = shown(Page(blocks=(table,)), 1000).splitlines()
        assert max(cell_len(line) for line in drawn) == width_of(table)
