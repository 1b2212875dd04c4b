"""The paper's tables: its printed counts beside the closed form's, and beside what was counted. Torch-free."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

from kaoprof.catalog import find_operator
from kaoprof.dims import AttentionOptions, Dims
from kaoprof.networks.totals import totals_of
from kaoprof.records.compare import Row
from kaoprof.records.reproduce import CUT_OFF, DIFFERS, ROUNDED, Figure
from kaoprof.reproducing import paper
from kaoprof.specs import load_spec

UNITS = {"M": 10**6, "G": 10**9}
PAPER_OPTIONS = AttentionOptions(projection="value", scale="none")  # the paper's formula


def operator_figures(rows: Sequence[Row]) -> tuple[Figure, ...]:
    """MACs of the operators at the paper's sizes; counted where `rows` hold the same cell."""
    counted = {(row.case.operator, row.case.dims): row.counted.macs for row in rows if _is_papers(row) and row.counted}
    figures = []
    for name, printed in paper.OPERATOR_MACS.items():
        savings = paper.SAVINGS_PERCENT.get(name, (None,) * len(paper.SIZES))
        for size, reported, saving in zip(paper.SIZES, printed, savings, strict=True):
            dims = Dims(b=paper.BATCH, c=paper.CHANNELS, spatial=(size, size))
            formula = formula_macs(name, dims)
            figures.append(
                Figure(
                    name=name, at=str(dims), quantity="MACs", reported=reported, formula=formula,
                    counted=counted.get((name, dims)), match=match_of(reported, formula),
                    saving=1 - formula / formula_macs(paper.BASELINE, dims), reported_saving=saving,
                )
            )  # fmt: skip
    return tuple(figures)


def formula_macs(name: str, dims: Dims) -> int:
    """MACs of one sample, by the paper's formula."""
    return int(find_operator(name).cost(dims, PAPER_OPTIONS).macs)


def _is_papers(row: Row) -> bool:
    """Whether a row counts what the paper counts: one head, one transformation, a forward pass."""
    case = row.case
    return case.mode == "forward" and case.heads == 1 and case.projection == PAPER_OPTIONS.projection


def network_figures(counted: Mapping[str, tuple[int, int]]) -> tuple[Figure, ...]:
    """MACs and parameters of the networks; `counted` holds both by the spec's name, where they were counted."""
    figures = []
    for network in paper.NETWORKS:
        totals = totals_of(load_spec(network.spec))
        at = " x ".join(map(str, totals.input_shape or ()))
        macs, params = counted.get(network.spec, (None, None))
        for quantity, reported, formula, count in (
            ("MACs", network.macs, totals.macs, macs),
            ("parameters", network.params, totals.params, params),
        ):
            if formula is not None:
                match = None if reported is None else match_of(reported, formula)
                figures.append(
                    Figure(name=network.spec, at=at, quantity=quantity, reported=reported, formula=formula,
                           counted=count, match=match)
                )  # fmt: skip
    return tuple(figures)


def match_of(reported: str, ours: int, unit: str = "M") -> str:
    """How a printed figure in millions (or in billions, `G`) follows from ours, to the digits that it shows."""
    printed = Decimal(reported)
    digits = Decimal(1).scaleb(int(printed.as_tuple().exponent))
    value = Decimal(ours) / UNITS[unit]
    if value.quantize(digits, rounding=ROUND_HALF_UP) == printed:
        return ROUNDED
    return CUT_OFF if value.quantize(digits, rounding=ROUND_DOWN) == printed else DIFFERS


def factor(dims: Dims, quantity: str) -> float:
    """How many times the paper's best operator needs less than regular attention: `macs` or `map_entries`."""
    costs = [find_operator(name).cost(dims, PAPER_OPTIONS) for name in (paper.BASELINE, paper.BEST)]
    baseline, best = (getattr(cost, quantity) for cost in costs)
    return float(baseline / best)
