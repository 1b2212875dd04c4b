"""Claim 1: how arithmetic, coefficients and measured time grow."""

import itertools
from collections.abc import Mapping, Sequence

from kaoprof.comparing.run import compare
from kaoprof.findings.growth import TIME_TOLERANCE, Growth, Law, growths
from kaoprof.records.compare import Row
from kaoprof.records.options import Options
from kaoprof.records.reproduce import CONFIRMED, REFUTED, UNDECIDED, ClaimVerdict
from kaoprof.reproducing import paper
from kaoprof.reproducing.square_images import is_square_image, together

COUNT_TOLERANCE = 0.01  # of an exponent of counts, which are exact
CHANNELS_TRIED = (4, 8, 16)
NOT_MEASURED = "not measured"  # at enough sizes
IMPLEMENTATION = "matmul"  # the paper's form: coefficients written out


def growth_of_counts(rows: Sequence[Row]) -> ClaimVerdict:
    """Claim 1 for counts: the products' exponents in h and in c."""
    right, exponents, figures = _on_paper("products", paper.CHANNEL_EXPONENTS["time"])
    counted = {
        name: law
        for name in paper.TIME_EXPONENTS
        if (law := _law(together(rows), name, "h", "products")) and law.source == "counted"
    }
    also = f"; counted by torch at {_sizes(counted)}: {_exponents(counted, 'h')}" if counted else ""
    return ClaimVerdict(
        number="1a",
        claim="arithmetic: O(h^4 c), O(h^3 c), O(h^2 c)",
        status=CONFIRMED if right and _near(counted, paper.TIME_EXPONENTS) else REFUTED,
        found=f"{exponents}{also}",
        rule=f"MACs of the two products grow with these exponents, within {COUNT_TOLERANCE}",
        title="arithmetic grows as h^4, h^3, h^2",
        figures=figures,
    )


def growth_of_map() -> ClaimVerdict:
    """Claim 1 for the coefficient matrix."""
    right, exponents, figures = _on_paper("map", paper.CHANNEL_EXPONENTS["coefficients"])
    return ClaimVerdict(
        number="1b",
        claim="coefficient matrix: O(h^4), O(h^3), O(h^2), without c",
        status=CONFIRMED if right else REFUTED,
        found=exponents,
        rule=f"its entries grow with these exponents, within {COUNT_TOLERANCE}",
        title="coefficient matrix h^4, h^3, h^2",
        figures=figures,
    )


def _on_paper(quantity: str, along_channels: int) -> tuple[bool, str, str]:
    """Whether closed forms grow as claimed, along h and along c; and how they grow, at length and as exponents of h."""
    growths_here = _paper_growths()
    along_h, along_c = (
        {name: _law(growths_here, name, axis, quantity) for name in paper.TIME_EXPONENTS} for axis in ("h", "c")
    )
    right = _near(along_h, paper.TIME_EXPONENTS) and _near(along_c, dict.fromkeys(along_c, along_channels))
    return right, f"by formula: {_exponents(along_h, 'h')}; {_exponents(along_c, 'c')}", _briefly(along_h)


def _briefly(laws: Mapping[str, Law | None]) -> str:
    """The exponents alone: `4.00  3.00  2.00`; empty where none is known."""
    known = [law.exponent if law else None for law in laws.values()]
    shown = ["?" if exponent is None else f"{exponent:.2f}" for exponent in known]
    return "  ".join(shown) if any(exponent is not None for exponent in known) else ""


def _paper_growths() -> list[Growth]:
    record = compare(
        h=paper.SIZES, c=CHANNELS_TRIED, batch=paper.BATCH, operators=list(paper.TIME_EXPONENTS), scale="none",
        options=Options(analytic=True),
    )  # fmt: skip
    return growths(record.rows)


def _law(grown: Sequence[Growth], operator: str, axis: str, quantity: str) -> Law | None:
    """The law of the operator as the paper writes it, along an axis; of square images if the axis is h."""
    lines = (growth for growth in grown if growth.line.axis == axis and (axis != "h" or is_square_image(growth.line)))
    name = f"{operator}:{IMPLEMENTATION}"
    return next((line.laws[quantity] for line in lines if line.line.case.name == name and quantity in line.laws), None)


def _near(laws: Mapping[str, Law | None], exponents: Mapping[str, int]) -> bool:
    return all(
        law is not None and law.exponent is not None and abs(law.exponent - exponents[name]) <= COUNT_TOLERANCE
        for name, law in laws.items()
    )


def _exponents(laws: Mapping[str, Law | None], axis: str) -> str:
    return ", ".join(
        f"{name} {axis}^{abs(law.exponent):.2f}"
        for name, law in laws.items()
        if law is not None and law.exponent is not None
    )


def _sizes(laws: Mapping[str, Law | None]) -> str:
    sizes = sorted({size for law in laws.values() if law for size in law.sizes})
    return f"h={sizes[0]}-{sizes[-1]}"


def growth_of_time(rows: Sequence[Row]) -> ClaimVerdict:
    """Claim 1 for measured time. No few sizes refute an order by themselves; growths in the wrong order do."""
    grown = together(rows)
    laws = {name: _law(grown, name, "h", "latency") for name in paper.TIME_EXPONENTS}
    status = UNDECIDED
    if any(_surely_steeper(laws[after], laws[before]) for before, after in itertools.combinations(laws, 2)):
        status = REFUTED
    elif all(_reaches(law, paper.TIME_EXPONENTS[name]) for name, law in laws.items()):
        status = CONFIRMED
    return ClaimVerdict(
        number="1c",
        claim="measured time: h^4, h^3, h^2",
        status=status,
        found="; ".join(_described(name, law) for name, law in laws.items()),
        rule=(
            f"confirmed if each 95 % interval comes within {TIME_TOLERANCE} of its exponent and holds neither the next "
            "higher nor the next lower one; refuted if an operator of lower order surely grows faster than one of "
            f"higher order; else other sizes or a quieter machine may decide; implementation {IMPLEMENTATION}, beyond "
            "the overhead of calls"
        ),
        title="measured time h^4, h^3, h^2",
        figures=_briefly(laws) or NOT_MEASURED,
    )


def _surely_steeper(law: Law | None, other: Law | None) -> bool:
    return bool(law and other and law.low is not None and other.high is not None and law.low > other.high)


def _reaches(law: Law | None, exponent: int) -> bool:
    """Whether the interval lies about the exponent, and is short enough to tell it from its neighbours."""
    if law is None or law.exponent is None or law.low is None or law.high is None:
        return False
    near = law.low <= exponent + TIME_TOLERANCE and law.high >= exponent - TIME_TOLERANCE
    return near and exponent - 1 < law.low and law.high < exponent + 1


def _described(name: str, law: Law | None) -> str:
    if law is None:
        return f"{name}: measured at fewer than 3 sizes"
    if law.exponent is None:
        return f"{name}: {law.objection}"
    sizes = f"h={law.sizes[0]}-{law.sizes[-1]}"
    beyond = ", more than its arithmetic: caches overflow or others ran" if law.outgrows_theory else ""
    return f"{name} h^{law.exponent:.2f} ({law.low:.2f} to {law.high:.2f}, {sizes}{beyond})"
