"""Whatever texts a record holds, in every field of every kind, no format does what they say: it shows them."""

import csv
import inspect
import io
import itertools
import re
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from every_kind import every_kind
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from test_pages import read

from kaoprof.errors import KaoprofError
from kaoprof.records import formulas
from kaoprof.records.reading import KINDS
from kaoprof.reporting import kinds
from kaoprof.reporting.document import (
    Column,
    Heading,
    Notes,
    Page,
    Row,
    Span,
    Style,
    Table,
    Tone,
    figure_cell,
    stacked,
)
from kaoprof.reporting.formats import html, latex, markdown, plain
from kaoprof.reporting.formats.console import SteadyConsole, to_console
from kaoprof.reporting.tables.grid import NamedRun, grid_of

FRAGMENTS = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</td></svg>", "-->", "<!--", "&lt;", '"', "'",
    "${x}", "[c](javascript:alert(1))", "![i](http://e.vil/x)", "<http://e.vil>", "https://e.vil/x_y", "www.e.vil",
    "me@e.vil", "`", "```", "|", "\\|", "\\", "# h", "\n\n# h\n", "- i", "1. i", "***", "___", "~~~", "$$", "---\n",
    "\\input{/etc/passwd}", "\\immediate\\write18{id}", "\\end{tabular}", "{", "}", "%", "^^5cinput", "$", "&", "_",
    "#1", "\x1b]0;pwn\x07", "\x1b[31m", "\x9b2J", "\x00", "\x7f", "\r", "\b", "\u202e", "\u200b", "\u2028", "\ufeff",
    "\U000e0041", "[red]", "[link=http://e.vil]x[/link]", "[/]", ":smile:", "=1+1", "+1", "-1", "@SUM(1)", "\t=1",
    "＝1", "Max(b", "O(h^2)", "1.5x", "٣", "e\u0301", "日本", "x" * 200,
]  # fmt: skip
HOSTILE = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=3), min_size=1, max_size=5).map("".join)
EVERYTHING = [
    "".join(FRAGMENTS),
    *(pytest.param("".join(FRAGMENTS[start::3]), marks=pytest.mark.slow) for start in range(3)),
]
UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)
COLOURS = re.compile(r"\x1b\[[\d;]*m")


@cache
def records():
    with TemporaryDirectory() as folder:
        return every_kind(Path(folder))


def texts_of(data, path=()):
    """The path of every text in a record's plain data, its keys included: `(..., "sizes", KEY, "h")`."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield (*path, "KEY", key)
            yield from texts_of(value, (*path, key))
    elif isinstance(data, list):
        for place, value in enumerate(data):
            yield from texts_of(value, (*path, place))
    elif isinstance(data, str):
        yield path


def changed(data, paths, change):
    """A copy of plain data with the texts at `paths` changed."""
    copy = msgspec.json.decode(msgspec.json.encode(data))
    for path in sorted(paths, key=lambda path: "KEY" in path):  # values first: keys lead to them
        *steps, last = path
        renamed = "KEY" in steps
        holder = copy
        for step in steps[:-1] if renamed else steps:
            holder = holder[step]
        if renamed:
            holder[change(last)] = holder.pop(last)
        else:
            holder[last] = change(holder[last])
    return copy


FIELDS = {}  # by kind: the texts that a record may hold as anybody wrote them; others are refused on reading


def open_fields(kind, record):
    """The paths of texts that are read whatever they say; a field's name is no text."""
    if kind not in FIELDS:
        data = data_of(record)
        FIELDS[kind] = [
            path
            for path in texts_of(data)
            if path != ("kind",) and holds(kind, changed(data, [path], "<x>\x1b".__add__))
        ]
    return FIELDS[kind]


def data_of(record):
    return msgspec.json.decode(msgspec.json.encode(record))


def holds(kind, data):
    try:
        record = msgspec.convert(data, KINDS[kind])
    except (msgspec.ValidationError, KaoprofError):
        return False
    return b"<x>" in msgspec.json.encode(record)


def field_of(path):
    """The field at a path, whatever the row: `rows.*.detail`."""
    return ".".join("*" if isinstance(step, int) else str(step) for step in path)


