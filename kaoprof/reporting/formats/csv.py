"""CSV of any record: every column, raw SI values, unknown is empty."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter, itemgetter, methodcaller
from typing import Any

import msgspec

from kaoprof.records.fields import MOST
from kaoprof.reporting.columns.batches import batches
from kaoprof.reporting.columns.observed import At, Value
from kaoprof.reporting.formats.plain import visible

# A spreadsheet may run a text that begins with one of these (OWASP, CSV injection), in full width too
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
FROM, BELOW = 1e-4, 1e16  # floats without an exponent: msgspec writes them as `repr` does, six times as fast
NOTHING = msgspec.Raw(b"")
as_json = msgspec.json.Encoder().encode


class _Returned:
    """What `csv` writes a line to, to get it back."""

    @staticmethod
    def write(text: str) -> str:
        """The text itself."""
        return text


_field: Callable[[Sequence[Value]], Any] = csv.writer(_Returned(), lineterminator="").writerow
Column = Callable[[Any], Value]
Columns = Mapping[str, Column]


def csv_parts(columns: Columns, runs: Sequence[tuple[str, Iterable[Any]]]) -> Iterator[str]:
    """Runs, each with what its columns are read off, in parts: of many lines never all are held at once.

    Of several runs the column `run` names each line's.
    """
    several = len(runs) > 1
    yield csv_head(columns, several=several)
    for name, views in runs:
        yield from csv_lines(columns, views, run=name if several else None)


def csv_head(columns: Columns, *, several: bool) -> str:
    """The line that names the columns."""
    return f"{_field([*columns, 'run'] if several else list(columns))}\n"


def csv_lines(columns: Columns, views: Iterable[Any], *, run: str | None) -> Iterator[str]:
    """The lines of one run, in parts; with its name where there are several.

    msgspec writes a line's values at once, as the JSON of a list; what CSV writes otherwise stands in it as it is.
    """
    read: Callable[[Any], tuple[Any, ...]] = line_reader(columns.values())
    last = () if run is None else (run,)
    for batch in batches(views):
        lines = [as_json(_fields(values + last))[1:-1].decode() for values in [read(view) for view in batch]]
        yield "\n".join((*lines, ""))


def _fields(values: Iterable[Any]) -> list[Any]:
    """Values as msgspec writes them into a line."""
    return [
        NOTHING if value is None
        else value if (kind := value.__class__) is int and -MOST <= value <= MOST
        else value if kind is float and FROM <= value < BELOW
        else _text(value) if isinstance(value, str)
        else msgspec.Raw(str(value).encode())
        for value in values
    ]  # fmt: skip


def line_reader(columns: Iterable[Column]) -> Callable[[Any], tuple[Value, ...]]:
    """The values of all columns of a line; what holds several of them is looked for once."""
    each = list(columns)
    by_holder: dict[str, list[int]] = {}
    for number, column in enumerate(each):
        if isinstance(column, At) and "." in column.path:
            by_holder.setdefault(column.path.rpartition(".")[0], []).append(number)
    together = [(At(holder), _attributes_of(each[number] for number in numbers), (None,) * len(numbers))
                for holder, numbers in by_holder.items()]  # fmt: skip
    order = [number for numbers in by_holder.values() for number in numbers]
    alone = [column for number, column in enumerate(each) if number not in order]
    order += [number for number in range(len(each)) if number not in order]
    in_order = itemgetter(*(order.index(number) for number in range(len(each))), -1)

    def values(view: Any) -> tuple[Value, ...]:
        line: list[Value] = []
        for holder, attributes, unknown in together:
            held = holder(view)
            line += unknown if held is None else attributes(held)
        line += [column(view) for column in alone]
        reordered: tuple[Value, ...] = in_order(line)
        return reordered[:-1]

    return values


def _attributes_of(columns: Iterable[Any]) -> Callable[[Any], tuple[Value, ...]]:
    """The last names of the columns' paths, of what holds them all."""
    names = [column.path.rpartition(".")[2] for column in columns]
    get: Callable[[Any], Any] = attrgetter(*names)
    return get if len(names) > 1 else lambda holder: (get(holder),)


@lru_cache(maxsize=2**12)  # lines repeat their texts
def _text(value: str) -> msgspec.Raw:
    """A text as it stands between commas."""
    return msgspec.Raw(_field((cell_text(value), "")).removesuffix(",").encode())


def cell_text(value: str) -> str:
    """A text as it stands in a file, where none can be run as a formula."""
    armed = value.lstrip().startswith(FORMULA_STARTS) or value.startswith(("\t", "\r", "\n"))
    return visible(f"'{value}" if armed else value)


def columns_by_name(names: Iterable[str]) -> Columns:
    """Columns of lines that are mappings; what a line does not name is not known."""
    return {name: methodcaller("get", name) for name in names}
