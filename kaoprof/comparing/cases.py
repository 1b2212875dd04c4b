"""What `compare` is asked for: validated sizes and options, and the grid cells and rows that follow from them."""

import itertools
import re
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from kaoprof.catalog import chosen_operators
from kaoprof.dims import DTYPE_BYTES, MODES, AttentionOptions, head_size, one_of
from kaoprof.errors import UsageError
from kaoprof.records.aspect import SQUARE, is_tied, parse_aspect, told_aspect
from kaoprof.records.compare import Case, own_cases
from kaoprof.records.own import OwnModule

LARGEST_SIZE = 2**24  # per axis: beyond it an input no longer fits any machine, so it is taken for a slip of the hand
MOST_ROWS = 20_000  # of one run: beyond it a grid is a slip of the hand
COMMA = re.compile(r",(?![^()]*\))")  # outside of parentheses
Sizes = int | Sequence[int] | None
Widths = Sizes | str  # as a text: how it follows the height


def spatial_grid(h: Sizes, w: Widths, t: Sizes, n: Sizes) -> list[tuple[int, ...]]:
    """The spatial sizes that `--h --w --t --n` ask for: each combination, `w` equal to `h` where it is not given.

    A width may follow the height: `16:9`, or `1.78h`.

    Raises:
        UsageError: sizes that do not go together, or are not whole numbers from 1 on.
    """
    tie = parse_aspect(w, where="w") if isinstance(w, str) and is_tied(w) else None
    if tie is not None and h is None:
        raise UsageError("follows the height, and there is none", where="w", hint="add --h, or leave out --aspect")
    sizes_given = {"h": h, "w": None if tie else w, "t": t, "n": n}
    given = {name: as_sizes(name, sizes) for name, sizes in sizes_given.items() if sizes is not None}
    if "n" in given:
        if len(given) > 1:
            raise UsageError("n is for one spatial axis and excludes h, w and t", where="n")
        return [(size,) for size in given["n"]]
    if "h" not in given:
        if given:
            raise UsageError(f"given without h: {', '.join(given)}", where="h", hint="add --h")
        raise UsageError("no size given", where="h", hint="add --h 56 for images, --t 8 --h 56 for video, or --n 1024")
    planes = (
        itertools.product(given["h"], given["w"])
        if "w" in given
        else ((size, (tie or SQUARE).width(size)) for size in given["h"])
    )
    if "t" not in given:
        return list(planes)
    return [(frames, *plane) for frames, plane in itertools.product(given["t"], list(planes))]


def parse_sizes(name: str, text: str | None) -> tuple[int, ...] | None:
    """`56`, `14,28,56`, or a range: `16:256:x2` doubles, `16:64:16` adds. None stays None.

    Raises:
        UsageError: not whole numbers, or a range that never ends.
    """
    if text is None:
        return None
    return tuple(itertools.chain.from_iterable(_parse_part(name, part.strip()) for part in text.split(",")))


def parse_widths(text: str | None, aspect: str | None) -> Widths:
    """Widths as `parse_sizes` reads them; `1.78h` and an aspect, which tie them to the height, as they are.

    Raises:
        UsageError: both are given, or what is given makes no sense.
    """
    tie = told_aspect(aspect, text)
    return parse_sizes("w", text) if tie is None else tie.text


def _parse_part(name: str, part: str) -> list[int]:
    if re.fullmatch(r"[+-]?\d{1,18}", part, re.ASCII):
        return [int(part)]
    match = re.fullmatch(r"(\d{1,18}):(\d{1,18}):(x?)(\d{1,18})", part, re.ASCII)
    if match is None:
        raise UsageError(f"{part[:40]!r} is not a size", where=name, hint="write 56, or 14,28,56, or 16:256:x2")
    size, last, step = int(match[1]), int(match[2]), int(match[4])
    if step < (2 if match[3] else 1) or size < 1 or size > last or last > LARGEST_SIZE:
        raise UsageError(f"{part!r} is not a range that ends", where=name, hint="write first:last:xfactor")
    if not match[3] and (last - size) // step >= MOST_ROWS:
        raise UsageError(f"{part!r} names more than {MOST_ROWS:,} sizes", where=name, hint="take larger steps")
    sizes = []
    while size <= last:
        sizes.append(size)
        size = size * step if match[3] else size + step
    return sizes


