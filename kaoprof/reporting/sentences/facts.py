"""What is known of a run besides its answer, a line each: exactness, machine, protocol, and whatever is wrong."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from kaoprof.findings.models import layer_disagreements
from kaoprof.findings.surroundings import environment_warnings, overrun_warnings, quiet_share
from kaoprof.measuring.competition import CORES_TAKEN, are_ours_taken
from kaoprof.records.compare import Record
from kaoprof.records.measured import Observed, Protocol
from kaoprof.records.profile import ModelProfile, ProfileRecord
from kaoprof.records.swept_models import SweptModels
from kaoprof.reporting.document import Column, Span, Table, Text, Tone
from kaoprof.reporting.sentences.limits import Named, is_left_out
from kaoprof.units import counted, format_percent, format_seconds

FACT_COLUMNS = (Column("", words=True), Column("", words=True, rest=True))
FEWEST_ROUNDS = 10  # of what is quick, however small the budget: `measuring.plan.MIN_ROUNDS`
OVERRUN = 1.5  # times the budget: from here on it is said why
MOSTLY = 0.5  # of all samples undisturbed: fewer are no quiet machine
MOST_WARNINGS = 5
MOST_TEXT = 160  # signs of one fact: the rest is detail


class Fact(Struct, frozen=True):
    """A word, and what is known of it; `wrong` if a reader must not overlook it."""

    word: str
    text: str
    wrong: bool = False

    @property
    def cells(self) -> tuple[Text, ...]:
        """As a row of a table."""
        text = self.text if len(self.text) <= MOST_TEXT else f"{self.text[:MOST_TEXT].rpartition(' ')[0]} …"
        return (Span(self.word, Tone.QUIET), Span(f"! {text}", Tone.WARN) if self.wrong else text)


def facts_table(facts: Iterable[Fact | None]) -> tuple[Table, ...]:
    """Those that there are, as a table without headers; none if there are none."""
    rows = tuple(fact.cells for fact in facts if fact is not None)
    return (Table(columns=FACT_COLUMNS, rows=rows),) if rows else ()


def exactness(measured: Named) -> Fact | None:
    """How far outputs are from fp64, and how many were not compared with it."""
    errors = [row.deviation.largest for _, row in measured if row.deviation and row.deviation.largest is not None]
    left_out = sum(is_left_out(row) for _, row in measured)
    if not errors:
        return None
    missing = f"; {left_out} not compared (-v tells why)" if left_out else ""
    every = "all within" if len(errors) > 1 else "within"
    return Fact("exactness", f"{every} {max(errors):.1e} of fp64, of the largest value{missing}")


def machine(record: Record | ProfileRecord | SweptModels, spread: str = "") -> list[Fact]:
    """Where it ran, or what disturbed it there; with how far times `spread`, if that is too far."""
    environment, protocol = record.environment, record.protocol
    if environment is None:
        return []
    beside = f", {spread}" if spread else ""
    taken = protocol.after.cores_taken if protocol and protocol.after else None
    cores = counted(environment.cores, "core")
    if taken is not None and are_ours_taken(environment, taken):
        who = f"noisy ({spread}): others" if spread else "noisy: other programs"
        noisy = f"{who} used {taken:.1f} of {cores}; rerun when idle"
        return [Fact("machine", noisy, wrong=True)]
    if wrong := environment_warnings(record):
        first, *others = [text.removesuffix(": expect noise") for text in wrong]
        return [Fact("machine", text, wrong=True) for text in (f"{first}{beside}", *others)]
    share = quiet_share(record)  # neighbours of a virtual machine take no core that is counted
    place = environment.device_name if environment.cuda else f"{environment.device_name}, {cores}"
    state = "; quiet" if taken is not None and taken <= CORES_TAKEN and not spread else ""
    if share is not None and share < MOSTLY:
        state = f"; {format_percent(share)} of the samples undisturbed"
    return [Fact("machine", f"{place}, torch {environment.torch}{state}{beside}", wrong=bool(spread))]


def measured_how(measured: Sequence[Observed], protocol: Protocol | None) -> Fact | None:
    """How many rounds, in how many processes, and how long that took beside what was asked for."""
    timed = [row.latency for row in measured if row.latency]
    if protocol is None or not timed:
        return None
    fewest, most = (choose(len(latency.samples_s) for latency in timed) for choose in (min, max))
    launches = max(len(set(latency.launches)) or 1 for latency in timed)
    rounds = counted(most, "round") if fewest == most else f"{fewest}-{most} rounds"
    rounds += " in the caller's own process" if protocol.in_process else f" in {launches} processes" * (launches > 1)
    start_s = protocol.setup_s or 0.0
    took_s = protocol.spent_s - start_s
    took = f"{rounds}, {format_seconds(took_s)}"
    asked = f" (budget {protocol.budget_s:g} s)"
    wanted = f"{100 * (protocol.precision or 0.0):.3g} %"
    if protocol.samples:
        asked = ""
    elif protocol.precision is not None and protocol.ended_by == "precision":
        asked = f" (until {wanted} was reached)"
    elif took_s > OVERRUN * protocol.budget_s:
        took = f"{_why(fewest, most)} took {format_seconds(took_s)}"
    elif protocol.precision is not None:
        asked = f" (budget {protocol.budget_s:g} s, before {wanted} was reached)"
    start = f" + {format_seconds(start_s)} to start" if protocol.setup_s is not None else ""
    return Fact("measured", f"{took}{asked}{start}")


def _why(fewest: int, most: int) -> str:
    """What took longer than the budget: it holds neither the fewest rounds, nor calls that are slow."""
    if fewest < FEWEST_ROUNDS:
        return f"slow calls ({fewest}-{most} rounds)" if fewest < most else f"slow calls ({counted(most, 'round')})"
    return f"{fewest} rounds, the fewest," if fewest == most else f"{fewest}-{most} rounds"


def counts_fact(models: Sequence[ModelProfile], exact: Fact | None) -> Fact | None:
    """Who counts the same MACs in all layers of all models, with their exactness; that alone where counts differ."""
    totals = [model.total for model in models if model.total.macs_counted is not None]
    if not totals or any(layer_disagreements(row) or row.uncounted for model in models for row in model.layers):
        return exact
    who = ["formula"] * all(total.macs_analytic is not None for total in totals) + ["torch"]
    who += ["fvcore"] * all(total.macs_fvcore is not None for total in totals)
    beside = f"; {exact.text.partition(',')[0]}" if exact else ""
    if len(who) == 1:
        return Fact("counts", f"by torch{beside}")
    return Fact("counts", f"= {', '.join(who[:-1])} and {who[-1]} agree{beside}")


def warned(warnings: Sequence[str]) -> Iterator[Fact]:
    """The first of what a careful reader must know, and how much more there is."""
    yield from (Fact("warning", text, wrong=True) for text in warnings[:MOST_WARNINGS])
    if len(warnings) > MOST_WARNINGS:
        yield Fact("warning", f"and {len(warnings) - MOST_WARNINGS} more: -v", wrong=True)


def overrun(measured: Named, protocol: Protocol | None) -> Fact | None:
    """Whose calls took longer than was allowed."""
    over = overrun_warnings(measured, protocol)
    return Fact("timeout", over[0], wrong=True) if over else None
