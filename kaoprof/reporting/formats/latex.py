"""Any page as LaTeX: booktabs tables that stand in a paper as they are; they need only the package booktabs."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from kaoprof.records.formulas import is_mathematics
from kaoprof.reporting.document import Column, Notes, Page, Row, Span, Style, Table, Text, cell_of, words_of
from kaoprof.reporting.formats.folding import folded
from kaoprof.reporting.formats.mathematics import EXPONENT, breakable, order_latex
from kaoprof.reporting.formats.paper_fit import LEAST_REST_PT, LONGEST_HEADER, Fitted, fitted, lines_of, width_pt
from kaoprof.reporting.formats.paper_pages import on_pages
from kaoprof.reporting.formats.plain import visible
from kaoprof.reporting.widths import Width

ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_",
    "^": r"\textasciicircum{}", "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "µ": r"\textmu{}", "×": r"$\times$", "⌈": r"$\lceil$", "⌉": r"$\rceil$",
    "⌊": r"$\lfloor$", "⌋": r"$\rfloor$", "\u2003": r"\quad ",
    "◂": r"$\triangleleft$", "±": r"$\pm$", "→": r"$\to$", "…": r"\ldots{}", "–": "--",
}  # fmt: skip
MARKS = {"*": "$^*$", "†": r"$^\dagger$"}
NO_LABEL, LONGEST_LABEL = re.compile(r"[^a-z0-9]+"), 40
BREAKS = re.compile(r"(\\_|[:/](?=\w)|\.(?=[a-z_])|(?<=[a-z])\.(?=\d))")  # where a name may break, and no figure
WIDE = "table*"  # across both columns of a paper
# what a sentence says in plain text: an order or a power, a relation, times, a range of figures, which a date is not
FORMULA = re.compile(
    rf"O\([a-z0-9^ ]+\)|\b(?:[a-z]|\d+){EXPONENT}\b|[<>]="
    r"|(?<=\d)x(?!\w)|(?<=[\dc]) x (?=[\dc])|(?<=\d)(?<!-\d\d)-(?=\d)(?!\d\d-)"
)
SIGNS = {"x": r"$\times$", "-": "--", ">=": r"$\geq$", "<=": r"$\leq$"}
MINUS = re.compile(r"(?<![\w.)}$-])-(?=\d)")  # what stands before a figure and after none
TIMES_BEHIND = re.compile(r"(\d[\d.]*)\$\\times\$")
GROUP_GAP = r"@{\hspace{5pt}}"  # before columns that share a heading
COLUMN_PT = 240.0  # of a paper with two columns: from 237 (IEEE's computer vision conferences) to 252 (its journals)
TEXT_PT = 345.0  # of a paper with one column: the narrowest, LaTeX's own `article`
NARROW_COLUMN_PT = 200.0  # the narrowest that there is, LaTeX's own `article`: in it, text that breaks must fit
CHARACTER_PT = 4.1  # mean of a name or a figure in \footnotesize; measured: 3.9
GAP_PT = 6.0  # between columns: twice LaTeX's \tabcolsep


def to_latex(page: Page, width: Width | None = None, name: str = "kaoprof") -> str:
    """The page's tables, each with its caption and label; sentences stand below the table that they follow.

    What only explains is a comment. In a `width` each table fits, whatever it has to leave out.
    """
    tables: list[tuple[Table, list[Text]]] = []
    first: list[Text] = []  # what stands before any table
    comments = list(page.comments)
    for block in folded(page).blocks:
        if isinstance(block, Table):
            tables.append((block, [*first, *block.notes]))
            comments += map(words_of, block.details)
            first = []
            continue
        texts = block.texts if isinstance(block, Notes) else (f"{block.text[:1].upper()}{block.text[1:]}.",)
        if isinstance(block, Notes) and block.detail:
            comments += map(words_of, texts)
        else:
            (tables[-1][1] if tables else first).extend(texts)
    shaped = [part for table, notes in tables for part in _shaped(table, notes, width)]
    label = NO_LABEL.sub("-", name.lower()).strip("-")[:LONGEST_LABEL] or "kaoprof"
    written = [
        _table(part, notes, label if number == 1 else f"{label}-{number}", width)
        for number, (part, notes) in enumerate(shaped, start=1)
    ]
    return "".join(f"% {visible(comment)}\n" for comment in comments) + "\n".join(written)


def _shaped(table: Table, notes: Sequence[Text], width: Width | None) -> Iterator[tuple[Fitted, Sequence[Text]]]:
    """The table as it fits a line and a page, in as many parts as that takes; the notes stand below the first.

    A note that begins with the header of a column that has no room explains nothing any more.
    """
    line = width.points if width else NARROW_COLUMN_PT if _fits_a_column(table) else TEXT_PT
    whole = fitted(table, line) if width else [Fitted(table=table)]
    for part in whole:
        needed = [note for note in notes if words_of(note).partition(":")[0] not in part.left_out]
        for page in on_pages(part, needed, line):
            yield page, needed
            needed = []
        notes = ()


def escape(text: str) -> str:
    """`text` with everything that LaTeX would interpret made literal; two hyphens stay two."""
    return "".join(ESCAPES.get(sign, sign) for sign in visible(text)).replace("--", "-{}-")


def escape_sentence(text: str) -> str:
    """`text` escaped, but as a paper prints it: `O(h^4 c)` and `h^4` in mathematics, `1.53x`, `8 x 64`, `70.4-75.0`."""
    parts, end = [], 0
    for match in FORMULA.finditer(text):
        sign = match[0]
        parts += [escape(text[end : match.start()]), SIGNS.get(sign.strip()) or order_latex(sign)]
        end = match.end()
    return "".join([*parts, escape(text[end:])])


def _table(shaped: Fitted, notes: Sequence[Text], label: str, width: Width | None) -> str:
    table = shaped.table
    grouped = any(column.group for column in table.columns)
    narrow = _fits_a_column(table) if width is None else not width.across
    environment = "table" if narrow else WIDE
    gap = 2 if grouped or shaped.size != "footnotesize" else 3
    left_out = [f"% for this width without: {visible(', '.join(shaped.left_out))}"] if shaped.left_out else []
    named = table.title.split(" ")[0].endswith(":")  # a run's name, which stays as it is
    title = table.title if named else f"{table.title[:1].upper()}{table.title[1:]}"
    written = " ".join(map(_text, notes))
    below = [rf"\par\smallskip\parbox{{\linewidth}}{{\raggedright\scriptsize {written}}}"] if written else []
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            *left_out,
            rf"\begin{{{environment}}}",
            rf"\centering\{shaped.size}\setlength{{\tabcolsep}}{{{gap}pt}}",
            rf"\caption{{{escape_sentence(f'{title}.')}}}",
            rf"\label{{tab:{label}}}\smallskip",
            rf"\begin{{tabular}}{{@{{}}{_kinds(shaped, width)}@{{}}}}",
            r"\toprule",
            *(_grouped_head(table.columns) if grouped else _head(table.columns)),
            r"\midrule",
            *(line for row in table.lines for line in _row(row, table, breaks=width is not None)),
            r"\bottomrule",
            r"\end{tabular}",
            *below,
            rf"\end{{{environment}}}",
            "",
        ]
    )


def _kinds(shaped: Fitted, width: Width | None) -> str:
    """LaTeX's letters for the columns."""
    kinds = []
    for name, columns in groupby(shaped.table.columns, lambda column: column.group):
        kinds += [GROUP_GAP] if name else []
        kinds += [_kind(column, shaped, width) for column in columns]
    return "".join(kinds)


