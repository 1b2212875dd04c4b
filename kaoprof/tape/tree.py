"""Layers as a tree whose leaves sum to the whole: what a module itself computes between those inside is a leaf, too."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

import msgspec

from kaoprof.costs.arithmetic import FLOPS_PER_MAC
from kaoprof.records.profile import OWN

if TYPE_CHECKING:
    from kaoprof.tape.layers import LayerCount

OWN_WORK = "own operations"


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is executed in one place, for the whole batch.

    Args:
        type: the module's class.
        output_shape: of its first output; None if it never ran, or answered without a tensor.
        macs: contractions only.
        elementwise: every other FLOP.
        params: trainable numbers.
        uncounted: each operation without a rule, with its calls.
        operations: how many it launches.
        moved_bytes: what these read and write.
        held_bytes: of what is alive at the model's predicted peak, what it made.
        leaf: whether no other module is inside it.
    """

    type: str
    output_shape: tuple[int, ...] | None
    macs: int
    elementwise: int
    params: int
    uncounted: dict[str, int]
    leaf: bool
    operations: int = 0
    moved_bytes: int = 0
    held_bytes: int = 0

    @property
    def flops_all(self) -> int:
        """All arithmetic, with 1 MAC = 2 FLOPs."""
        return FLOPS_PER_MAC * self.macs + self.elementwise


class CountedLayer(Work, frozen=True, kw_only=True):
    """One layer; of one that holds others, their sum. The whole model is called "".

    Args:
        layer: the dotted path.
        depth: how many layers are around it.
        params_norm: trainable numbers of batch norms, which `params` leaves out.
        macs_fvcore: fvcore's count of the same.
        peak_bytes: the most that is alive while it runs, above what was there before the model ran.
    """

    layer: str
    depth: int
    params_norm: int
    macs_fvcore: int | None = None
    peak_bytes: int | None = None


class _Sum:
    """What is added up for one layer."""

    def __init__(self) -> None:
        self.macs = self.elementwise = self.params = self.params_norm = 0
        self.operations = self.moved_bytes = self.held_bytes = 0
        self.uncounted: dict[str, int] = {}

    def add_count(self, count: "LayerCount") -> None:
        """Adds what one module executes itself."""
        self.macs += count.macs
        self.elementwise += count.elementwise
        self.params_norm += count.params if count.norm else 0
        self.params += 0 if count.norm else count.params
        self._add_work(count)

    def add(self, other: "_Sum") -> None:
        """Adds another layer."""
        self.macs += other.macs
        self.elementwise += other.elementwise
        self.params += other.params
        self.params_norm += other.params_norm
        self._add_work(other)

    def _add_work(self, part: "LayerCount | _Sum") -> None:
        self.operations += part.operations
        self.moved_bytes += part.moved_bytes
        self.held_bytes += part.held_bytes
        for operation, calls in part.uncounted.items():
            self.uncounted[operation] = self.uncounted.get(operation, 0) + calls

    def empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.macs or self.elementwise or self.params or self.params_norm or self.uncounted)


def layer_tree(counts: Mapping[str, "LayerCount"], names: Collection[str] | None = None) -> tuple[CountedLayer, ...]:
    """The layers in the order in which they are written, the whole first.

    Args:
        counts: each module by its path, as `count_layers` finds them.
        names: the layers to tell apart, "" for the whole, in their order; None for all modules that ran or hold
            weights. What any other module does belongs to the nearest named one around it.
    """
    shown = list(names) if names is not None else _worth_showing(counts)
    listed = set(shown) | {""}
    own = {name: _Sum() for name in listed}
    for path, count in counts.items():
        own[_nearest(path, listed)].add_count(count)
    whole = {name: _Sum() for name in listed}
    holders = {_around(name, listed) for name in listed if name}
    for name in sorted(listed, key=lambda name: -_depth(name)):
        whole[name].add(own[name])
        if name:
            whole[_around(name, listed)].add(whole[name])
    depths = {"": 0}
    rows: list[CountedLayer] = []
    for name in sorted(listed, key=_depth):
        depths[name] = depths[_around(name, listed)] + 1 if name else 0
    for name in shown:
        leaf = name not in holders
        rows.append(_row(name, _type_of(name, counts), depths[name], counts.get(name), whole[name], leaf=leaf))
        if names is None and not leaf and not own[name].empty():
            rows.append(_row(f"{name}.{OWN}" if name else OWN, OWN_WORK, depths[name] + 1, None, own[name], leaf=True))
    return tuple(rows)


def _row(name: str, kind: str, depth: int, count: "LayerCount | None", total: _Sum, *, leaf: bool) -> CountedLayer:
    return CountedLayer(
        layer=name,
        type=kind,
        depth=depth,
        leaf=leaf,
        output_shape=count.output_shape if count else None,
        params=total.params,
        params_norm=total.params_norm,
        macs=total.macs,
        elementwise=total.elementwise,
        uncounted=total.uncounted,
        operations=total.operations,
        moved_bytes=total.moved_bytes,
        held_bytes=total.held_bytes,
    )


def _type_of(name: str, counts: Mapping[str, "LayerCount"]) -> str:
    return counts[name].type if name in counts else "layers"


def _worth_showing(counts: Mapping[str, "LayerCount"]) -> list[str]:
    """All modules that ran or hold weights, and those around them."""
    worth = {""}
    for path, count in counts.items():
        if count.called or count.params or count.macs or count.elementwise:
            while path not in worth:
                worth.add(path)
                path = path.rpartition(".")[0]  # noqa: PLW2901 - upwards to the whole
    return [path for path in counts if path in worth]


def _depth(name: str) -> int:
    return name.count(".") + 1 if name else 0


def _nearest(path: str, listed: Collection[str]) -> str:
    while path not in listed:
        path = path.rpartition(".")[0]
    return path


def _around(name: str, listed: Collection[str]) -> str:
    return _nearest(name.rpartition(".")[0], listed)