def report_of(record, name, *, plots):
    named = (NamedRun(name=name, record=record),)
    if not kinds.KINDS[record.kind].is_grid:
        return kinds.Report(runs=named)
    return kinds.Report(runs=named, grid=msgspec.structs.replace(grid_of(named), quantities=None if plots else ()))


def hostile_report(kind, record, text, *, plots=False):
    """A report of a record all of whose open texts begin with `text`; equal ones stay equal."""
    data = changed(data_of(record), open_fields(kind, record), text.__add__)
    return report_of(msgspec.convert(data, KINDS[kind]), f"{text}run", plots=plots)


def check_terminal(report, _):
    for width in (80, 200):
        obeys_no_terminal(kinds.to_console(report, width), width)


def obeys_no_terminal(shown, width):
    console = SteadyConsole(file=io.StringIO(), width=width, force_terminal=True, highlight=False, emoji=False)
    console.print(shown)
    text = COLOURS.sub("", console.file.getvalue())
    assert not UNSEEN.search(text), repr(UNSEEN.search(text))


COMMANDS = set(re.findall(r"\\([A-Za-z]+)", "".join(map(str, vars(latex).values())))) | formulas.COMMANDS | {
    *("begin", "end", "caption", "centering", "footnotesize", "scriptsize", "setlength", "tabcolsep", "toprule"),
    *("midrule", "bottomrule", "cmidrule", "multicolumn", "texttt", "emph", "par", "smallskip", "parbox", "linewidth"),
    *("label", "tiny"),
    *("raggedright", "hspace", "dimexpr", "relax", "mathrm", "allowbreak", "penalty", "usepackage", "times", "quad"),
}  # fmt: skip


def check_latex(report, _):
    obeys_no_latex(kinds.written(report, "tex"))


def obeys_no_latex(text):
    assert not UNSEEN.search(text)
    lines = [line for line in text.split("\n") if not line.startswith("% ")]
    body = "\n".join(lines)
    assert set(re.findall(r"\\([A-Za-z]+)", body.replace("\\\\", ""))) <= COMMANDS
    environments = set(re.findall(r"\\(?:begin|end)\{([^}]*)\}", body))
    assert environments <= {"table", "table*", "tabular"}
    assert body.count(r"\begin{tabular}") == body.count(r"\end{tabular}")
    bare = re.sub(r"\\.", "", body)
    assert not set('%#"') & set(bare)
    assert "^^" not in body
    assert bare.count("{") == bare.count("}")
    assert all(line.count("$") % 2 == 0 for line in bare.split("\n"))


READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


BLOCKS = re.compile(
    "table|thead|tbody|tr|th|td|paragraph|bullet_list|list_item|heading|inline|text|softbreak|strong|em|code_inline"
)


def check_markdown(report, _):
    obeys_no_markdown(kinds.written(report, "md"))


def obeys_no_markdown(text):
    assert not UNSEEN.search(text)
    tokens = READER.parse(text)
    for token in itertools.chain(tokens, *(block.children or [] for block in tokens)):
        assert BLOCKS.fullmatch(re.sub("_(open|close)$", "", token.type)), token.type
        assert token.tag not in {"h1", "h2"}
        if token.type == "text":
            assert not markdown.LINK.search(token.content), token.content
    for table in re.findall(r"^\|.*\|$(?:\n^\|.*\|$)+", text, re.MULTILINE):
        bars = [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in table.splitlines()]
        assert max(bars) == bars[0]


HTML_TAGS = set(re.findall(r"<([a-z0-9]+)", inspect.getsource(html) + html._part("page.html")))


def check_html(report, plain_report):
    page, meant = read(kinds.written(report, "html")), read(kinds.written(plain_report, "html"))
    assert set(page.tags) <= set(meant.tags) | {"details", "summary", "span"}
    assert page.tags.count("script") == 1
    assert {name for _, name, _ in page.attributes} <= {name for _, name, _ in meant.attributes}
    assert not UNSEEN.search("".join(page.texts))


