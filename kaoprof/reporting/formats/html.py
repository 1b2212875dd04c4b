"""Any page as one that stands alone: style and script inside, and a policy that lets nothing else in."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from html import escape as escape_html
from importlib.resources import files
from string import Template
from typing import NewType

from msgspec import UNSET, UnsetType, to_builtins

from kaoprof.reporting.document import (
    UNKNOWN,
    Block,
    Cell,
    Column,
    Heading,
    Notes,
    Page,
    Span,
    Style,
    Table,
    Text,
    Tone,
    words_of,
)
from kaoprof.reporting.formats.folding import folded as folded_page
from kaoprof.reporting.formats.plain import visible
from kaoprof.units import BINARY_PREFIXES, COUNT_PREFIXES, SECOND_UNITS, TIME_PREFIXES
from kaoprof.version import __version__

Html = NewType("Html", str)  # made here only, where every text is escaped; `test_architecture` looks
INDENT = "\u2003"
FIGURE = re.compile(r"([+-]?\d[\d,]*(?:\.\d+)?) ?(\w*)")
FACTORS = {unit: factor for factor, unit in (*COUNT_PREFIXES, *BINARY_PREFIXES, *TIME_PREFIXES)}
FACTORS |= {"min": SECOND_UNITS["min"], "h": SECOND_UNITS["h"]}
HOLDS_DATA = ' data-plot="'
TAGS = {Style.CODE: "<code>{}</code>", Style.MARK: "<sup>{}</sup>", Style.EMPHASIS: "<em>{}</em>"}


@lru_cache(maxsize=2**16)  # tables repeat their texts
def escape(text: str) -> Html:
    """`text` as it stands in a page: nothing in it is markup, and nothing hides."""
    return Html(escape_html(visible(text), quote=True))


def _data(value: object) -> Html:
    """Plain data as JSON for an attribute, every text in it as it would stand in the page."""
    return Html(
        escape_html(json.dumps(_seen(to_builtins(value)), ensure_ascii=False, separators=(",", ":")), quote=True)
    )


def _seen(value: object) -> object:
    if isinstance(value, dict):
        return {visible(key): _seen(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return list(map(_seen, value))
    return visible(value) if isinstance(value, str) else value


@cache
def _part(name: str) -> Html:
    return Html((files("kaoprof.reporting") / "page" / name).read_text(encoding="utf-8"))


def page(title: str, parts: Iterable[Html]) -> str:
    """A whole page from parts that are HTML already. Scripts other than its own are refused by the browser."""
    body = "\n".join(parts)
    live = HOLDS_DATA in body  # no text can say so: its quotation marks are escaped
    plots = (f"/*\n{_part('uplot/LICENSE')}*/", _part("uplot/uPlot.iife.min.js"), _part("plots.js")) if live else ()
    script = Html("\n".join([_part("page.js"), *plots]))
    style = Html("\n".join([*([_part("uplot/uPlot.min.css")] if live else []), _part("page.css")]))
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{known}'"
    policy = f"{allowed}; base-uri 'none'; form-action 'none'"
    filled = {
        "policy": policy, "version": escape(__version__), "title": escape(title), "style": style,
        "parts": body, "script": script,
    }  # fmt: skip
    return Template(_part("page.html")).substitute(filled)


def to_html(pages: Iterable[Page], title: str, warnings: Iterable[str] = (), plots: Iterable[Html] = ()) -> str:
    """Pages of any kind as one that stands alone, `plots` before all of them."""
    alarm = alarms(warnings)
    blocks = [block for shown in pages for block in folded_page(shown).blocks]
    answers = [block_to_html(block) for block in blocks if not is_detail(block)]
    more = [block_to_html(block) for block in blocks if is_detail(block)]
    explained = [folded("What explains it", *more)] if more else []
    return page(f"kaoprof: {title}", [header(title), main(*plots, *answers[:1], alarm, *answers[1:], *explained)])


def is_detail(block: Block) -> bool:
    """Whether a block only explains."""
    return isinstance(block, Table | Notes) and block.detail


def alarms(warnings: Iterable[str]) -> Html:
    """What a careful reader must know."""
    return listed((f"Warning: {warning}." for warning in warnings), "warn")


def block_to_html(block: Block) -> Html:
    """One block of a page."""
    if isinstance(block, Heading):
        return Html(f"<h2>{escape(block.text)}</h2>")
    if isinstance(block, Table):
        more = [folded("What explains it", listed(block.details, "quiet"))] if block.details else []
        return Html("\n".join([table(block), listed(block.notes, "quiet"), *more]))
    write = listed if block.listed else paragraphs
    return write(block.texts, "bad" if block.tone == Tone.BAD else "")


def table(shown: Table) -> Html:
    """A table that can be sorted by any column."""
    heads = [
        f"<th{_kind(column)} scope=col>{escape(f'{column.group} {column.header}'.strip())}</th>"
        for column in shown.columns
    ]
    lines = [
        f'<div class=wide tabindex=0 role=region aria-label="{escape(shown.title)}">',
        f"<table class=sortable><caption>{escape(shown.title)}</caption>",
        f"<thead><tr>{''.join(heads)}</tr></thead>",
        "<tbody>",
    ]
    lines += [
        f"<tr>{''.join(map(_cell, row.cells, shown.columns, [shown.tones] * len(heads)))}</tr>" for row in shown.lines
    ]
    return Html("\n".join([*lines, "</tbody></table></div>"]))


def _cell(text: Text, column: Column, tones: Mapping[str, Tone]) -> Html:
    """What has a value is sorted by it, all else by its words."""
    written = _text(text)
    if tones and (tone := tones.get(words_of(text))):
        written = Html(f"<span class={tone}>{written}</span>")
    value = text.value if isinstance(text, Cell) else UNSET
    if value is UNSET and not column.words:
        value = _read(words_of(text))
    if value is UNSET:
        return Html(f"<td{_kind(column)}>{written}</td>")
    return Html(f'<td data-v="{"" if value is None else repr(value)}">{written}</td>')


def _read(text: str) -> float | UnsetType | None:
    """The figure that a text begins with, in its unit; None where there is none, unset where it is another text."""
    if text in {"", UNKNOWN}:
        return None
    match = FIGURE.match(text)
    return float(match[1].replace(",", "")) * FACTORS.get(match[2], 1.0) if match else UNSET


def _text(text: Text) -> Html:
    if not isinstance(text, Cell):
        return _span(text)
    lines = ["".join(map(_span, line)) for line in text.lines]
    return Html(INDENT * (text.depth or 0) + (lines[0] if len(lines) == 1 else "<br>".join(filter(None, lines))))


def _span(span: Span | str) -> Html:
    if isinstance(span, str):
        return escape(span)
    written = Html((TAGS.get(span.style, "{}") if span.style else "{}").format(escape(span.text)))
    return Html(f"<span class={span.tone}>{written}</span>") if span.tone and span.text else written


def _kind(column: Column) -> str:
    if column.rest or column.share:
        return ' class="text long"'
    return " class=text" if column.words else ""


def header(title: str, above: Iterable[Text] = (), below: Iterable[Text] = ()) -> Html:
    """How a page begins: its title, and what stands quietly above and below it."""
    parts = [paragraphs(above, "quiet"), f"<h1>{escape(title)}</h1>", paragraphs(below, "quiet")]
    return Html("\n".join(["<header>", *filter(None, parts), "</header>"]))


def main(*parts: Html) -> Html:
    """What a page holds between its beginning and its end."""
    return Html("\n".join(["<main>", *parts, "</main>"]))


def section(title: str, *parts: Html) -> Html:
    """A section with its heading."""
    return Html("\n".join([f"<section><h2>{escape(title)}</h2>", *parts, "</section>"]))


def folded(title: str, *parts: Html) -> Html:
    """What is there for who opens it."""
    return Html("\n".join([f"<details><summary>{escape(title)}</summary>", *parts, "</details>"]))


def listed(sentences: Iterable[Text], kind: str = "") -> Html:
    """A list of sentences."""
    items = "".join(f"<li>{_text(sentence)}</li>" for sentence in sentences)
    return Html(f"<ul{f' class={kind}' if kind else ''}>{items}</ul>" if items else "")


def paragraphs(sentences: Iterable[Text], kind: str = "") -> Html:
    """Each sentence as a paragraph."""
    return Html("\n".join(f"<p{f' class={kind}' if kind else ''}>{_text(sentence)}</p>" for sentence in sentences))


def figure(svg: str, caption: str, kind: str = "", data: object = None) -> Html:
    """A plot that is an `svg` element already, told to those who cannot see it by its caption; and the `data` in it."""
    spoken = svg.replace("<svg", f'<svg role="img" aria-label="{escape(caption)}"', 1)
    told = escape(caption)
    held = "" if data is None else f'{HOLDS_DATA}{_data(data)}"'
    return Html(f"<figure{f' class={kind}' if kind else ''}{held}>{spoken}<figcaption>{told}</figcaption></figure>")


def terms(pairs: Mapping[str, str]) -> Html:
    """Names and values."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs.items())
    return Html(f"<dl>{items}</dl>")


def command_lines(lines: Iterable[str]) -> Html:
    """Commands to copy."""
    written = "\n".join(map(escape, lines))
    return Html(f"<pre><code>{written}</code></pre>")
