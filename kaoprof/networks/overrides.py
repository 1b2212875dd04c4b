"""A spec with another batch, size or attention operator: what `--batch`, `--size` and `--attention` ask for."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from kaoprof.catalog import find_operator
from kaoprof.errors import UsageError
from kaoprof.networks.checking import spec_with_layers
from kaoprof.networks.code_inputs import override_inputs
from kaoprof.own_options import OwnOptions
from kaoprof.specs import Document
from kaoprof.specs.documents import AttentionDefaults, CodeSpec, Input, OperatorSpec
from kaoprof.specs.layers import MAX_SIZE, Add, Attention, Attn, AttnSkip, Block, Concat, Layer, Residual

UNTOLD = dict.fromkeys(OwnOptions.__struct_fields__)  # another operator takes other options


def override(
    document: Document,
    *,
    batch: int | None = None,
    size: Sequence[int] | None = None,
    attention: str | None = None,
) -> Document:
    """The document with what is given in place of what it says; the rest as it is.

    Args:
        document: a model, an operator, or code; of code without inputs, whose own config tells them, nothing changes.
        batch: samples at once.
        size: spatial sizes; a single one stands for h = w in 2-D.
        attention: the operator of every attention layer, also of those that name their own; code has none.

    Raises:
        UsageError: the spec is of another kind, a size is impossible, or there is no such operator.
    """
    if isinstance(document.spec, CodeSpec):
        if attention is not None:
            hint = "only a model in YAML has attention layers"
            raise UsageError("code has no attention that could be exchanged", where=document.places.file, hint=hint)
        return replace(document, spec=override_inputs(document.spec, batch=batch, size=size))
    spec = spec_with_layers(document)
    if batch is not None or size is not None:
        spec = replace(spec, input=_input(spec.input, batch, size))
    if attention is not None:
        find_operator(attention)
        spec = _with_operator(spec, attention)
    return replace(document, spec=spec)


def _input(given: Input, batch: int | None, size: Sequence[int] | None) -> Input:
    sizes = given.size if size is None else tuple(size)
    if len(sizes) == 1 and len(given.size) == 2:  # noqa: PLR2004 - h = w, as everywhere on the command line
        sizes *= 2
    if len(sizes) != len(given.size):
        raise UsageError(
            f"{len(sizes)} sizes for {len(given.size)} spatial axes",
            where="size",
            hint=f"write {len(given.size)}, such as {'x'.join(map(str, given.size))}",
        )
    for where, number in (("batch", given.batch if batch is None else batch), *(("size", length) for length in sizes)):
        if not 1 <= number <= MAX_SIZE:
            raise UsageError(f"must be between 1 and {MAX_SIZE:,}, not {number}", where=where)
    return replace(given, size=sizes, batch=given.batch if batch is None else batch)


def _with_operator(spec: Any, name: str) -> Any:
    if isinstance(spec, OperatorSpec):
        return replace(spec, operator=replace(spec.operator, type=name, **UNTOLD))
    settings = spec.attention
    settings = AttentionDefaults(type=name) if settings is None else replace(settings, type=name, **UNTOLD)
    return replace(spec, attention=settings, layers=_inheriting(spec.layers))


def _inheriting(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """The layers, none of which names an operator of its own."""
    return tuple(_inherits(layer) for layer in layers)


def _inherits(layer: Layer) -> Layer:
    if isinstance(layer, Attention | Attn | AttnSkip):
        return replace(layer, operator=None, **UNTOLD)
    if isinstance(layer, Block | Residual):
        return replace(layer, layers=_inheriting(layer.layers))
    if isinstance(layer, Concat | Add):
        return replace(layer, branches=tuple(_inheriting(branch) for branch in layer.branches))
    return layer