def check_csv(report, plain_report):
    rows = list(csv.reader(io.StringIO(kinds.written(report, "csv"))))
    meant = list(csv.reader(io.StringIO(kinds.written(plain_report, "csv"))))
    assert [len(row) for row in rows] == [len(row) for row in meant]
    for cell in itertools.chain(*rows):
        assert not UNSEEN.search(cell)
        assert not re.match(r"\s*[=+@＝＋－＠]|\s+-|-(?![\d.]+)", cell), cell


def check_json(report, _):
    text = kinds.written(report, "json")
    assert not UNSEEN.search(text)
    (run,) = report.runs
    assert msgspec.json.decode(text, type=KINDS[run.record.kind]) == run.record


def check_svg(report, plain_report):
    if kinds.KINDS[report.runs[0].record.kind].figures:
        tags = [{element.tag for element in ET.fromstring(kinds.written(made, "svg")).iter()}  # noqa: S314 - ours
                for made in (report, plain_report)]  # fmt: skip
        assert tags[0] <= tags[1]


CHECKS = {
    "terminal": check_terminal, "tex": check_latex, "md": check_markdown, "html": check_html, "csv": check_csv,
    "json": check_json,
}  # fmt: skip


def try_all(text, checks, *, plots=False):
    for kind, record in records().items():
        hostile = hostile_report(kind, record, text, plots=plots)
        meant = hostile_report(kind, record, "m", plots=plots)
        for check in checks:
            check(hostile, meant)


def test_every_field_is_either_refused_or_tried():
    """What is counted: fields that hold any text, and those that hold only what they should."""
    tried = {(kind, field_of(path)) for kind, record in records().items() for path in open_fields(kind, record)}
    every = {(kind, field_of(path)) for kind, record in records().items()
             for path in texts_of(data_of(record))}  # fmt: skip
    refused = {f"{kind}.{field}" for kind, field in every - tried}
    assert len(tried) > 100, len(tried)
    assert {"explain.formulas.*.latex", "explain.blocks.*.macs", "compare.rows.*.analytic.order_time"} <= refused
    assert {"fit.conditions.axis", "fit.conditions.sizes.KEY.b", "compare.rows.*.case.dtype"} <= refused


@pytest.mark.parametrize("text", EVERYTHING, ids=["all", "first", "second", "third"])
@pytest.mark.parametrize("check", CHECKS)
def test_no_format_obeys_all_at_once(text, check):
    try_all(text, [CHECKS[check]])


@given(text=HOSTILE)
def test_no_page_obeys(text):
    spans = [Span(text, tone=tone, style=style, latex=text) for style in (*Style, None) for tone in (*Tone, None)]
    columns = (Column(text, words=True), Column(text, group=text), Column(text, group=text, is_formula=True))
    table = Table(title=text, columns=columns, notes=(text, *spans),
                  rows=((text, stacked(text, *spans), figure_cell(text, 1.0)), Row((text,), total=True)))  # fmt: skip
    page = Page(blocks=(Heading(text), table, Notes((text, *spans)), Notes((text,), listed=False)), comments=(text,))
    obeys_no_terminal(to_console(page, 80), 80)
    obeys_no_latex(latex.to_latex(page))
    obeys_no_markdown(markdown.to_markdown(page))
    assert set(read(html.to_html([page], text, [text])).tags) <= HTML_TAGS


@pytest.mark.slow
@given(text=HOSTILE.filter(bool))  # no text at all is another record: a layer without a name is the whole model
@settings(max_examples=25)
def test_no_format_obeys_whatever_it_is(text):
    try_all(text, CHECKS.values())


@pytest.mark.slow
@pytest.mark.parametrize("text", EVERYTHING)
def test_no_picture_obeys(text):
    try_all(text, [check_svg, check_html], plots=True)


def test_each_escape_makes_nothing_live():
    assert markdown.escape("see https://e.vil/a_b or `www.x` <me@e.vil>") == (
        r"see `https://e.vil/a_b` or \` `www.x`\` `<me@e.vil>`"
    )
    assert html.escape("<b>\x1b") == "&lt;b&gt;\\u001b"
    assert plain.visible("x" * (plain.LONGEST + 1)).endswith("x... (1 more characters)")
    assert plain.visible("\U000e0041") == "\\U000e0041"
