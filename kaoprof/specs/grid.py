"""The cells of a grid spec: every combination of its sizes, dtypes and modes."""

import itertools
import math
from typing import TypeVar

from kaoprof.dims import Dims, head_size
from kaoprof.errors import UsageError
from kaoprof.specs.documents import GridSpec, ModelGridSpec, Sizes
from kaoprof.specs.places import Places

MAX_CELLS = 100_000  # enough for a cluster; beyond it a grid is a slip of the hand
Value = TypeVar("Value")


def grid_cells(spec: GridSpec) -> tuple[tuple[Dims, int], ...]:
    """The sizes to compare, as (dims, heads): batch varies slowest, then channels and heads, then the spatial sizes."""
    outer = itertools.product(*(listed(getattr(spec.grid, axis)) for axis in ("batch", "c", "heads")))
    spatial = tuple(_spatial(spec.grid))
    return tuple((Dims(b=b, c=c, spatial=sizes), heads) for b, c, heads in outer for sizes in spatial)


def listed(values: Value | tuple[Value, ...]) -> tuple[Value, ...]:
    """A single value as a list of one."""
    return values if isinstance(values, tuple) else (values,)


def settings(spec: GridSpec | ModelGridSpec) -> int:
    """How many combinations of dtype and mode there are."""
    return len(listed(spec.dtype)) * len(listed(spec.mode))


def model_cells(spec: ModelGridSpec) -> int:
    """How many cells a grid of models has."""
    return math.prod(len(listed(values)) for values in (spec.models, spec.grid.size, spec.grid.batch)) * settings(spec)


def _spatial(grid: Sizes) -> list[tuple[int, ...]]:
    if grid.n is not None:
        return [(n,) for n in listed(grid.n)]
    heights = listed(grid.h or ())
    planes: list[tuple[int, ...]] = [(h, h) for h in heights]
    if grid.w is not None:
        planes = list(itertools.product(heights, listed(grid.w)))
    return planes if grid.t is None else [(t, *plane) for t in listed(grid.t) for plane in planes]


def check_grid(spec: GridSpec, places: Places) -> None:
    """Refuses axes that do not go together, too many cells, and heads that do not divide the channels.

    Raises:
        SpecError: naming the key.
    """
    grid = spec.grid
    planar = [axis for axis in ("h", "w", "t") if getattr(grid, axis) is not None]
    if (grid.n is None) == (not planar):
        problem = f"n stands beside {', '.join(planar)}" if planar else "there is no spatial size"
        raise places.error(problem, "grid", hint="give n, or h and if need be w and t")
    if planar and grid.h is None:
        raise places.error(f"{planar[0]} without h", f"grid.{planar[0]}", hint="add h: heights such as [14, 28]")
    combinations = [len(listed(getattr(grid, axis) or 1)) for axis in ("h", "w", "t", "n", "c", "batch", "heads")]
    cells = math.prod(combinations) * settings(spec)
    if cells > MAX_CELLS:
        raise places.error(f"{cells:,} cells are too many", "grid", hint=f"at most {MAX_CELLS:,}")
    for channels, heads in itertools.product(listed(grid.c), listed(grid.heads)):
        try:
            head_size(channels, heads)
        except UsageError as error:
            raise places.error(error.message, "grid.heads", hint=error.hint or "") from None
