"""The paper's claims, each judged by a stated rule: from closed forms, counts and measured rows. Torch-free."""

from collections.abc import Mapping, Sequence

from kaoprof.dims import Dims
from kaoprof.findings import peak_bytes
from kaoprof.fit_records import TimedRatio
from kaoprof.profiling import compare
from kaoprof.records import Row
from kaoprof.reproduction import paper
from kaoprof.reproduction.tables import factor
from kaoprof.reproduction_records import CONFIRMED, REFUTED, UNDECIDED, ClaimVerdict, Figure
from kaoprof.requests import Options
from kaoprof.scaling import Growth, Law, Line, crossovers, growths
from kaoprof.units import format_count, format_ratio, three_digits

COUNT_TOLERANCE = 0.01  # of an exponent of counts, which are exact
TIME_TOLERANCE = 0.25  # of an exponent of time: as far as caches and threads bend a power law
CHANNELS_TRIED = (4, 8, 16)
ORDERS_TRIED = (14, 14, 14)  # a cube with the side of the paper's smallest image
IMAGE = ("h", "w")  # the paper's orders are those of images
IMPLEMENTATION = "matmul"  # the paper's form: coefficients written out


def judged(rows: Sequence[Row], networks: Sequence[Figure]) -> tuple[ClaimVerdict, ...]:
    """Every claim's verdict.

    Args:
        rows: measured ones, which may be none.
        networks: what the networks cost, by `tables.network_figures`.
    """
    return (
        _growth_of_counts(rows),
        _growth_of_map(),
        _growth_of_time(rows),
        _factor_on_paper("2a", "compute: a factor of hundreds", "macs"),
        _factor_on_paper("2b", "coefficient matrix: a factor of hundreds", "map_entries"),
        _larger_for_larger(),
        _factor_of_time(rows),
        _factor_of_memory(rows),
        _smaller_networks(networks),
    )


def _growth_of_counts(rows: Sequence[Row]) -> ClaimVerdict:
    """Claim 1 for counts: the products' exponents in h and in c."""
    on_paper = _paper_growths()
    along_h = {name: _law(on_paper, name, "h", "products") for name in paper.TIME_EXPONENTS}
    along_c = {name: _law(on_paper, name, "c", "products") for name in paper.TIME_EXPONENTS}
    right = _near(along_h, paper.TIME_EXPONENTS) and _near(
        along_c, dict.fromkeys(along_c, paper.CHANNEL_EXPONENTS["time"])
    )
    counted = {
        name: law
        for name in along_h
        if (law := _law(_together(rows), name, "h", "products")) and law.source == "counted"
    }
    also = f"; counted by torch at {_sizes(counted)}: {_exponents(counted, 'h')}" if counted else ""
    return ClaimVerdict(
        number="1a",
        claim="arithmetic: O(h^4 c), O(h^3 c), O(h^2 c)",
        status=CONFIRMED if right and _near(counted, paper.TIME_EXPONENTS) else REFUTED,
        found=f"by formula: {_exponents(along_h, 'h')}; {_exponents(along_c, 'c')}{also}",
        rule=f"MACs of the two products grow with these exponents, within {COUNT_TOLERANCE}",
    )


def _growth_of_map() -> ClaimVerdict:
    on_paper = _paper_growths()
    along_h = {name: _law(on_paper, name, "h", "map") for name in paper.TIME_EXPONENTS}
    along_c = {name: _law(on_paper, name, "c", "map") for name in paper.TIME_EXPONENTS}
    right = _near(along_h, paper.TIME_EXPONENTS) and _near(
        along_c, dict.fromkeys(along_c, paper.CHANNEL_EXPONENTS["coefficients"])
    )
    return ClaimVerdict(
        number="1b",
        claim="coefficient matrix: O(h^4), O(h^3), O(h^2), without c",
        status=CONFIRMED if right else REFUTED,
        found=f"by formula: {_exponents(along_h, 'h')}; {_exponents(along_c, 'c')}",
        rule=f"its entries grow with these exponents, within {COUNT_TOLERANCE}",
    )


def _paper_growths() -> list[Growth]:
    record = compare(
        h=paper.SIZES, c=CHANNELS_TRIED, batch=paper.BATCH, operators=list(paper.TIME_EXPONENTS), scale="none",
        options=Options(analytic=True),
    )  # fmt: skip
    return growths(record.rows)


def _law(found: Sequence[Growth], operator: str, axis: str, quantity: str) -> Law | None:
    """The law of the operator as the paper writes it, along an axis; of square images if the axis is h."""
    lines = (growth for growth in found if growth.line.axis == axis and (axis != "h" or _is_square_image(growth.line)))
    name = f"{operator}:{IMPLEMENTATION}"
    return next((one.laws[quantity] for one in lines if one.line.case.name == name and quantity in one.laws), None)


