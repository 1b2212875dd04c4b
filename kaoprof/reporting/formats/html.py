"""The frame of a page that stands alone: its style and script inside, and a policy that lets nothing else in."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from html import escape as escape_html
from importlib.resources import files

import msgspec

from kaoprof.reporting.formats.plain import visible
from kaoprof.version import __version__


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


class Cell(msgspec.Struct, frozen=True):
    """A cell of a table. `value` is what it is sorted by; without it the text."""

    text: str
    value: float | None = None
    numeric: bool = True


def table(headers: Sequence[str], rows: Iterable[Sequence[Cell]], *, caption: str, words: int) -> str:
    """A table that can be sorted by any column; its first `words` columns are words."""
    heads = [f"<th{_kind(place < words)} scope=col>{escape(header)}</th>" for place, header in enumerate(headers)]
    lines = [
        f'<div class=wide tabindex=0 role=region aria-label="{escape(caption)}">',
        f"<table class=sortable><caption>{escape(caption)}</caption>",
        f"<thead><tr>{''.join(heads)}</tr></thead>",
        "<tbody>",
    ]
    lines += [f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows]
    return "\n".join([*lines, "</tbody></table></div>"])


def _cell(cell: Cell) -> str:
    if not cell.numeric:
        return f"<td class=text>{escape(cell.text)}</td>"
    return f'<td data-v="{"" if cell.value is None else repr(cell.value)}">{escape(cell.text)}</td>'


def _kind(words: bool) -> str:
    return " class=text" if words else ""


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
