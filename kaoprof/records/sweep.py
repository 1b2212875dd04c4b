"""What `sweep` is asked for: a grid of operators or of models, and how its cells are measured; kept in the journal."""

import itertools
import math
from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import fields, replace

from kaoprof.errors import UsageError
from kaoprof.records.compare import Case, own_cases, with_variants
from kaoprof.records.options import Options
from kaoprof.records.own import OwnModule
from kaoprof.records.swept_models import ModelCase

# What a cell's figures do not rest on; the device is compared with the one that cells were measured on.
MAY_DIFFER = {"budget_s", "timeout_s", "memory_fraction", "force_run", "baseline", "device"}
CellKey = tuple[object, ...]  # `Case.cell`, `ModelCase.cell`; with a node before them where nodes are compared


def key_on(node: str, cell: CellKey) -> CellKey:
    """The key of a cell that is done on several nodes; where there is no node, its own."""
    return (node, *cell) if node else cell


class SweepPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A grid and the options of its measurement. `operators` are `nonlocal:sdpa` and so on, `name` is the spec's.

    `own` are somebody's modules beside them; `spread` says that every node does every cell.
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
    spread: bool = False

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
        names = ("operators", "projection", "scale", "spread")
        pairs: list[tuple[str, object, object]] = [(name, getattr(self, name), getattr(other, name)) for name in names]
        mine, theirs = (tuple(module.written for module in plan.own) for plan in (self, other))
        pairs.append(("with", mine, theirs))
        return _different([*pairs, *_option_pairs(self.options, other.options)])


class NamedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model of a grid: as it was named, and the sum of what its spec says, which may be another one tomorrow."""

    name: str
    digest: str = ""


class ModelPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A grid of models and the options of their measurement. `name` is the spec's.

    Args:
        models: what runs.
        sizes: spatial sizes; None: those that each model itself says.
        batch: samples at once.
        dtypes: of inputs and parameters.
        modes: `forward`, `train`.
        measured: whether anything is run; else it is only counted and predicted.
        options: device, budget and how to measure.
        allow_import: whether models may be code, which is imported.
        spread: whether every node does every cell.
    """

    name: str = ""
    models: tuple[NamedModel, ...]
    sizes: tuple[tuple[int, ...] | None, ...] = (None,)
    batch: tuple[int, ...] = (1,)
    dtypes: tuple[str, ...] = ("fp32",)
    modes: tuple[str, ...] = ("forward",)
    measured: bool = True
    options: Options = msgspec.field(default_factory=Options)
    allow_import: bool = False
    spread: bool = False

    def __len__(self) -> int:
        """How many cells there are."""
        return math.prod(map(len, (self.dtypes, self.modes, self.batch, self.sizes, self.models)))

    def corners(self) -> Iterator[ModelCase]:
        """The case of each cell, in grid order: models vary fastest, so that those of one size stand together."""
        grid = itertools.product(self.dtypes, self.modes, self.batch, self.sizes, self.models)
        for dtype, mode, batch, size, model in grid:
            yield ModelCase(model=model.name, size=size, b=batch, dtype=dtype, mode=mode)

    def differences(self, other: "ModelPlan") -> list[str]:
        """What keeps the cells of two plans from standing in one journal."""
        there = {model.name: model.digest for model in other.models}
        changed = [model.name for model in self.models if there.get(model.name, model.digest) != model.digest]
        pairs: list[tuple[str, object, object]] = [
            (name, getattr(self, name), getattr(other, name)) for name in ("measured", "spread")
        ]
        pairs += _option_pairs(self.options, other.options)
        return [*(f"another spec of {name} than there" for name in changed), *_different(pairs)]


Plan = SweepPlan | ModelPlan


def _option_pairs(mine: Options, theirs: Options) -> list[tuple[str, object, object]]:
    """The options on which the figures of a cell rest."""
    names = (field.name for field in fields(Options) if field.name not in MAY_DIFFER)
    return [(name, getattr(mine, name), getattr(theirs, name)) for name in names]


def _different(pairs: Iterable[tuple[str, object, object]]) -> list[str]:
    return [f"{name} {_shown(here)}, there {_shown(there)}" for name, here, there in pairs if here != there]


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
