"""What `sweep` is asked for: a grid of sizes, dtypes and modes, and how its cells are measured; kept in the journal."""

import itertools
import math
from collections.abc import Iterator

import msgspec
from msgspec.structs import fields, replace

from kaoprof.errors import UsageError
from kaoprof.records.compare import Case, own_cases, with_variants
from kaoprof.records.options import Options
from kaoprof.records.own import OwnModule

# What a cell's figures do not rest on; the device is compared with the one that cells were measured on.
MAY_DIFFER = {"budget_s", "timeout_s", "memory_fraction", "force_run", "baseline", "device"}
CellKey = tuple[object, ...]  # `Case.cell`


class SweepPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A grid and the options of its measurement. `operators` are `nonlocal:sdpa` and so on, `name` is the spec's.

    `own` are somebody's modules beside them.
    """

    name: str = ""
    spatial: tuple[tuple[int, ...], ...]
    c: tuple[int, ...]
    batch: tuple[int, ...] = (1,)
    heads: tuple[int, ...] = (1,)
    dtypes: tuple[str, ...] = ("fp32",)
    modes: tuple[str, ...] = ("forward",)
    operators: tuple[str, ...]
    projection: str = "value"
    scale: str = "sqrt"
    options: Options = msgspec.field(default_factory=Options)
    own: tuple[OwnModule, ...] = ()

    def __post_init__(self) -> None:
        if not (self.operators or self.own) or not all(name.count(":") == 1 for name in self.operators):
            raise UsageError(f"{', '.join(self.operators)[:40]!r} does not name operators", where="operators")

    def __len__(self) -> int:
        """How many cells there are."""
        sizes = (self.dtypes, self.modes, self.heads, self.batch, self.c, self.spatial)
        return math.prod(map(len, sizes))

    def cells(self) -> Iterator[tuple[Case, ...]]:
        """The rows of each cell, in grid order: spatial sizes vary fastest, so that a law in them shows early."""
        pairs = [tuple(name.split(":")) for name in self.operators]
        for first in self.corners():
            cases = [replace(first, operator=operator, implementation=kind) for operator, kind in pairs]
            yield tuple(with_variants([*cases, *own_cases(first, self.own)], self.options.variants))

    def corners(self) -> Iterator[Case]:
        """One row of each cell: enough to name the cell."""
        operator, implementation = self.operators[0].split(":") if self.operators else ("", "")
        grid = itertools.product(self.dtypes, self.modes, self.heads, self.batch, self.c, self.spatial)
        for dtype, mode, heads, b, c, spatial in grid:
            yield Case(operator=operator, implementation=implementation, b=b, c=c, spatial=spatial, heads=heads,
                       projection=self.projection, scale=self.scale, dtype=dtype, mode=mode)  # fmt: skip

    def differences(self, other: "SweepPlan") -> list[str]:
        """What keeps the cells of two plans from standing in one journal, each as `seed 1, there 0`."""
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in ("operators", "projection", "scale")]
        mine, theirs = (tuple(module.written for module in plan.own) for plan in (self, other))
        pairs.append(("with", mine, theirs))
        pairs += [
            (field.name, getattr(self.options, field.name), getattr(other.options, field.name))
            for field in fields(Options)
            if field.name not in MAY_DIFFER
        ]
        return [f"{name} {_shown(here)}, there {_shown(there)}" for name, here, there in pairs if here != there]


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
