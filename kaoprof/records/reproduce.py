"""What `reproduce` leaves behind: printed figures beside ours, and a verdict on every claim. Raw, in SI units."""

from typing import Literal

import msgspec

from kaoprof.records.measured import Environment, Head, Protocol

CONFIRMED, REFUTED, UNDECIDED = "confirmed", "refuted", "not decidable here"
ROUNDED, CUT_OFF, DIFFERS = "rounded", "cut off", "differs"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One printed figure beside ours.

    Args:
        name: of the operator or the network.
        at: the input, as `8 x 8 x 56 x 56`.
        quantity: `MACs` or `FLOPs`, of one sample, or `parameters`, in the paper on Kronecker attention without those
            of batch norm.
        reported: as the paper prints it, in millions, or as `unit` says; None where no printed figure is known.
        formula: ours by the closed form.
        counted: ours by running it on meta tensors; None if that was not done.
        match: how `reported` follows from `formula`: `rounded`, `cut off`, or `differs`; None where nothing is printed.
        saving: 1 - formula / that of regular attention; None for networks.
        reported_saving: the same as printed, in percent.
        unit: of `reported`: `M` or `G`.
        why: why `reported` differs, where that is known.
    """

    name: str
    at: str
    quantity: str
    reported: str | None
    formula: int
    counted: int | None = None
    match: str | None = None
    saving: float | None = None
    reported_saving: str | None = None
    unit: Literal["M", "G"] = "M"
    why: str = ""


class ClaimVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """One claim, or a part of one: what was found, by which rule it was judged, and the result.

    `title` and `figures` are the claim and what was found in a few words; empty in records of before.
    """

    number: str
    claim: str
    status: str
    found: str
    rule: str
    title: str = ""
    figures: str = ""


class ReproductionRecord(Head, frozen=True, kw_only=True):
    """One run of `reproduce`. `run` names the run that was judged, if it was not measured for this.

    `manners` are the dtypes and modes of its rows, such as `fp32 forward`; `convention` is what another paper than that
    on Kronecker attention counts.
    """

    kind: str = "reproduction"
    source: str
    operators: tuple[Figure, ...]
    networks: tuple[Figure, ...]
    claims: tuple[ClaimVerdict, ...]
    run: str | None = None
    protocol: Protocol | None = None
    environment: Environment | None = None
    interrupted: bool = False
    manners: tuple[str, ...] = ()
    convention: str = ""
