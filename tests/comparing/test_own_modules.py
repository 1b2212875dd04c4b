"""Somebody's modules: how they are named, what they are made and called with, and what their formulas give."""

from pathlib import Path

import pytest

from kaoprof.comparing.own_modules import own_modules
from kaoprof.dims import Dims, axes_in
from kaoprof.errors import KaoprofError, UsageError
from kaoprof.findings.own_cost import cost_of, value_of
from kaoprof.records.own import OwnForm
from kaoprof.workload.call_text import parse_named, read_arguments
from kaoprof.workload.own_module import asked_for, made

SIZES = {"b": 2, "c": 8, "h": 3, "w": 5, "n": 15}


@pytest.mark.parametrize(
    ("text", "name", "code", "arguments"),
    [
        ("pkg:Attention", "Attention", "pkg:Attention", ""),
        ("pkg.mod:Outer.Attention(64, heads=4)", "Attention", "pkg.mod:Outer.Attention", "64, heads=4"),
        ("mine=pkg:make(size=(h, w))", "mine", "pkg:make", "size=(h, w)"),
    ],
)
def test_a_module_is_named_by_its_code_and_what_it_is_made_with(text, name, code, arguments):
    assert parse_named(text) == (name, code, arguments)


def test_arguments_are_literals_and_sizes():
    read = read_arguments("64, 4*c, [h, 2], ratio=0.5, act='gelu', size=(h, w), bias=None, n_positions=n").at(SIZES)
    assert read.positional == (64, 32, [3, 2])
    assert read.named == {"ratio": 0.5, "act": "gelu", "size": (3, 5), "bias": None, "n_positions": 15}


@pytest.mark.parametrize(
    "text", ["open('x')", "c.__class__", "*[1]", "**{}", "x", "lambda: 1", "1) + f(2", "c ** 9", "["]
)
def test_code_among_the_arguments_is_refused_and_never_run(text):
    with pytest.raises(UsageError, match=r"literal|arguments"):
        read_arguments(text)


def factory_of(text):
    return eval(f"lambda {text}: (lambda given: {{k: v for k, v in given.items()}})(locals())")  # noqa: S307 - our own


@pytest.mark.parametrize(
    ("parameters", "arguments", "given"),
    [
        ("dim, heads=4", "", {"dim": 8, "heads": 4}),
        ("dim=64", "", {"dim": 8}),  # the first one, though it has a default
        ("heads=4, dim=64", "", {"heads": 4, "dim": 64}),
        ("in_channels, out_channels, *, groups=1", "", {"in_channels": 8, "out_channels": 8, "groups": 1}),
        ("dim, heads", "heads=2", {"dim": 8, "heads": 2}),
        ("dim, heads", "16, 2", {"dim": 16, "heads": 2}),
        ("embed_dim, n", "n=h*w", {"embed_dim": 8, "n": 15}),
    ],
)
def test_the_channels_are_passed_where_the_constructor_asks_for_them(parameters, arguments, given):
    assert made(factory_of(parameters), "pkg:f", read_arguments(arguments), SIZES) == given


def test_what_nobody_wrote_is_asked_for_by_name():
    with pytest.raises(UsageError, match=r"pkg:f wants heads and ratio .write it: 'pkg:f\(heads=...\)'"):
        made(factory_of("dim, heads, ratio"), "pkg:f", read_arguments(""), SIZES)


class Called:
    def __init__(self, forward):
        self.forward = forward


@pytest.mark.parametrize(
    ("forward", "told"),
    [
        (lambda x: x, ("x",)),
        (lambda x, mask=None: x if mask is None else mask, ("x",)),
        (lambda query, key, value: (query, key, value), ("x", "x", "x")),
        (lambda x, H, W: (x, H, W), ("x", "h", "w")),  # noqa: N803
        (lambda tokens, hw_shape: (tokens, hw_shape), ("x", ("h", "w"))),
    ],
)
def test_forward_is_called_as_it_asks_for(forward, told):
    def plain(value):
        return tuple(map(plain, value)) if type(value) is tuple else value.text

    assert tuple(map(plain, asked_for(Called(forward), "pkg:f", SIZES).positional)) == told


def test_a_forward_that_asks_for_more_is_refused_with_the_way_out():
    with pytest.raises(UsageError, match=r"wants 'mask' .say in a spec"):
        asked_for(Called(lambda x, mask: (x, mask)), "pkg:f", SIZES)


def test_layouts_name_their_axes():
    assert axes_in("map", ("h", "w")) == ("b", "c", "h", "w")
    assert axes_in("tokens", ("t", "h", "w")) == ("b", "t*h*w", "c")
    assert axes_in("last", ("n",)) == ("b", "n", "c")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["pkg:A", "pkg:A(4)"], "several are called A"),
        (["pkg:nonlocal"], "nonlocal is the name of an operator"),
        ([lambda dim: dim], "cannot be imported by the process that measures"),
        ([3], "int is no module"),
        (["kanet-qkv.yaml"], "no such file"),
    ],
)
def test_what_names_no_module_is_refused_in_a_sentence(given, said):
    with pytest.raises(KaoprofError, match=said):
        own_modules(given, allow_import=True)


def test_code_that_is_only_named_needs_permission_and_what_is_in_hand_does_not():
    with pytest.raises(UsageError, match="importing runs its code"):
        own_modules(["pkg:A"])
    assert own_modules([Dims])[0].code == "kaoprof.dims:Dims"


def test_a_spec_says_arguments_call_and_layout(tmp_path):
    spec = Path(tmp_path / "mine.yaml")
    spec.write_text("schema: 1\nname: mine\nmodule: pkg:A\nargs: [64]\nkwargs: {act: gelu}\nlayout: tokens\n"
                    "inputs: [x, h, null]\n")  # fmt: skip
    module = own_modules([spec], allow_import=True)[0]
    assert (module.name, module.code, module.arguments) == ("mine", "pkg:A", "64, act='gelu'")
    assert (module.call, module.layout) == ("x, h, None", "tokens")
    spec.write_text(spec.read_text().replace("[x, h, null]", "[{shape: [1, 3]}]"))
    with pytest.raises(UsageError, match="says the shapes of its inputs"):
        own_modules([spec], allow_import=True)


def test_formulas_are_exact_and_hold_nothing_but_arithmetic():
    form = OwnForm(method="derivation", macs="c*floor(h/2)*ceiling(w/2)/2 + Max(c, h)**2", flops_all="9*c**2 + 1000",
                   params="c", map_entries=None, order_time="", order_memory="", shown="")  # fmt: skip
    cost = cost_of(form, Dims(b=1, c=8, spatial=(3, 5)))
    assert (cost.macs, cost.params, cost.map_entries) == (8 * 1 * 3 // 2 + 64, 8, 0)
    assert cost.flops_all == 9 * 64 + 1000
    for text in ("__import__('os')", "c.real", "q", "c/3", "'c'", "c if h else w", "1.5*c"):
        with pytest.raises(KaoprofError, match=r"formula|whole number"):
            value_of(text, {"c": 8})
