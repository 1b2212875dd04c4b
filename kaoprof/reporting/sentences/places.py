"""Where Kronecker attention stands among its rivals, in words."""

from kaoprof.catalog import find_operator, is_operator
from kaoprof.findings.places import KV, QKV, REGULAR, places_of
from kaoprof.records.compare import Record
from kaoprof.reporting.sentences.explain import listed


def placed(record: Record) -> list[str]:
    """A sentence for what holds in every table of the record; none where it holds no rivals."""
    places = places_of(record)
    sentences = {
        f"The same MACs and the same map as {KV}: ": places.like_kv,
        f"Fewer MACs than {QKV}: ": places.below_qkv,
        f"Fewer MACs than {REGULAR}, and the same growth, {places.regular_order}: ": places.like_regular,
    }
    said = [f"{words}{listed(names)} (without projections)." for words, names in sentences.items() if names]
    if places.unprojected:
        said.append(f"Without values that could be projected: {listed(places.unprojected)}.")
    return [*said, *_remarks(record)]


def _remarks(record: Record) -> list[str]:
    """What the catalogue says of single operators that stand in the record."""
    names = dict.fromkeys(row.case.operator for row in record.rows if is_operator(row.case.operator))
    return [f"{name}: {remark}." for name in names if (remark := find_operator(name).remark)]
