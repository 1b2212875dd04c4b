"""The columns of an explanation's CSV, long: one line for each formula, proof and part of the cost."""

from collections.abc import Iterator, Mapping
from typing import Any

from kaoprof.records.explain import Explanation
from kaoprof.reporting.formats.csv import columns_by_name

AXES = ("b", "c", "t", "h", "w", "n")
COLUMNS = columns_by_name((
    "schema", "name", "part", "quantity", "operation", "module", "backward", "formula", "order", "value", "counted",
    "macs_share", "flops_share", "proven", "method", "mode", "dtype", "device", "threads", "sizes", *AXES,
    "per_sample",
))  # fmt: skip


def lines_of(record: Explanation) -> Iterator[Mapping[str, Any]]:
    """Totals first, then operations, submodules and blocks by MACs and by FLOPs; shares are 0 to 1."""
    stays: dict[str, Any] = {
        "schema": record.schema, "name": record.name, "method": record.method, "mode": record.mode,
        "dtype": record.dtype, "device": record.device, "threads": record.threads,
        "sizes": " ".join(f"{name}={size}" for name, size in record.sizes.items()),
    }  # fmt: skip
    stays |= {name: size for name, size in record.sizes.items() if name in AXES}
    return (stays | line for line in (*_totals(record), *_parts(record)))


def _totals(record: Explanation) -> Iterator[dict[str, Any]]:
    proven = {line.quantity: int(line.proven) for line in record.proof}
    for formula in record.formulas:
        yield {
            "part": "total", "quantity": formula.quantity, "formula": formula.text, "order": formula.order,
            "value": formula.value, "counted": record.counted.get(formula.quantity),
            "proven": proven.get(formula.quantity), "per_sample": record.per_sample(formula.quantity),
        }  # fmt: skip
    for quantity, counted in record.counted.items():
        if record.formula(quantity) is None:
            yield {"part": "total", "quantity": quantity, "counted": counted}


def _parts(record: Explanation) -> Iterator[dict[str, Any]]:
    parts = {"operation": record.operations, "submodule": record.submodules, "block": record.blocks}
    for part, shares in parts.items():
        for share in shares:
            named = {
                "part": part, "operation": share.name, "module": share.module, "backward": int(share.backward),
                "order": share.order,
            }  # fmt: skip
            yield named | {"quantity": "macs", "formula": share.macs, "macs_share": share.macs_share}
            yield named | {"quantity": "flops_all", "formula": share.flops_all, "flops_share": share.flops_share}
