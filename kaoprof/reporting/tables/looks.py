"""How cells of rows of operators look on a terminal: the smallest figure of a column good, speedups as bars."""

import math
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from kaoprof.findings.operators import Standing, peak_bytes
from kaoprof.reporting.document import UNKNOWN, Cell, Column, Span, Text, Tone, words_of
from kaoprof.reporting.sentences.quoted import NOISY, is_too_noisy, seconds_of, seconds_text, times_text
from kaoprof.reporting.tables.cells import cells_of

LONGEST_BASELINE = 14  # signs of its name in a heading
Look = Callable[[Standing, dict[str, Span]], Text]  # a cell of a row, whose texts by name are at hand
Words = Callable[[Standing, dict[str, Span]], Span]


def filled(
    columns: Sequence[tuple[Column, Look]], cell: Sequence[Standing]
) -> tuple[tuple[Column, ...], tuple[tuple[Text, ...], ...]]:
    """Those columns of which anything is known, and a line under them for each row."""
    cells = [(standing, cells_of(standing)) for standing in cell]
    rows = [tuple(look(standing, texts) for _, look in columns) for standing, texts in cells]
    kept = [
        place for place, (column, _) in enumerate(columns)
        if not column.optional or any({words_of(row[place])} - {"", UNKNOWN} or _value(row[place]) for row in rows)
    ]  # fmt: skip
    kept = [place for place in kept if columns[place][0].header or any(map(_shown, (row[place] for row in rows)))]
    return tuple(columns[place][0] for place in kept), tuple(tuple(row[place] for place in kept) for row in rows)


def _shown(text: Text) -> bool:
    return bool(words_of(text)) or bool(_value(text))


def _value(text: Text) -> float:
    return text.value or 0.0 if isinstance(text, Cell) and isinstance(text.value, float) else 0.0


def rank_of(standing: Standing) -> tuple[float, float, float]:
    """Fastest first; what has no time by its MACs, then by its memory."""
    analytic, weight = standing.row.analytic, peak_bytes(standing.row)
    return (seconds_of(standing), analytic.macs if analytic else math.inf, math.inf if weight is None else weight)


def versus(baseline: str) -> str:
    """The heading of speedups."""
    return f"vs {baseline}" if len(baseline) <= LONGEST_BASELINE else "speedup"


def name_columns() -> list[tuple[Column, Look]]:
    """The columns that name a row: its operator, and what runs it."""
    return [
        (Column("operator", words=True, name=True), text_of("operator")),
        (Column("via", words=True, name=True), lambda standing, _: Span(standing.row.case.implementation, Tone.QUIET)),
    ]


def text_of(name: str) -> Words:
    """One of the texts of `cells_of`; what is good is for the column to say."""
    return lambda _, texts: replace(texts[name], tone=None if texts[name].tone == Tone.GOOD else texts[name].tone)


def time_of(standing: Standing, texts: dict[str, Span]) -> Span:
    """Its quiet time, or why there is none."""
    seconds = standing.latency
    return texts["latency"] if seconds is None else Span(seconds_text(seconds))


def best_in(cell: Sequence[Standing], figure: Callable[[Standing], float | None], look: Words) -> Look:
    """The cell's text, good where its figure is the smallest of several."""
    figures = [value for standing in cell if (value := figure(standing)) is not None]
    least = min(figures) if len(figures) > 1 else None

    def written(standing: Standing, texts: dict[str, Span]) -> Text:
        text = look(standing, texts)
        return replace(text, tone=Tone.GOOD) if least is not None and figure(standing) == least else text

    return written


def weight_of(standing: Standing) -> float | None:
    """Its peak in bytes, as far as it is known."""
    return peak_bytes(standing.row)


def products_of(standing: Standing) -> float | None:
    """Its MACs by closed form, where it has one."""
    return standing.row.analytic.macs if standing.row.analytic else None


def quiet_seconds(standing: Standing) -> float | None:
    """Its quiet time; None where it has none."""
    seconds = standing.latency
    return seconds.value if seconds else None


def factor_of(standing: Standing, _: dict[str, Span]) -> Span:
    """Its speedup against the baseline, with the digits that hold."""
    return Span(times_text(standing.speedup))


def factor_interval_of(standing: Standing, texts: dict[str, Span]) -> Span:
    """The interval of its speedup, where that holds a figure."""
    return Span(NOISY, Tone.QUIET) if is_too_noisy(standing.speedup) else texts["speedup interval"]


def slowness_of(standing: Standing) -> float | None:
    """The inverse of its speedup; None where that is not known, or too noisy."""
    speedup = standing.speedup
    return None if speedup is None or is_too_noisy(speedup) else 1 / speedup.value


def bar_in(cell: Sequence[Standing]) -> Look:
    """The speedup's logarithm, of the largest one's."""
    slowness = [value for standing in cell if (value := slowness_of(standing))]
    most = -math.log(min(slowness)) if slowness else 0.0

    def bar(standing: Standing, _: dict[str, Span]) -> Text:
        value = slowness_of(standing)
        share = max(-math.log(value), 0.0) / most if value and most > 0 else 0.0
        return Cell(lines=(("",),), value=share)

    return bar