def _kind(column: Column, shaped: Fitted, width: Width | None) -> str:
    if column.rest:
        fixed = width_pt(shaped.table, shaped.size, width.points) - LEAST_REST_PT if width else _fixed_pt(shaped.table)
        return rf"p{{\dimexpr\linewidth-{fixed:.0f}pt\relax}}"
    if column.share:
        return rf"p{{{column.share:g}\linewidth}}"
    return "l" if column.words or column.left else "r"


def _head(columns: Sequence[Column]) -> list[str]:
    """The last word of a header of several stands in a second line, so that figures and not words set the width."""
    lines = [[] if column.is_formula else lines_of(column.header) for column in columns]
    first = (
        escape_sentence(line[0]) if line else _formula(column) for line, column in zip(lines, columns, strict=True)
    )
    second = [escape_sentence("".join(line[1:])) for line in lines]
    return [rf"{' & '.join(first)} \\", *([rf"{' & '.join(second)} \\"] if any(second) else [])]


def _formula(column: Column) -> str:
    return f"${escape(column.header)}$"


def _grouped_head(columns: Sequence[Column]) -> list[str]:
    first, rules, second, place = [], [], [], 1
    for name, members in groupby(columns, lambda column: column.group):
        headers = [_formula(column) if column.is_formula else escape(column.header) for column in members]
        end = place + len(headers) - 1
        first += [rf"\multicolumn{{{len(headers)}}}{{c}}{{\texttt{{{escape(name)}}}}}"] if name else headers
        rules += [rf"\cmidrule(lr){{{place}-{end}}}"] if name else []
        second += headers if name else [""] * len(headers)
        place = end + 1
    return [rf"{' & '.join(first)} \\", " ".join(rules), rf"{' & '.join(second)} \\"]


