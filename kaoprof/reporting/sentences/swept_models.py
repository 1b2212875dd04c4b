"""What a sweep of models answers, in words: who is fastest and who leanest on an input, who is through most samples."""

from collections.abc import Callable, Iterator, Sequence

from kaoprof.findings import model_grid as findings
from kaoprof.records.swept_models import ModelRow, SweptModels, shown_size
from kaoprof.units import counted, format_bytes, format_count, format_seconds, three_digits

MOST_ANSWERS = 4  # inputs of which it is told who is best
MOST_NAMES = 3
UNPAIRED = (
    "Every model was measured by itself, so rows are compared by their intervals, not by paired rounds; kaoprof "
    "profile A B --size 224 times models by turns."
)


def unpaired_in(record: SweptModels) -> str:
    """That times of models are not paired; nothing where none were taken."""
    return UNPAIRED if any(row.profile.latency for row in record.rows) else ""


def answers_of(record: SweptModels) -> list[str]:
    """A sentence for each of the first inputs on which there are several models, then one for throughput."""
    name = findings.names_of(record.rows)
    several = [rows for rows in findings.by_comparison(record.rows).values() if len(rows) > 1]
    answers = [sentence for rows in several[:MOST_ANSWERS] if (sentence := _best_on(rows, name, record))]
    if answers and (hidden := len(several) - MOST_ANSWERS) > 0:
        answers.append(f"{counted(hidden, 'more input')}: see the rows.")
    return [*answers, *_throughput(record, name)]


def _best_on(rows: Sequence[ModelRow], name: Callable[[ModelRow], str], record: SweptModels) -> str:
    """Such as "At size 128, batch 1: fastest a, 5.02 ms; fewest MACs tiny, 1.64 M; least memory tiny, 9 MiB."."""
    parts = []
    fastest = findings.fastest_of(rows)
    if fastest:
        names = [name(row) for row in fastest]
        shown = f"{' or '.join(names)} (not told apart)" if 1 < len(names) <= MOST_NAMES else names[0]
        more = f" (not told apart from {len(names) - 1} others)" if len(names) > MOST_NAMES else ""
        parts.append(f"fastest {shown}{more}, {format_seconds(findings.seconds_of(fastest[0]) or 0)}")
    for what, cost, text in (
        ("fewest MACs", findings.macs_of_row, format_count), ("least memory", findings.peak_of_row, format_bytes)
    ):  # fmt: skip
        known = [(value, name(row)) for row in rows if (value := cost(row))]
        if len(known) > 1:
            value, model = min(known)
            parts.append(f"{what} {model}, {text(value)}")
    return f"At {_input_of(rows[0], record)}: {'; '.join(parts)}." if parts else ""


def _input_of(row: ModelRow, record: SweptModels) -> str:
    """What tells its input from others of the record."""
    texts = [f"size {shown_size(row.size)}"] if row.size else []
    texts += [f"batch {row.case.b}"]
    texts += [row.case.dtype] if len({other.case.dtype for other in record.rows}) > 1 else []
    texts += [row.case.mode] if len({other.case.mode for other in record.rows}) > 1 else []
    return ", ".join(texts)


def _throughput(record: SweptModels, name: Callable[[ModelRow], str]) -> Iterator[str]:
    """Of the row with the most samples in a second, where batches or sizes differ."""
    rates = [(rate, row) for row in record.rows if (rate := findings.samples_per_s(row))]
    if len({row.case.comparison for _, row in rates}) > 1:
        rate, row = max(rates, key=lambda pair: pair[0])
        yield f"Most samples in a second: {three_digits(rate)}, {name(row)} at {_input_of(row, record)}."
