"""What an explanation holds: texts and numbers only, so that it goes into JSON and is shown without torch."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from kaoprof.records.formulas import Expression, Latex, Order, Parsed, SizeName
from kaoprof.records.measured import SCHEMA
from kaoprof.records.shown import Shown
from kaoprof.version import __version__

PROVEN = "formula = derivation"
DIFFERENT = "formula and derivation differ"
OF_A_SAMPLE = ("macs", "flops_all")  # what other commands count of one sample
BATCH = "b"
Quantity = Annotated[str, Meta(pattern="^(macs|flops_all|params|largest_intermediate|peak_bytes)$")]


class Formula(Parsed, frozen=True, kw_only=True):
    """One quantity of the whole batch as an exact expression of the named sizes.

    Args:
        quantity: `macs`, `flops_all`, `params`, `largest_intermediate` (elements) or `peak_bytes`.
        text: as papers write it, factored where that is shorter: `2 b c (h + w)^2`.
        latex: the same, for LaTeX's math mode.
        expanded: as a sum of products.
        on_multiples: the expression where every size is a multiple of its number in `divisors`; None if nothing rounds.
        divisors: by what sizes are divided with rounding (strides, pools).
        order: growth with the image: `O(h^2 c)`, all spatial sizes together, per sample.
        degrees: growth in each size alone.
        candidates: of how many expressions it is the greatest; 1 if it is a single one.
        here: the expression that it is at the sizes asked for: the greatest candidate, without idle rounding.
        here_latex: the same, for LaTeX's math mode.
        value: at the sizes asked for.
        sample: of MACs and FLOPs, what one sample costs; None where that is no share of the batch, or no size is it.
        sample_here: likewise, as `here`.
        sample_on_multiples: likewise, as `on_multiples`.
        sample_latex: likewise, as `latex`; None in records of before, with the next.
        sample_here_latex: likewise, as `here_latex`.
    """

    quantity: Quantity
    text: Expression
    latex: Latex
    expanded: Expression
    on_multiples: Expression | None
    divisors: dict[SizeName, int]
    order: Order
    degrees: dict[SizeName, int]
    candidates: int
    here: Expression
    here_latex: Latex
    value: int
    sample: Expression | None = None
    sample_here: Expression | None = None
    sample_on_multiples: Expression | None = None
    sample_latex: Latex | None = None
    sample_here_latex: Latex | None = None


class Share(Parsed, frozen=True, kw_only=True):
    """One part of the cost: an operation such as `1st bmm`, a submodule without those inside, or a whole block.

    Shares of the totals are 0 to 1.
    """

    name: str
    module: str
    backward: bool
    macs: Expression
    macs_latex: Latex
    flops_all: Expression
    order: Order
    macs_share: float
    flops_share: float


class ProofLine(Parsed, frozen=True, kw_only=True):
    """A closed form of the catalog beside what was derived; `difference` is derived minus formula."""

    quantity: Quantity
    formula: Expression
    derived: Expression
    difference: Expression
    proven: bool


class Explanation(Shown, frozen=True, kw_only=True):
    """What a module costs, as formulas, and what they rest on. Everything goes into JSON as it is.

    Args:
        method: `derivation` (the module ran with symbolic sizes), or `interpolation` from concrete counts.
        formulas: for the whole batch.
        counted: the quantities counted, and the peak predicted, at `sizes`: by a concrete dry run.
        operations: in the order of execution; empty after an interpolation.
        submodules: likewise.
        blocks: submodules, each with all those inside, at a depth where there are few.
        domain: the sizes for which the formulas hold.
        specialisations: sizes that the module fixed, and where; the formulas hold for these values only.
        proof: against the catalog's closed forms; empty where there are none.
        checked: size tuples at which everything was counted again concretely, and agreed.
        uncounted: operations without a rule, and their calls; what they compute is missing in `flops_all`.
        unmodelled: operations whose kernels might hold so much for themselves that the peak is higher.
        notes: what else a reader must know.
        inputs: of code and of specs, the shape of each input: `b,c,7*h,7*w`; an operator's axes are its sizes.
        arguments: of code, what its constructor was given, `c` or `heads=4`; of an operator its options.
        growing: the sizes that an order lets grow together.
    """

    schema: int = SCHEMA
    kind: str = "explain"
    version: str = __version__
    name: str
    factory: str
    mode: str
    dtype: str
    device: str
    threads: int
    sizes: dict[SizeName, int]
    method: Annotated[str, Meta(pattern="^(derivation|interpolation)$")]
    formulas: tuple[Formula, ...]
    counted: dict[str, int]
    operations: tuple[Share, ...]
    submodules: tuple[Share, ...]
    blocks: tuple[Share, ...]
    domain: tuple[str, ...]
    specialisations: tuple[str, ...]
    proof: tuple[ProofLine, ...]
    checked: tuple[dict[SizeName, int], ...]
    uncounted: dict[str, int]
    unmodelled: tuple[str, ...] = ()
    notes: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    growing: tuple[SizeName, ...] = ()

    @property
    def proof_status(self) -> str | None:
        """`formula = derivation`, or that they differ; None without a closed form."""
        if not self.proof:
            return None
        return PROVEN if all(line.proven for line in self.proof) else DIFFERENT

    @property
    def interrupted(self) -> bool:
        """Nothing is measured, so there is no half of an explanation."""
        return False

    def formula(self, quantity: str) -> Formula | None:
        """The formula of one quantity, if it is known."""
        return next((formula for formula in self.formulas if formula.quantity == quantity), None)

    def per_sample(self, quantity: str) -> int | None:
        """MACs or FLOPs of one sample at the sizes asked for, as other commands give them.

        None of other quantities, and where no size is the batch.
        """
        formula = self.formula(quantity)
        if formula is None or quantity not in OF_A_SAMPLE or BATCH not in self.sizes:
            return None
        return round(formula.value / self.sizes[BATCH])

    def as_json(self) -> dict[str, Any]:
        """As plain dictionaries, lists, texts and numbers, with the proof's status."""
        return {**msgspec.to_builtins(self), "proof_status": self.proof_status}
