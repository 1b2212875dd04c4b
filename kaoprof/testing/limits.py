"""Upper bounds of a model's cost, as a test states them, and how far a count is beyond them. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from kaoprof.errors import UsageError, did_you_mean
from kaoprof.units import format_bytes, format_count, format_ratio, parse_bytes, parse_count

if TYPE_CHECKING:
    from kaoprof.tape.counted import Counts
    from kaoprof.tape.tree import CountedLayer

WHERE = "pytest.mark.kaoprof"


class Quantity(msgspec.Struct, frozen=True, kw_only=True):
    """Something that may be limited.

    Args:
        title: how a message calls it.
        parse: a text -> its amount.
        shown: an amount -> its text.
        of_call: the count -> its amount; None where it is not known.
        of_layer: likewise of one layer.
        complete: whether it is without what has no rule.
    """

    title: str
    parse: Callable[..., int]
    shown: Callable[[int], str]
    of_call: Callable[["Counts"], int | None]
    of_layer: Callable[["CountedLayer"], int | None]
    complete: bool = False


QUANTITIES = {
    "macs": Quantity(
        title="MACs of the call", parse=parse_count, shown=format_count,
        of_call=lambda counts: counts.macs, of_layer=lambda layer: layer.macs,
    ),
    "flops": Quantity(
        title="FLOPs of the call", parse=parse_count, shown=format_count,
        of_call=lambda counts: counts.flops, of_layer=lambda layer: layer.flops_all,
    ),
    "params": Quantity(
        title="parameters", parse=parse_count, shown=format_count, complete=True,
        of_call=lambda counts: counts.params, of_layer=lambda layer: layer.params + layer.params_norm,
    ),
    "peak": Quantity(
        title="predicted peak memory", parse=parse_bytes, shown=format_bytes, complete=True,
        of_call=lambda counts: counts.peak_bytes, of_layer=lambda layer: layer.peak_bytes,
    ),
}  # fmt: skip


def limits_of(given: Mapping[str, object], positional: Sequence[object] = ()) -> dict[str, int]:
    """The limits of a mark, as numbers: `macs="1.3G", peak="100MiB"`, or whole numbers.

    Raises:
        UsageError: a limit of nothing that is known, or one that is no amount.
    """
    if positional or not given:
        raise UsageError("takes limits by name", where=WHERE, hint='such as macs="1.3G", peak="100MiB"')
    limits: dict[str, int] = {}
    for name, limit in given.items():
        if name not in QUANTITIES:
            raise UsageError(f"limits no {name!r}", where=WHERE, hint=did_you_mean(name, QUANTITIES))
        if isinstance(limit, bool) or not isinstance(limit, str | int):
            raise UsageError(f"{limit!r} is neither a text nor a whole number", where=f"{WHERE}({name}=...)")
        limits[name] = QUANTITIES[name].parse(str(limit), where=f"{WHERE}({name}=...)")
    return limits


def broken(counts: "Counts", limits: Mapping[str, int]) -> list[str]:
    """A sentence for each limit that a count is beyond, with the layer that has most of it."""
    sentences = []
    for name, limit in limits.items():
        quantity = QUANTITIES[name]
        amount = quantity.of_call(counts)
        if amount is None:
            sentences.append(f"{quantity.title}: not known: {counts.peak_unknown or 'it could not be predicted'}")
        elif amount > limit:
            factor = f"{format_ratio(amount / limit)} the limit {quantity.shown(limit)}"
            sentences.append(f"{quantity.title}: {quantity.shown(amount)}, {factor}{_most(counts, quantity)}")
    return sentences


def gaps(counts: "Counts", limits: Mapping[str, int]) -> list[str]:
    """What may be missing from a count within its limits: operations without a rule, kernels without a model."""
    unsure = []
    if counts.uncounted and any(not QUANTITIES[name].complete for name in limits):
        unsure.append(f"not in its counts, having no rule: {', '.join(sorted(counts.uncounted))}")
    if counts.unmodelled and "peak" in limits:
        unsure.append(f"might raise the peak: {', '.join(counts.unmodelled)}")
    return unsure


def _most(counts: "Counts", quantity: Quantity) -> str:
    """The layer that has most, of those that hold no others; empty where the model is a single one."""
    leaves = [(quantity.of_layer(layer) or 0, layer) for layer in counts.layers if layer.leaf and layer.layer]
    if not leaves:
        return ""
    most, layer = max(leaves, key=lambda pair: pair[0])
    return f"; most in {layer.layer} ({layer.type}): {quantity.shown(most)}"
