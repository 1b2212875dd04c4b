"""What a whole spec comes to on paper, in one row. Torch-free; code is not imported."""

import msgspec

from kaoprof.dims import DTYPE_BYTES
from kaoprof.networks.checking import check_spec, network_cost
from kaoprof.specs import Document
from kaoprof.specs.documents import GridSpec, ModelGridSpec, ModelSpec, OperatorSpec
from kaoprof.specs.grid import grid_cells, model_cells, settings


class SpecTotals(msgspec.Struct, frozen=True, kw_only=True):
    """A spec at a glance; None where the figure does not apply to its kind.

    Args:
        name: what the spec calls itself.
        kind: `model`, `operator`, `grid` or `code`.
        input_shape: `(b, c, *spatial)`.
        macs: of one sample.
        params: weights without those of batch norm.
        params_norm: scale and shift of batch norm.
        map_bytes: of all attention coefficients in fp32, for the whole batch.
        cells: sizes that a grid compares.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...] | None = None
    macs: int | None = None
    params: int | None = None
    params_norm: int | None = None
    map_bytes: int | None = None
    cells: int | None = None


def totals_of(document: Document) -> SpecTotals:
    """Checks the spec and adds up its closed forms.

    Raises:
        SpecError: the first thing that is wrong, with file, line and key.
    """
    check_spec(document)
    spec = document.spec
    if isinstance(spec, GridSpec):
        return SpecTotals(name=spec.name, kind=document.kind, cells=len(grid_cells(spec)) * settings(spec))
    if isinstance(spec, ModelGridSpec):
        return SpecTotals(name=spec.name, kind=document.kind, cells=model_cells(spec))
    if not isinstance(spec, ModelSpec | OperatorSpec):
        return SpecTotals(name=spec.name, kind=document.kind)
    cost, given = network_cost(document), spec.input
    return SpecTotals(
        name=spec.name,
        kind=document.kind,
        input_shape=(given.batch, given.channels, *given.size),
        macs=int(cost.macs),
        params=int(cost.params),
        params_norm=int(cost.params_norm),
        map_bytes=int(cost.map_entries) * given.batch * DTYPE_BYTES["fp32"],
    )
