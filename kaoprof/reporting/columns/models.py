"""The columns of a sweep of models: those of a profile's whole, and what a grid adds. Appended to, never renamed."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from kaoprof.findings.model_grid import samples_per_s
from kaoprof.records.swept_models import ModelRow, SweptModels, shown_size
from kaoprof.reporting.columns.observed import Value
from kaoprof.reporting.columns.profile import LAYER_COLUMNS, LayerView


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """One row, and how `profile` would show its whole."""

    row: ModelRow
    whole: LayerView


def model_views(record: SweptModels) -> Iterator[ModelView]:
    """The record's rows."""
    for row in record.rows:
        profile = record.profile_of(row)
        yield ModelView(row=row, whole=LayerView(record=profile, model=row.profile, row=row.profile.total))


def _of_whole(column: Callable[[LayerView], Any]) -> Callable[[ModelView], Value]:
    return lambda view: column(view.whole)


WHOLE = {name: _of_whole(column) for name, column in LAYER_COLUMNS.items()}
FIRST = list(WHOLE)[: list(WHOLE).index("quiet_s")]  # what is newer stands behind the grid's own
MODEL_COLUMNS: dict[str, Callable[[ModelView], Value]] = {name: WHOLE[name] for name in FIRST}
MODEL_COLUMNS |= {
    "spec": lambda view: view.row.case.model,
    "size": lambda view: shown_size(view.row.size) if view.row.size else None,
    "samples_per_s": lambda view: samples_per_s(view.row),
}
MODEL_COLUMNS |= {name: column for name, column in WHOLE.items() if name not in FIRST}
