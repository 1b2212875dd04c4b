"""What the papers of rivals print, as facts: each figure with how to compute it here, and the paper's convention.

Printed figures are from the papers' tables or the README of their code. Which of both counts FLOPs of which kind was
found out by counting their public modules.
"""

from typing import Literal

import msgspec

MACS_AS_FLOPS = "It prints multiply-adds, and calls them FLOPs."
EVERYTHING = "every weight is a parameter, those of normalisations included"

Unit = Literal["G", "M"]


class Printed(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of a paper.

    Args:
        name: of the network or the operator.
        quantity: `MACs`, `FLOPs` (twice as many) or `parameters`.
        reported: the digits as printed; None where no printed figure is known.
        unit: `G` or `M`.
        spec: the shipped spec that is computed; or
        computed: the name of a function of `reproducing.computed`.
        why: why ours differs, where that is known.
    """

    name: str
    quantity: str
    reported: str | None
    unit: Unit
    spec: str = ""
    computed: str = ""
    why: str = ""


class RivalPaper(msgspec.Struct, frozen=True, kw_only=True):
    """One paper, its convention, and its figures."""

    source: str
    convention: str
    figures: tuple[Printed, ...]


def network(name: str, macs: str | None, params: str | None, *, unit: Unit = "G", why: str = "") -> tuple[Printed, ...]:
    """MACs and parameters of a shipped spec."""
    return (
        Printed(name=name, spec=name, quantity="MACs", reported=macs, unit=unit, why=why),
        Printed(name=name, spec=name, quantity="parameters", reported=params, unit="M"),
    )


def neighbourhood(name: str, macs: str, params: str) -> tuple[Printed, ...]:
    """MACs of a shipped spec, and its parameters with what the spec leaves out."""
    computed = name.replace("-", "_")
    return (
        Printed(name=name, spec=name, quantity="MACs", reported=macs, unit="G"),
        Printed(name=name, computed=computed, quantity="parameters", reported=params, unit="M"),
    )


PAPERS = {
    "ccnet": RivalPaper(
        source="arXiv:1811.11721",
        convention="It prints FLOPs, 2 for each multiply-add; of 512 channels on 97 x 97 positions, q and k with 64.",
        figures=(
            Printed(name="non-local block", computed="ccnet_nonlocal", quantity="FLOPs", reported="108", unit="G"),
            Printed(name="two criss-cross", computed="ccnet_criss_cross", quantity="FLOPs", reported="16.5", unit="G"),
        ),
    ),
    "emanet": RivalPaper(
        source="arXiv:1907.13426",
        convention=f"{MACS_AS_FLOPS} Of what stands behind the ResNet at 513 x 513; its parameters include the bases.",
        figures=(
            Printed(name="EMANet(512)", spec="emanet-head-512", quantity="MACs", reported="43.1", unit="G"),
            Printed(name="EMANet(512)", computed="emanet_params_512", quantity="parameters", reported="10.0", unit="M"),
            Printed(
                name="EMANet(256)", spec="emanet-head-256", quantity="MACs", reported="21.1", unit="G",
                why="0.6 % more is printed than these layers have, and why is not known",
            ),
            Printed(name="EMANet(256)", computed="emanet_params_256", quantity="parameters", reported="4.87", unit="M"),
            Printed(name="DeepLabv3", spec="deeplabv3-aspp", quantity="MACs", reported="63.4", unit="G"),
            Printed(name="DeepLabv3", spec="deeplabv3-aspp", quantity="parameters", reported="15.5", unit="M"),
        ),
    ),
    "swin": RivalPaper(
        source="arXiv:2103.14030", convention=MACS_AS_FLOPS, figures=network("swin-tiny", "4.5", "28")
    ),
    "pvt": RivalPaper(
        source="arXiv:2102.12122",
        convention=f"{MACS_AS_FLOPS} Class token and position embeddings are parameters.",
        figures=(
            *network("pvt-tiny", "1.9", "13.2"),
            *network("pvt-small", None, None),
            *network("pvt-medium", None, None),
            *network("pvt-large", None, None),
        ),
    ),
    "nat": RivalPaper(
        source="arXiv:2204.07143",
        convention=f"{MACS_AS_FLOPS} Parameters with the biases of relative positions, which NATTEN has no more.",
        figures=(
            *neighbourhood("nat-mini", "2.7", "20"),
            *neighbourhood("nat-tiny", "4.3", "28"),
            *neighbourhood("nat-small", "7.8", "51"),
            *neighbourhood("nat-base", "13.7", "90"),
        ),
    ),
    "coordatt": RivalPaper(
        source="arXiv:2103.02907",
        convention=MACS_AS_FLOPS,
        figures=network("mobilenetv2-ca", "310", "3.95", unit="M", why="it is printed to the nearest ten"),
    ),
}  # fmt: skip
