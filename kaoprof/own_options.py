"""What single operators can be told besides heads, projection and scale: each option once, with its limits.

Which operator takes which, and with which default, its closed form says; a name means the same wherever it occurs.
"""

import re
from typing import Annotated, TypeAlias

from msgspec import Meta, Struct

MOST = 1024  # of any option: beyond it a number is a slip of the hand

LENGTHS = ("window", "kernel", "reduction")  # options that are positions along an axis
RATIOS = ("ratio",)  # options that divide the channels

Positions: TypeAlias = Annotated[int, Meta(ge=1, le=MOST)]
Channels: TypeAlias = Annotated[int, Meta(ge=0, le=2**20)]


def number_of(option: str, text: str) -> int | None:
    """The number that is written as an option's: `8`; `1/16` is another way to write a ratio. None if it is none."""
    plain = text.strip()
    if option in RATIOS:
        plain = plain.removeprefix("1/")
    return int(plain) if re.fullmatch(r"[+-]?\d{1,9}", plain, re.ASCII) else None


class OwnOptions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whole numbers, as keys in YAML and as `--option OPERATOR.NAME=NUMBER`; None leaves the published one."""

    loops: Annotated[Positions | None, Meta(description="criss_cross: how often it is applied, with one weight")] = None
    window: Annotated[Positions | None, Meta(description="window, grid: positions of a window along each axis")] = None
    shift: (
        Annotated[int, Meta(ge=0, le=MOST, description="window: positions by which windows are shifted, below window")]
        | None
    ) = None
    kernel: Annotated[Positions | None, Meta(description="neighborhood: keys along each axis, an odd number")] = None
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
