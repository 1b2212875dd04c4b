"""The cells of a plan: what is done at once, in one measuring process, and becomes rows of one line of the journal."""

from collections.abc import Iterable, Mapping
from math import prod

import msgspec

from kaoprof.comparing.run import row_of
from kaoprof.records.compare import Case, Row
from kaoprof.records.sweep import CellKey, key_on
from kaoprof.records.swept_models import ModelCase
from kaoprof.specs import Document


class Somewhere(msgspec.Struct, frozen=True, kw_only=True):
    """Where nodes are compared: the `node` that does a cell, and on which ones it is `done_on` already."""

    node: str = ""
    done_on: frozenset[str] = frozenset()


class OperatorCell(Somewhere, frozen=True, kw_only=True):
    """All operators at one size: measured in common rounds, since their ratios are what is asked for.

    `forms` are the rows of somebody's modules among the cases, with their closed forms.
    """

    cases: tuple[Case, ...]
    forms: Mapping[Case, Row] = {}

    @property
    def key(self) -> CellKey:
        """What the journal knows it by."""
        return key_on(self.node, self.cases[0].cell)

    @property
    def comparison(self) -> tuple[object, ...]:
        """Cells that share it should be measured by the same machine: an operator's cell is compared with no other."""
        return self.key

    @property
    def work(self) -> int:
        """MACs of one call of each row that is an operator's; what is undefined there has none."""
        operators = (row_of(case) for case in self.cases if case.own is None)
        return sum(row.analytic.macs * row.case.b for row in operators if row.analytic)

    def blank_rows(self) -> list[Row]:
        """The rows with their closed forms and nothing else."""
        return [self.forms[case] if case.own else row_of(case) for case in self.cases]


class ModelCell(Somewhere, frozen=True, kw_only=True):
    """One model on one input."""

    case: ModelCase
    document: Document

    @property
    def key(self) -> CellKey:
        """What the journal knows it by."""
        return key_on(self.node, self.case.cell)

    @property
    def comparison(self) -> tuple[object, ...]:
        """As above: models on the same input stand beside each other."""
        return key_on(self.node, self.case.comparison)

    @property
    def work(self) -> int:
        """Grows as the work does with size and batch; what a model computes is not known before it is counted."""
        return self.case.b * prod(self.case.size or (1,))


Cell = OperatorCell | ModelCell


def own_cases_of(cells: Iterable[tuple[Case, ...]]) -> list[Case]:
    """The rows of somebody's modules among the cells."""
    return [case for cases in cells for case in cases if case.own]
