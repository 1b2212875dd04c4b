"""Axes, sizes, dtype widths and the words for an operator's options: the vocabulary that every other module uses."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias, TypedDict

import msgspec
from msgspec.structs import replace

from kaoprof.errors import UsageError, did_you_mean

Size: TypeAlias = Any  # an int, or a sympy expression of ints: the closed forms are generic over both
PerAxis: TypeAlias = int | tuple[int, ...]  # one number for all spatial axes, or one for each

SPATIAL_AXES = {1: ("n",), 2: ("h", "w"), 3: ("t", "h", "w")}
LAYOUTS = {  # of a module's input: {axes} are the spatial ones, {positions} their product
    "map": "b,c,{axes}",
    "tokens": "b,{positions},c",
    "last": "b,{axes},c",
}
DTYPE_BYTES = {"fp64": 8, "fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2}  # tf32: stored as fp32, multiplied with 10 bits
PUBLISHED = "published"  # the projections, their biases and the scale that the operator's own paper has
PROJECTIONS = ("none", "value", "qkv", "qkvo", PUBLISHED)
SCALES = ("none", "sqrt")
IMPLEMENTATIONS = ("matmul", "sdpa")
FLEXIBLE = "flex"  # an implementation that runs where it is asked for: it is compiled first, for seconds to a minute
MODES = ("forward", "train")
CACHES = ("auto", "cold", "warm")
SDPA_BACKENDS = ("auto", "flash", "efficient", "cudnn", "math")


class Dims(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes of an input `(b, c, *spatial)`: `spatial` is `(n,)`, `(h, w)` or `(t, h, w)`."""

    b: Size
    c: Size
    spatial: tuple[Size, ...]

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the spatial axes, such as `("h", "w")`."""
        return SPATIAL_AXES[len(self.spatial)]

    @property
    def positions(self) -> Size:
        """N: the product of the spatial sizes."""
        return math.prod(self.spatial)

    @property
    def averages(self) -> Size:
        """S: the sum of the spatial sizes, which is how many averages a Kronecker operator attends over."""
        return sum(self.spatial)

    @property
    def shape(self) -> tuple[Size, ...]:
        """The input's shape, `(b, c, *spatial)`."""
        return (self.b, self.c, *self.spatial)

    def __str__(self) -> str:
        return " x ".join(map(str, self.shape))


def axes_in(layout: str, axes: Sequence[str]) -> tuple[str, ...]:
    """The axes of an input in one of the `LAYOUTS`, as arithmetic of `b`, `c` and its spatial `axes`.

    Raises:
        UsageError: there is no such layout.
    """
    one_of("layout", layout, tuple(LAYOUTS))
    return tuple(LAYOUTS[layout].format(axes=",".join(axes), positions="*".join(axes)).split(","))


class AttentionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an attention operator can be told, besides its input.

    Args:
        heads: into how many groups the channels are split; each group has its own coefficients.
        projection: which linear transformations it has. `value` is the KAO paper's count: one c x c, on the values;
            `published` are those of the operator's own paper, whose scale it then has, too.
        scale: `sqrt` divides the similarities by the square root of the head size; `none` is the paper's formula.
        implementation: `matmul` writes the coefficients out; `sdpa` is torch's fused `scaled_dot_product_attention`;
            `flex`, of single operators, its compiled `flex_attention`.
    """

    heads: int = 1
    projection: str = "value"
    scale: str = "sqrt"
    implementation: str = "matmul"

    def __post_init__(self) -> None:
        if self.heads < 1:
            raise UsageError(f"must be at least 1, not {self.heads}", where="heads")
        one_of("projection", self.projection, PROJECTIONS)
        one_of("scale", self.scale, SCALES)
        one_of("implementation", self.implementation, (*IMPLEMENTATIONS, FLEXIBLE))

    def as_in(self, projection: str = "value", scale: str = "none") -> "AttentionOptions":
        """The same options, where `published` stands for these two words, by default those of the KAO paper."""
        return replace(self, projection=projection, scale=scale) if self.projection == PUBLISHED else self


class AttentionKeywords(TypedDict, total=False):
    """The fields of `AttentionOptions`, as keywords of an operator's constructor."""

    heads: int
    projection: str
    scale: str
    implementation: str


def one_of(what: str, word: str, known: tuple[str, ...]) -> str:
    """`word`, if it is one of the `known` ones.

    Raises:
        UsageError: it is not; with the nearest known word as the hint.
    """
    if not isinstance(word, str):
        raise UsageError(f"{word!r} is no text", where=what, hint=did_you_mean(str(word), known))
    if word not in known:
        raise UsageError(f"unknown {what} {word!r}", where=what, hint=did_you_mean(word, known))
    return word


def per_axis(value: PerAxis, axes: int, key: str) -> tuple[int, ...]:
    """A setting for each spatial axis; one number holds for all.

    Raises:
        UsageError: it has another number of axes.
    """
    values = value if isinstance(value, tuple) else (value,) * axes
    if len(values) != axes:
        raise UsageError(
            f"{len(values)} numbers for {axes} spatial axes", where=key, hint=f"give one number, or {axes}"
        )
    return values


def written(value: PerAxis) -> str:
    """The value as it is written: `8`, `2x7x7`."""
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def shifts_of(window: PerAxis, shift: PerAxis, axes: int) -> tuple[int, ...]:
    """By how much windows are shifted along each axis.

    Raises:
        UsageError: it is not below the window, or there are not as many numbers as axes.
    """
    windows, shifts = per_axis(window, axes, "window"), per_axis(shift, axes, "shift")
    if any(moved >= length for moved, length in zip(shifts, windows, strict=True)):
        raise UsageError(f"must be below the window of {written(window)}, not {written(shift)}", where="shift")
    return shifts


def kernels_of(kernel: PerAxis, axes: int) -> tuple[int, ...]:
    """The length of a neighbourhood along each axis, which has a middle.

    Raises:
        UsageError: it is even along one of them, or there are not as many numbers as axes.
    """
    kernels = per_axis(kernel, axes, "kernel")
    if any(length % 2 == 0 for length in kernels):
        raise UsageError(f"must be odd, not {written(kernel)}", where="kernel")
    return kernels


def head_size(channels: int, heads: int) -> int:
    """Channels of one head.

    Raises:
        UsageError: the heads do not divide the channels.
    """
    if channels % heads:
        raise UsageError(
            f"{channels} channels cannot be split into {heads} heads",
            where="heads",
            hint=f"choose a divisor of {channels}",
        )
    return channels // heads


def ceil_div(size: Size, divisor: Size) -> Size:
    """`size / divisor`, rounded up; of a sympy expression, its ceiling."""
    return -(-size // divisor)


def at_least(least: int, size: Size) -> Size:
    """`size`, or `least` where that is more; of a sympy expression, their `Max`."""
    if isinstance(size, int):
        return max(least, size)
    import sympy

    return sympy.Max(least, size)