def parse_axes(text: str | None) -> tuple[int, ...] | None:
    """One size with its axes: `224`, `192x256`. None stays None.

    Raises:
        UsageError: something else.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split("x")]
    if not all(re.fullmatch(r"[+-]?\d{1,18}", part, re.ASCII) for part in parts):
        hint = "write 224, with an x between axes 192x256, with commas between sizes 128,224"
        raise UsageError(f"{text[:40]!r} is no size", where="size", hint=hint)
    return as_sizes("size", [int(part) for part in parts])


def parse_names(text: str | None) -> list[str] | None:
    """`a,b(x=1,y=2)` as a list; None stays None."""
    return None if text is None else [name.strip() for name in COMMA.split(text) if name.strip()]


def as_sizes(name: str, sizes: Widths) -> tuple[int, ...]:
    """One size or several, each checked.

    Raises:
        UsageError: not a whole number from 1 to `LARGEST_SIZE`, or none at all.
    """
    if isinstance(sizes, int):
        values: tuple[int, ...] = (sizes,)
    elif sizes is None or (isinstance(sizes, Iterable) and not isinstance(sizes, str)):
        values = tuple(sizes or ())
    else:
        raise UsageError(
            f"{sizes!r} is not a whole number, nor a list of them", where=name, hint="such as 14 or [14, 28]"
        )
    if not values:
        raise UsageError("no size given", where=name)
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool):
            raise UsageError(f"{value!r} is not a whole number", where=name)
        if not 1 <= value <= LARGEST_SIZE:
            raise UsageError(f"must be between 1 and {LARGEST_SIZE}, not {value}", where=name)
    return values


def parse_cores(text: str | None) -> tuple[int, ...] | None:
    """`0,1` as numbers of cores, each once; None stays None.

    Raises:
        UsageError: something else.
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"\d{1,4}", part, re.ASCII) for part in parts):
        raise UsageError(f"{text[:40]!r} does not name cores", where="affinity", hint="write for example 0,1")
    return tuple(sorted({int(part) for part in parts}))


def cases_of(
    spatial: Iterable[tuple[int, ...]],
    *,
    c: Sizes,
    batch: Sizes,
    operators: str | Iterable[str] | None,
    heads: int,
    projection: str,
    scale: str,
    dtype: str,
    mode: str,
    device: str | None,
    own: Sequence[OwnModule] = (),
) -> list[Case]:
    """Every row, grid cell by grid cell, the operators first and then somebody's `own` modules.

    Raises:
        UsageError: heads that do not divide the channels, or an unknown word.
    """
    one_of("dtype", dtype, tuple(DTYPE_BYTES))
    one_of("mode", mode, MODES)
    AttentionOptions(heads=heads, projection=projection, scale=scale)
    operators = None if operators is None else list(operators)
    pairs = [] if own and operators == [] else chosen_operators(operators)
    spatial, batches, widths = list(spatial), as_sizes("batch", batch), as_sizes("c", c)
    rows = len(spatial) * len(batches) * len(widths) * (len(pairs) + len(own))
    if rows > MOST_ROWS:
        raise UsageError(f"{rows:,} rows are too many", where="sizes", hint=f"at most {MOST_ROWS:,}")
    grid = itertools.product(batches, widths, spatial)
    cases = []
    for b, channels, sizes in grid:
        head_size(channels, heads)
        cell = Case(operator="", implementation="", b=b, c=channels, spatial=sizes, heads=heads,
                    projection=projection, scale=scale, dtype=dtype, mode=mode, device=device)  # fmt: skip
        cases += [replace(cell, operator=operator, implementation=implementation) for operator, implementation in pairs]
        cases += own_cases(cell, own)
    return cases
