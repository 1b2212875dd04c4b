"""Counts like `CountingMode`, and lists each operation by itself: which, in which submodule, forward or backward."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import sympy
from torch import Tensor

from kaoprof.counting.contraction_table import FUSED_ATTENTION, ROWS_FIRST
from kaoprof.counting.dispatcher import CountingMode
from kaoprof.dims import Size
from kaoprof.errors import encodable
from kaoprof.torch_internals import last_sequence_number, running_node, sequence_number, tree_leaves
from kaoprof.workload.operation_names import name_of

SOFTMAX = {"softmax", "_softmax", "_safe_softmax", "_masked_softmax"}
FUSED = {*FUSED_ATTENTION, *ROWS_FIRST, "_efficient_attention_forward"}


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of one call of a module.

    Args:
        operation: torch's name, such as `bmm`.
        number: the how-manieth call of this operation it is, from 1.
        module: the submodule that ran it; empty for the module itself.
        backward: whether it belongs to the backward pass.
        macs: multiply-adds of contractions.
        elementwise: other FLOPs.
        elements: of each tensor that it makes; a view makes none.
        coefficients: of attention, be it a softmax or a fused kernel that never writes them out.
    """

    operation: str
    number: int
    module: str
    backward: bool
    macs: sympy.Expr
    elementwise: sympy.Expr
    elements: tuple[sympy.Expr, ...]
    coefficients: sympy.Expr = sympy.Integer(0)

    @property
    def title(self) -> str:
        """Such as `2nd bmm`."""
        return f"{ordinal(self.number)} {self.operation}"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `4th`, `11th`, `21st`."""
    endings = {1: "st", 2: "nd", 3: "rd"}
    ending = "th" if number % 100 in {11, 12, 13} else endings.get(number % 10, "th")
    return f"{number}{ending}"


class SubmoduleTrail:
    """Which submodule is running, as hooks tell it. A backward operation belongs to whoever made its autograd node."""

    def __init__(self) -> None:
        self._running = [""]
        self._of_node: dict[int, str] = {}

    def enter(self, name: str, _: object) -> None:
        """A submodule starts to run; half a character in its name is written out."""
        self._running.append(encodable(name))

    def leave(self, _: str, __: object) -> None:
        """It has run."""
        self._running.pop()

    def here(self) -> tuple[str, bool]:
        """The submodule that is running now, and whether this is the backward pass."""
        node = running_node()
        if node is not None:
            return self._of_node.get(sequence_number(node), ""), True
        self._of_node[last_sequence_number()] = self._running[-1]
        return self._running[-1], False


def coefficients_of(name: str, macs: Size, out: object) -> Size:
    """What a softmax makes; of fused attention, whose values are as wide as its keys, `macs / (2 d)`."""
    first = next((leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)), None)
    if first is None:
        return 0
    if name in SOFTMAX:
        return first.numel()
    return macs // (2 * first.shape[-1]) if name in FUSED else 0


class ItemisedCounting(CountingMode):
    """While active, lists every operation in `items`, in the sizes that `expression` makes of torch's; see `Item`."""

    def __init__(self, trail: SubmoduleTrail, expression: Callable[[Size], sympy.Expr]) -> None:
        super().__init__()
        self.items: list[Item] = []
        self._trail = trail
        self._expression = expression
        self._numbers: Counter[tuple[str, bool]] = Counter()

    def note(self, func: Any, macs: Size, elementwise: Size | None, out: object) -> None:
        """Lists one operation; views are left out: they compute and make nothing."""
        if elementwise is None:
            self.uncounted[name_of(func)] += 1
        made = [] if func.is_view else [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        module, backward = self._trail.here()
        if func.is_view or func.namespace == "prim":
            return
        name = name_of(func)
        self._numbers[name, backward] += 1
        self.items.append(
            Item(
                operation=name,
                number=self._numbers[name, backward],
                module=module,
                backward=backward,
                macs=self._expression(macs),
                elementwise=self._expression(elementwise or 0),
                elements=tuple(self._expression(elements) for elements in made),
                coefficients=self._expression(coefficients_of(name, macs, out)),
            )
        )
