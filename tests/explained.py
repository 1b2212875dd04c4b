"""An explanation made by hand, with everything in it that a rendering must cope with."""

from msgspec.structs import replace

from kaoprof.records.explain import Explanation, Formula, ProofLine, Share


def formula(quantity, text, *, latex=None, here=None, order="O(h^2 c)", value=1000, candidates=1, **rest):
    return Formula(
        quantity=quantity, text=text, latex=latex or text, expanded=text, on_multiples=rest.get("on_multiples"),
        divisors=rest.get("divisors", {}), order=order, degrees={"b": 1, "c": 1, "h": 2, "w": 0},
        candidates=candidates, here=here or text, here_latex=here or latex or text, value=value,
        sample=rest.get("sample"), sample_here=rest.get("sample"),
        sample_latex=rest.get("sample_latex"), sample_here_latex=rest.get("sample_latex"),
        sample_on_multiples=rest.get("sample_on_multiples"),
    )  # fmt: skip


def share(name, module, macs, macs_share, *, backward=False):
    return Share(
        name=name, module=module, backward=backward, macs=macs, macs_latex=macs, flops_all=f"2 {macs}",
        order="O(h^2 c)", macs_share=macs_share, flops_share=macs_share / 2 + 0.25 * (macs == "0"),
    )  # fmt: skip


LONG = " + ".join(f"{number} b c ceiling(h/{number})" for number in range(2, 14))


def explanation():
    """Two operations of 40 and 60 %, proven, with rounding, a maximum, a fixed size, something uncounted, a gap."""
    return Explanation(
        name="kao_x", factory="somewhere:Kao", mode="forward", dtype="fp32", device="cpu", threads=2,
        sizes={"b": 2, "c": 8, "h": 14, "w": 15}, method="derivation",
        formulas=(
            formula("macs", "2 b c (h + w)^2", latex=r"2 b c \left(h + w\right)^{2}", value=13456,
                    sample="2 c (h + w)^2", sample_latex=r"2 c \left(h + w\right)^{2}"),
            formula("flops_all", "5 b c (h + w)^2 ceiling(h/2)", latex=r"5 b c \left\lceil h / 2\right\rceil",
                    on_multiples="5 b c h (h + w)^2/2", divisors={"h": 2}, value=33640,
                    sample="5 c (h + w)^2 ceiling(h/2)", sample_latex=r"5 c \left\lceil h / 2\right\rceil",
                    sample_on_multiples="5 c h (h + w)^2/2"),
            formula("params", "c^2", value=64, order="O(c^2)"),
            formula("largest_intermediate", "Max(b c h w, b (h + w)^2)", value=3360),
            formula("peak_bytes", f"Max({LONG}, 4 b c h)", here="4 b c h", candidates=2, value=13440,
                    divisors={"h": 27720}),
        ),
        counted={"macs": 13456},
        operations=(share("1st bmm", "attention", "2 b c h^2", 0.4), share("1st _softmax", "attention", "0", 0.0),
                    share("2nd bmm", "attention", "3 b c h^2", 0.6)),
        submodules=(share("attention", "attention", "2 b c (h + w)^2", 1.0),),
        blocks=(share("attention", "attention", "2 b c (h + w)^2", 1.0), share("", "", "0", 0.0)),
        domain=("c is a multiple of 2", "h >= 3", "b ceiling(h/2) < 16"),
        specialisations=("w = 15, in model.py:12",),
        proof=(proof_line(),), checked=({"b": 3, "c": 4, "h": 5, "w": 7}, {"b": 1, "c": 2, "h": 9, "w": 4}),
        uncounted={"aten.mystery": 2}, unmodelled=("convolution of small groups",),
        notes=("a note with 5 % & a_b",),
    )  # fmt: skip


def proof_line(*, proven=True):
    return ProofLine(quantity="macs", formula="2 b c (h + w)^2", derived="2 b c (h + w)^2",
                     difference="0" if proven else "b", proven=proven)  # fmt: skip


def trained():
    """Two products of a training step, in different submodules, with long formulas."""
    products = (share("1st bmm", "attention", "2 b c h^2", 0.4),
                share("1st convolution_backward", "attention.values", "3 b c h^2", 0.6, backward=True))  # fmt: skip
    return replace(explanation(), mode="train", operations=products)


def interpolated():
    """Without operations, largest tensor and a formula of the peak; with somebody's error message."""
    kept = tuple(one for one in explanation().formulas if one.quantity in ("macs", "params"))
    return replace(
        explanation(), method="interpolation", formulas=kept, operations=(), blocks=(), submodules=(), proof=(),
        counted={"macs": 13456, "peak_bytes": 3_913_728},
        notes=("interpolated exactly from 9 concrete counts on meta, because unflatten got\n\x1b an error",),
    )  # fmt: skip


def of_code():
    return replace(explanation(), name="mine:Window", proof=(), inputs=("b,c,7*h,7 * w",), arguments=("c", "heads=4"))


def refuted():
    return replace(explanation(), proof=(proof_line(proven=False),))
