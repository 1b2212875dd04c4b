"""Any page as one that stands alone: style and script inside, and a policy that lets nothing else in."""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from html import escape as escape_html
from importlib.resources import files

from msgspec import UNSET, UnsetType

from kaoprof.reporting.document import (
    UNKNOWN,
    Block,
    Cell,
    Column,
    Heading,
    Page,
    Span,
    Style,
    Table,
    Text,
    Tone,
    words_of,
)
from kaoprof.reporting.formats.plain import visible
from kaoprof.units import BINARY_PREFIXES, COUNT_PREFIXES, SECOND_UNITS, TIME_PREFIXES
from kaoprof.version import __version__

INDENT = "\u2003"
FIGURE = re.compile(r"([+-]?\d[\d,]*(?:\.\d+)?) ?(\w*)")
FACTORS = {unit: factor for factor, unit in (*COUNT_PREFIXES, *BINARY_PREFIXES, *TIME_PREFIXES)}
FACTORS |= {"min": SECOND_UNITS["min"], "h": SECOND_UNITS["h"]}
TAGS = {Style.CODE: "<code>{}</code>", Style.MARK: "<sup>{}</sup>", Style.EMPHASIS: "<em>{}</em>"}


@lru_cache(maxsize=2**16)  # tables repeat their texts
def escape(text: str) -> str:
    """`text` as it stands in a page: nothing in it is markup, and nothing hides."""
    return escape_html(visible(text), quote=True)


@cache
def _part(name: str) -> str:
    return (files("kaoprof.reporting") / "page" / name).read_text(encoding="utf-8")


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page from parts that are HTML already. Scripts other than its own are refused by the browser."""
    script = _part("page.js")
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{known}'"
    policy = f"{allowed}; base-uri 'none'; form-action 'none'"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta name="generator" content="kaoprof {escape(__version__)}">',
            f"<title>{escape(title)}</title>",
            f"<style>{_part('page.css')}</style>",
            "</head>",
            "<body>",
            *parts,
            f"<script>{script}</script>",
            "</body>",
            "</html>",
            "",
        ]
    )


def to_html(pages: Iterable[Page], title: str, warnings: Iterable[str] = ()) -> str:
    """Pages of any kind as one that stands alone."""
    alarm = listed((f"Warning: {warning}." for warning in warnings), "warn")
    blocks = (block_to_html(block) for shown in pages for block in shown.blocks)
    return page(f"kaoprof: {title}", [f"<header><h1>{escape(title)}</h1></header><main>", alarm, *blocks, "</main>"])


def block_to_html(block: Block) -> str:
    """One block of a page."""
    if isinstance(block, Heading):
        return f"<h2>{escape(block.text)}</h2>"
    if isinstance(block, Table):
        return f"{table(block)}\n{_sentences(block.notes, listed=True)}"
    return _sentences(block.texts, listed=block.listed, kind="bad" if block.tone == Tone.BAD else "")


def _sentences(texts: Iterable[Text], *, listed: bool, kind: str = "quiet") -> str:
    tag = "li" if listed else "p"
    lines = "\n".join(
        f"<{tag} class={kind}>{_text(text)}</{tag}>" if kind else f"<{tag}>{_text(text)}</{tag}>" for text in texts
    )
    return f"<ul>{lines}</ul>" if listed and lines else lines


def table(shown: Table) -> str:
    """A table that can be sorted by any column."""
    heads = [f"<th{_kind(column)} scope=col>{escape(_header(column))}</th>" for column in shown.columns]
    lines = [
        f'<div class=wide tabindex=0 role=region aria-label="{escape(shown.title)}">',
        f"<table class=sortable><caption>{escape(shown.title)}</caption>",
        f"<thead><tr>{''.join(heads)}</tr></thead>",
        "<tbody>",
    ]
    lines += [
        f"<tr>{''.join(map(_cell, row.cells, shown.columns, [shown.tones] * len(heads)))}</tr>" for row in shown.lines
    ]
    return "\n".join([*lines, "</tbody></table></div>"])


def _header(column: Column) -> str:
    return f"{column.group} {column.header}".strip()


def _cell(text: Text, column: Column, tones: Mapping[str, Tone]) -> str:
    """What has a value is sorted by it, all else by its words."""
    written = _text(text)
    if tones and (tone := tones.get(words_of(text))):
        written = f"<span class={tone}>{written}</span>"
    value = text.value if isinstance(text, Cell) else UNSET
    if value is UNSET and not column.words:
        value = _read(words_of(text))
    if value is UNSET:
        return f"<td{_kind(column)}>{written}</td>"
    return f'<td data-v="{"" if value is None else repr(value)}">{written}</td>'


def _read(text: str) -> float | UnsetType | None:
    """The figure that a text begins with, in its unit; None where there is none, unset where it is another text."""
    if text in {"", UNKNOWN}:
        return None
    match = FIGURE.match(text)
    return float(match[1].replace(",", "")) * FACTORS.get(match[2], 1.0) if match else UNSET


def _text(text: Text) -> str:
    if not isinstance(text, Cell):
        return _span(text)
    lines = ["".join(map(_span, line)) for line in text.lines]
    return INDENT * (text.depth or 0) + (lines[0] if len(lines) == 1 else "<br>".join(filter(None, lines)))


def _span(span: Span | str) -> str:
    if isinstance(span, str):
        return escape(span)
    written = (TAGS[span.style] if span.style else "{}").format(escape(span.text))
    return f"<span class={span.tone}>{written}</span>" if span.tone and span.text else written


def _kind(column: Column) -> str:
    if column.rest or column.share:
        return ' class="text long"'
    return " class=text" if column.words else ""


def section(title: str, *parts: str) -> str:
    """A section with its heading."""
    return "\n".join([f"<section><h2>{escape(title)}</h2>", *parts, "</section>"])


def folded(title: str, *parts: str) -> str:
    """What is there for who opens it."""
    return "\n".join([f"<details><summary>{escape(title)}</summary>", *parts, "</details>"])


def listed(sentences: Iterable[str], kind: str = "") -> str:
    """A list of sentences."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f"<ul{f' class={kind}' if kind else ''}>{items}</ul>" if items else ""


def paragraphs(sentences: Iterable[str], kind: str = "") -> str:
    """Each sentence as a paragraph."""
    return "\n".join(f"<p{f' class={kind}' if kind else ''}>{escape(sentence)}</p>" for sentence in sentences)


def figure(svg: str, caption: str, kind: str = "") -> str:
    """A plot that is an `svg` element already, told to those who cannot see it by its caption."""
    spoken = svg.replace("<svg", f'<svg role="img" aria-label="{escape(caption)}"', 1)
    return f"<figure{f' class={kind}' if kind else ''}>{spoken}<figcaption>{escape(caption)}</figcaption></figure>"


def terms(pairs: Mapping[str, str]) -> str:
    """Names and values."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs.items())
    return f"<dl>{items}</dl>"


def command_lines(lines: Iterable[str]) -> str:
    """Commands to copy."""
    return f"<pre><code>{escape_lines(lines)}</code></pre>"


def escape_lines(lines: Iterable[str]) -> str:
    """Lines that stay lines."""
    return "\n".join(map(escape, lines))
