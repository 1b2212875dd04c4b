"""The paper's claims, each judged by a stated rule: from closed forms, counts and measured rows. Torch-free."""

from collections.abc import Sequence

from kaoprof.records.compare import Row
from kaoprof.records.reproduce import CONFIRMED, REFUTED, ClaimVerdict, Figure
from kaoprof.reproducing import paper
from kaoprof.reproducing.factor_claims import factor_of_memory, factor_of_time, factor_on_paper, larger_for_larger
from kaoprof.reproducing.growth_claims import growth_of_counts, growth_of_map, growth_of_time
from kaoprof.units import format_count, format_short_count


def judged(rows: Sequence[Row], networks: Sequence[Figure]) -> tuple[ClaimVerdict, ...]:
    """Every claim's verdict.

    Args:
        rows: measured ones, which may be none.
        networks: what the networks cost, by `tables.network_figures`.
    """
    return (
        growth_of_counts(rows),
        growth_of_map(),
        growth_of_time(rows),
        factor_on_paper("2a", "compute: a factor of hundreds", "macs"),
        factor_on_paper("2b", "coefficient matrix: a factor of hundreds", "map_entries"),
        larger_for_larger(),
        factor_of_time(rows),
        factor_of_memory(rows),
        _smaller_networks(networks),
    )


def _smaller_networks(networks: Sequence[Figure]) -> ClaimVerdict:
    """Claim 3, of parameters and MACs."""
    names, quantities = (*paper.KANETS, paper.RIVAL_NETWORK), ("parameters", "MACs")
    here = [figure for figure in networks if figure.name in names]
    formulas = {(figure.name, figure.quantity): figure.formula for figure in here}
    smaller = all(
        formulas[name, quantity] < formulas[paper.RIVAL_NETWORK, quantity]
        for name in paper.KANETS
        for quantity in quantities
    )
    costs = {
        quantity: ", ".join(f"{name} {format_count(formulas[name, quantity])}" for name in names)
        for quantity in quantities
    }
    dearest = format_short_count(max(formulas[name, "MACs"] for name in paper.KANETS))
    counted = ", counted by torch alike" if all(figure.counted == figure.formula for figure in here) else ""
    return ClaimVerdict(
        number="3",
        claim="KANets are smaller and cheaper than MobileNetV2",
        status=CONFIRMED if smaller else REFUTED,
        found="; ".join(f"{quantity}: {named}" for quantity, named in costs.items()) + counted,
        rule="each KANet has fewer parameters (without batch norm) and MACs by formula",
        title="KANets smaller and cheaper than MobileNetV2",
        figures=f"{dearest} {'<' if smaller else 'and'} {format_short_count(formulas[paper.RIVAL_NETWORK, 'MACs'])}",
    )
