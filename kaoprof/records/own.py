"""A module of somebody's own beside the operators: what it is, and the closed form that was derived from it."""

import msgspec

OWN = "own"  # its only implementation: the one that it has
HANDED_OVER = "handed over"


class OwnModule(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody's attention module.

    Args:
        name: what tables call it.
        code: `package.module:Class`, or a function that makes the module.
        arguments: of that, as they were written: `64, heads=4`.
        call: what its `forward` is called with, likewise: `x, h, w`; empty where its signature tells.
        layout: `map` (b, c, h, w), `tokens` (b, h w, c) or `last` (b, h, w, c); empty until one is found that it takes.
        saved: the file that holds a module which a program handed over.
    """

    name: str
    code: str
    arguments: str = ""
    call: str = ""
    layout: str = ""
    saved: str = ""

    @property
    def written(self) -> str:
        """As it was named: `my_pkg:Attention(64, heads=4)`."""
        if self.saved:
            return f"a module of {self.code}"
        return f"{self.code}({self.arguments})" if self.arguments else self.code

    @property
    def kept(self) -> "OwnModule":
        """As a record keeps it: the file of a module that was handed over is gone by then."""
        return msgspec.structs.replace(self, saved=HANDED_OVER) if self.saved else self


class OwnForm(msgspec.Struct, frozen=True, kw_only=True):
    """A closed form that was derived by running a module on symbolic sizes: texts such as `4*c**2*h*w`, of one sample.

    Args:
        method: `derivation`, or `interpolation` from concrete counts.
        macs: multiply-adds; in `train` of forward and backward.
        flops_all: all arithmetic; None in `train`, where a part of it does not grow with the batch.
        params: trainable numbers.
        map_entries: attention coefficients; None where nothing in it is a softmax or fused attention.
        order_time: how its MACs grow: `O(h^4 c)`.
        order_memory: how its coefficients grow; empty where there are none.
        shown: the MACs as people read them.
        multiples: of what each size must be a multiple, where that is more than 1.
    """

    method: str
    macs: str
    flops_all: str | None
    params: str
    map_entries: str | None
    order_time: str
    order_memory: str
    shown: str
    multiples: dict[str, int] = {}