def _row(row: Row, table: Table, *, breaks: bool) -> Iterator[str]:
    if row.total:
        yield r"\midrule"
    if len(row.cells) < len(table.columns):
        written = _text(row.cells[0])
        long = breaks and len(words_of(row.cells[0])) > LONGEST_HEADER
        kind, text = (r"p{0.98\linewidth}", rf"\raggedright {written}") if long else ("l", written)
        yield rf"\multicolumn{{{len(table.columns)}}}{{@{{}}{kind}}}{{{text}}} \\"
        return
    end = r"\tabularnewline" if table.columns[-1].rest or table.columns[-1].share else r"\\"
    yield f"{' & '.join(map(_cell, row.cells, table.columns, [table.figures] * len(row.cells)))} {end}"


def _cell(text: Text, column: Column, figures: str) -> str:
    written = _text(text, plain=figures == "plain")
    if column.rest:
        return rf"\raggedright {written}"
    if column.share:
        loose = BREAKS.sub(r"\1\\allowbreak{}", written) if column.name else written
        return rf"\raggedright {loose}"
    if column.words or figures in {"plain", "sentence"}:
        return written
    if figures == "thin":
        return written.replace(" ", r"\,")
    return TIMES_BEHIND.sub(r"$\1\\times$", written).replace(" ", "~")


def _text(text: Text, *, plain: bool = False) -> str:
    cell = cell_of(text)
    indent = "" if cell.depth is None else rf"\hspace*{{{cell.depth}em}}"
    lines: Iterable[str] = ("".join(_span(span, plain=plain) for span in line) for line in cell.lines)
    return indent + " ".join(filter(None, lines))


def _span(span: Span | str, *, plain: bool) -> str:
    if isinstance(span, str):
        return escape(span) if plain else MINUS.sub("$-$", escape_sentence(span))
    if span.latex and is_mathematics(span.latex):
        return f"${breakable(span.latex)}$"
    if span.style == Style.MARK:
        return MARKS.get(span.text) or rf"$^{{\mathrm{{{escape(span.text)}}}}}$"
    if span.style in (Style.CODE, Style.EMPHASIS):
        return rf"\{'texttt' if span.style == Style.CODE else 'emph'}{{{escape(span.text)}}}"
    return _span(span.text, plain=plain or span.style == Style.NAME)


def _fits_a_column(table: Table) -> bool:
    """By the widest text of each column, headers in their two lines."""
    if any(column.rest for column in table.columns):
        across = [len(words_of(row.cells[0])) * CHARACTER_PT for row in table.lines if len(row.cells) == 1]
        return max([_fixed_pt(table) + LEAST_REST_PT, *across]) <= NARROW_COLUMN_PT
    return not any(column.group for column in table.columns) and _fixed_pt(table) <= COLUMN_PT


def _fixed_pt(table: Table) -> float:
    """The width of all columns but one that takes the rest, in points."""
    rows = [[words_of(cell) for cell in row.cells] for row in table.lines if len(row.cells) == len(table.columns)]
    texts = zip([max(lines_of(header), key=len) for header in table.headers], *rows, strict=True)
    widths = [
        max(len(text.replace("^", "").replace("\u2003", "  ")) for text in column)
        for column, kind in zip(texts, table.columns, strict=True)
        if not kind.rest
    ]
    return sum(widths) * CHARACTER_PT + GAP_PT * (len(table.columns) - 1)