def _is_square_image(line: Line) -> bool:
    return line.axis == "h" and bool(line.tied) and line.case.dims.axes == IMAGE


def _together(rows: Sequence[Row]) -> list[Growth]:
    """The growth along h of everything that was run alike: of the setting with the most rows, if there are several."""
    groups: dict[object, list[Growth]] = {}
    for growth in growths(rows):
        if _is_square_image(growth.line):
            groups.setdefault(growth.line.group, []).append(growth)
    return max(groups.values(), key=_measured_rows, default=[])


def _measured_rows(members: Sequence[Growth]) -> tuple[int, int]:
    rows = [row for growth in members for row in growth.line.rows.values()]
    return sum(row.latency is not None for row in rows), len(rows)


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


def _growth_of_time(rows: Sequence[Row]) -> ClaimVerdict:
    """Claim 1 for measured time. An order is an upper bound: growing more slowly does not refute it."""
    found = _together(rows)
    laws = {name: _law(found, name, "h", "latency") for name in paper.TIME_EXPONENTS}
    status = UNDECIDED
    if any(_lies_above(law, paper.TIME_EXPONENTS[name]) for name, law in laws.items()):
        status = REFUTED
    elif all(_reaches(law, paper.TIME_EXPONENTS[name]) for name, law in laws.items()):
        status = CONFIRMED
    return ClaimVerdict(
        number="1c",
        claim="measured time: h^4, h^3, h^2",
        status=status,
        found="; ".join(_told(name, law) for name, law in laws.items()),
        rule=(
            f"confirmed if each 95 % interval comes within {TIME_TOLERANCE} of its exponent, refuted if one lies "
            f"wholly above that; implementation {IMPLEMENTATION}, beyond the overhead of calls"
        ),
    )


def _lies_above(law: Law | None, exponent: int) -> bool:
    return law is not None and law.low is not None and law.low > exponent + TIME_TOLERANCE


def _reaches(law: Law | None, exponent: int) -> bool:
    if law is None or law.exponent is None or law.low is None or law.high is None:
        return False
    return law.low <= exponent + TIME_TOLERANCE and law.high >= exponent - TIME_TOLERANCE


def _told(name: str, law: Law | None) -> str:
    if law is None:
        return f"{name}: not measured at 3 sizes"
    if law.exponent is None:
        return f"{name}: {law.objection}"
    return f"{name} h^{law.exponent:.2f} ({law.low:.2f} to {law.high:.2f}, h={law.sizes[0]}-{law.sizes[-1]})"


def _factor_on_paper(number: str, claim: str, quantity: str) -> ClaimVerdict:
    factors = {size: factor(_image(size), quantity) for size in paper.SIZES}
    return ClaimVerdict(
        number=number,
        claim=claim,
        status=CONFIRMED if factors[paper.SIZES[-1]] >= paper.FACTOR else REFUTED,
        found=f"{paper.BEST} by formula: {_factors(factors)}",
        rule=f"at the paper's largest size it is at least {paper.FACTOR}",
    )


def _factors(factors: Mapping[int, float]) -> str:
    return ", ".join(f"{format_ratio(value)} at h={size}" for size, value in factors.items())


def _image(size: int) -> Dims:
    return Dims(b=paper.BATCH, c=paper.CHANNELS, spatial=(size, size))


def _larger_for_larger() -> ClaimVerdict:
    """Claim 2's second half: the factor grows with the size, and with the number of axes."""
    found, right = [], True
    cube = Dims(b=paper.BATCH, c=paper.CHANNELS, spatial=ORDERS_TRIED)
    for name, quantity in (("MACs", "macs"), ("coefficients", "map_entries")):
        factors = [factor(_image(size), quantity) for size in paper.SIZES]
        higher = factor(cube, quantity)
        right = right and factors == sorted(factors) and higher > factor(_image(ORDERS_TRIED[0]), quantity)
        found.append(
            f"{name}: {' < '.join(map(format_ratio, factors))}; {format_ratio(higher)} at {ORDERS_TRIED[0]}^3 against "
            f"{format_ratio(factors[0])} at {ORDERS_TRIED[0]}^2"
        )
    return ClaimVerdict(
        number="2c",
        claim="the factor is larger for larger and higher-order inputs",
        status=CONFIRMED if right else REFUTED,
        found="; ".join(found),
        rule="by formula it grows from each of the paper's sizes to the next, and from a square to a cube of its side",
    )


