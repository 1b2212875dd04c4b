"""Where Kronecker attention stands among its rivals: who costs as much, who costs less, and whose growth is hidden."""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from kaoprof.catalog import PAPER, find_operator, is_operator
from kaoprof.costs.cost import Cost
from kaoprof.dims import PUBLISHED
from kaoprof.records.compare import Record, Row

KV, QKV, REGULAR = "kao_kv", "kao_qkv", "nonlocal"


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """What holds in every cell of a record, of operators without their projections; empty where nothing does.

    Args:
        like_kv: rivals with the MACs and the map of KAO_KV.
        below_qkv: rivals with fewer MACs than KAO_QKV.
        like_regular: rivals with fewer MACs than regular attention, and its growth, `regular_order`.
        unprojected: rivals that have no values, so that a projection that was asked for changes nothing.
    """

    like_kv: tuple[str, ...] = ()
    below_qkv: tuple[str, ...] = ()
    like_regular: tuple[str, ...] = ()
    regular_order: str = ""
    unprojected: tuple[str, ...] = ()


def places_of(record: Record) -> Places:
    """The places of the rivals in a record; none where there are none, or nothing to hold them against."""
    cells = [_cores(rows) for rows in record.cells().values()]
    asked = any(row.case.projection not in ("none", PUBLISHED) for row in record.rows)
    return Places(
        like_kv=_in_all([_alike(cores) for cores in cells]),
        below_qkv=_in_all([_fewer(cores, QKV) for cores in cells]),
        like_regular=_in_all([_disguised(cores) for cores in cells]),
        regular_order=next((cores[REGULAR].order for cores in cells if REGULAR in cores), ""),
        unprojected=_in_all([[name for name, core in cores.items() if not core.takes_values] for cores in cells])
        if asked
        else (),
    )


class Core(msgspec.Struct, frozen=True, kw_only=True):
    """An operator without projections in one cell."""

    cost: Cost
    order: str
    is_rival: bool
    takes_values: bool


def _cores(rows: Iterable[Row]) -> dict[str, Core]:
    cores = {}
    for row in rows:
        name = row.case.operator
        if row.analytic is None or not is_operator(name):
            continue
        operator, bare = find_operator(name), replace(row.case.options, projection="none")
        order, _ = operator.orders(row.case.dims.axes, bare)
        cores[name] = Core(
            cost=operator.cost(row.case.dims, bare),
            order=order,
            is_rival=operator.source != PAPER,
            takes_values=operator.takes_values,
        )
    return cores


def _in_all(names_of_cells: list[list[str]]) -> tuple[str, ...]:
    first, *others = names_of_cells or [[]]
    return tuple(name for name in first if all(name in names for names in others))


def _alike(cores: dict[str, Core]) -> list[str]:
    if KV not in cores:
        return []
    of_kv = cores[KV].cost
    return [
        name
        for name, core in cores.items()
        if core.is_rival and (core.cost.macs, core.cost.map_entries) == (of_kv.macs, of_kv.map_entries)
    ]


def _fewer(cores: dict[str, Core], than: str) -> list[str]:
    if than not in cores:
        return []
    return [name for name, core in cores.items() if core.is_rival and core.cost.macs < cores[than].cost.macs]


def _disguised(cores: dict[str, Core]) -> list[str]:
    return [name for name in _fewer(cores, REGULAR) if cores[name].order == cores[REGULAR].order]
