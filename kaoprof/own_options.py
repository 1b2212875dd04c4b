"""What single operators can be told besides heads, projection and scale: each option once, with its limits.

Which operator takes which, and with which default, its closed form says; a name means the same wherever it occurs.
"""

import re
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

MOST = 1024  # of any option: beyond it a number is a slip of the hand

LENGTHS = ("window", "kernel", "reduction")  # options that are positions along an axis
PER_AXIS = ("window", "shift", "kernel")  # options that may differ from axis to axis
RATIOS = ("ratio",)  # options that divide the channels

OwnValue: TypeAlias = int | tuple[int, ...]
Positions: TypeAlias = Annotated[int, Meta(ge=1, le=MOST)]
Shift: TypeAlias = Annotated[int, Meta(ge=0, le=MOST)]
PositionsPerAxis: TypeAlias = Positions | Annotated[tuple[Positions, ...], Meta(min_length=1, max_length=3)]
ShiftPerAxis: TypeAlias = Shift | Annotated[tuple[Shift, ...], Meta(min_length=1, max_length=3)]
Channels: TypeAlias = Annotated[int, Meta(ge=0, le=2**20)]


def value_of(option: str, text: str) -> OwnValue | None:
    """What is written as an option's value: `8`; `2x7x7` of an option that may differ from axis to axis.

    `1/16` is another way to write a ratio. None if it is none of these.
    """
    plain = text.strip()
    if option in PER_AXIS and re.fullmatch(r"\d{1,9}(x\d{1,9})+", plain, re.ASCII):
        return tuple(map(int, plain.split("x")))
    if option in RATIOS:
        plain = plain.removeprefix("1/")
    return int(plain) if re.fullmatch(r"[+-]?\d{1,9}", plain, re.ASCII) else None


def largest(value: OwnValue) -> int:
    """The number, or the largest of several."""
    return max(value) if isinstance(value, tuple) else value


class OwnOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whole numbers, as keys in YAML and as `--option OPERATOR.NAME=NUMBER`; None leaves the published one.

    What may differ from axis to axis is `[2, 7, 7]` in YAML and `2x7x7` on the command line.
    """

    loops: Annotated[Positions | None, Meta(description="criss_cross: how often it is applied, with one weight")] = None
    window: Annotated[
        PositionsPerAxis | None,
        Meta(description="window, grid: positions of a window: one number, or one for each axis, such as [2, 7, 7]"),
    ] = None
    shift: Annotated[
        ShiftPerAxis | None,
        Meta(description="window: positions by which windows are shifted, below window: one, or one for each axis"),
    ] = None
    kernel: Annotated[
        PositionsPerAxis | None,
        Meta(description="neighborhood: keys along each axis, an odd number: one, or one for each axis"),
    ] = None
    agents: Annotated[Positions | None, Meta(description="agent: tokens that stand for all positions, 7 x 7")] = None
    reduction: Annotated[
        Positions | None, Meta(description="spatial_reduction, agent: positions for each key along each axis")
    ] = None
    pooled: (
        Annotated[
            int, Meta(ge=0, le=MOST, description="spatial_reduction: keys along each axis whatever the size, or 0")
        ]
        | None
    ) = None
    biases: (
        Annotated[
            int,
            Meta(ge=0, le=1, description="spatial_reduction, as published: 1 for biases of queries, keys, values"),
        ]
        | None
    ) = None
    ratio: Annotated[
        Positions | None, Meta(description="gc, coordinate: channels for each of those that they go through")
    ] = None
    bases: Annotated[Positions | None, Meta(description="ema: bases that positions are rebuilt of")] = None
    iterations: Annotated[Positions | None, Meta(description="ema: how often the bases are averaged anew")] = None
    key_channels: (
        Annotated[Channels, Meta(description="efficient, as published: channels of the keys; 0: all")] | None
    ) = None
    value_channels: (
        Annotated[Channels, Meta(description="efficient, as published: channels of the values; 0: all")] | None
    ) = None