def _factor_of_time(rows: Sequence[Row]) -> ClaimVerdict:
    """Claim 2 for measured time, against the fastest implementation of regular attention."""
    ratios = _race(rows)
    known = [ratio for ratio in ratios if ratio.low is not None and ratio.high is not None]
    return ClaimVerdict(
        number="2d",
        claim="measured time: a factor of hundreds against the best regular attention",
        status=_factor_status([(ratio.low or 0.0, ratio.high or 0.0) for ratio in known]),
        found=", ".join(map(_raced, known)) or "not measured at 3 sizes often enough",
        rule=RULE,
    )


def _raced(one: TimedRatio) -> str:
    interval = f"{three_digits(one.low or 0.0)}-{three_digits(one.high or 0.0)}"
    return f"{format_ratio(one.ratio)} ({interval}) at h={one.size}"


RULE = (
    f"at the largest size measured: confirmed if the 95 % interval lies at {paper.FACTOR} or above; refuted if it lies "
    "below and the factor does not grow surely from the smallest size to the largest; else larger sizes may decide"
)


def _race(rows: Sequence[Row]) -> tuple[TimedRatio, ...]:
    """Regular attention's time over the best operator's, at each size."""
    together = _together(rows)
    raced = [row for growth in together for row in growth.line.rows.values() if _races(row)]
    races = [one.verdict for one in crossovers(raced) if _is_square_image(one.line)]
    return races[0].ratios if races else ()


def _races(row: Row) -> bool:
    return row.case.operator in (paper.BASELINE, paper.BEST)


def _factor_status(intervals: Sequence[tuple[float, float]]) -> str:
    """By the rule; intervals from the smallest size to the largest."""
    if not intervals:
        return UNDECIDED
    if intervals[-1][0] >= paper.FACTOR:
        return CONFIRMED
    grows = intervals[-1][0] > intervals[0][1]
    return REFUTED if intervals[-1][1] < paper.FACTOR and not grows else UNDECIDED


def _factor_of_memory(rows: Sequence[Row]) -> ClaimVerdict:
    """Claim 2 for peak memory, against the leanest implementation of regular attention."""
    lean = {name: _leanest(rows, name) for name in (paper.BASELINE, paper.BEST)}
    sizes = sorted(set(lean[paper.BASELINE]) & set(lean[paper.BEST]))
    peaks = {size: [lean[name][size][0] for name in lean] for size in sizes}
    factors = {size: baseline / max(best, 1) for size, (baseline, best) in peaks.items()}
    status, orders = UNDECIDED, ""
    if sizes:
        grow = [lean[name][sizes[-1]][1] for name in lean]
        orders = f"; their peaks are of order h^{grow[0]} and h^{grow[1]}"
        below = REFUTED if grow[0] <= grow[1] else UNDECIDED
        status = CONFIRMED if factors[sizes[-1]] >= paper.FACTOR else below
    return ClaimVerdict(
        number="2e",
        claim="peak memory: a factor of hundreds against the leanest regular attention",
        status=status,
        found=f"{_factors(factors)}{orders}" if factors else "no peak memory at 3 sizes",
        rule=(
            f"at the largest size: confirmed if it is at least {paper.FACTOR}; refuted if it is less and both peaks "
            "are of the same order, so that it stays bounded; else larger sizes may decide"
        ),
    )


def _leanest(rows: Sequence[Row], operator: str) -> dict[int, tuple[int, int]]:
    """By size, the least peak of the operator's implementations, and the order of its growth."""
    found: dict[int, tuple[int, int]] = {}
    for growth in _together(rows):
        law = growth.laws.get("memory")
        if law is None or growth.line.case.operator != operator:
            continue
        for size, row in growth.line.rows.items():
            peak = peak_bytes(row)
            if peak is not None:
                found[size] = min(found.get(size, (peak, law.theory)), (peak, law.theory))
    return found


def _smaller_networks(networks: Sequence[Figure]) -> ClaimVerdict:
    """Claim 3, of parameters and MACs."""
    by_name = {(figure.name, figure.quantity): figure for figure in networks}
    quantities = ("parameters", "MACs")
    smaller = all(
        by_name[name, quantity].formula < by_name[paper.RIVAL_NETWORK, quantity].formula
        for name in paper.KANETS
        for quantity in quantities
    )
    counts = [figure for figure in networks if figure.name in (*paper.KANETS, paper.RIVAL_NETWORK)]
    counted = ", counted by torch alike" if all(one.counted == one.formula for one in counts) else ""
    return ClaimVerdict(
        number="3",
        claim="KANets are smaller and cheaper than MobileNetV2",
        status=CONFIRMED if smaller else REFUTED,
        found="; ".join(
            f"{quantity}: "
            + ", ".join(
                f"{name} {format_count(by_name[name, quantity].formula)}"
                for name in (*paper.KANETS, paper.RIVAL_NETWORK)
            )
            for quantity in quantities
        )
        + counted,
        rule="each KANet has fewer parameters (without batch norm) and MACs by formula",
    )
