"""Formulas of modules that kaoprof has never seen: torch's own, with strides, with size-dependent and hostile code."""

import functools
import math

import pytest
import torch
from torch import nn

from kaoprof.explaining.analysis import NotAnalysableError, analyse
from kaoprof.explaining.derivation import derive
from kaoprof.explaining.expressions import as_text, readable, value_at
from kaoprof.explaining.target import Target
from kaoprof.explaining.verification import Device, FormulaError, counted_at, verify

CPU = Device(name="cpu", threads=2)


class StridedStack(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 16, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 4, 3, stride=3, bias=False),
            nn.MaxPool2d(2, ceil_mode=True),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(4, channels),
        )

    def forward(self, x):
        return self.layers(x)


class Sizewise(nn.Module):
    """Takes sizes for plain numbers: symbols do not survive that."""

    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(int(channels), int(channels))

    def forward(self, x):
        for _ in range(x.shape[1]):
            x = self.linear(x)
        return x


class Branching(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(channels, channels, bias=False)

    def forward(self, x):
        return self.linear(x) if x.shape[1] > 30 else self.linear(self.linear(x))


class Spectrum(nn.Module):
    """Keeps no symbolic size, and computes what no rule counts."""

    def forward(self, x):
        return torch.fft.rfft(x).abs()[: int(x.shape[0])]


class DataDependent(Branching):
    def forward(self, x):
        return self.linear(x) if x.sum() > 0 else x


class Rooted(nn.Module):
    """Its cost is no polynomial of its size, and it takes the size for a number."""

    def forward(self, x):
        steps = int(len(range(x.shape[0])) ** 0.5)
        for _ in range(steps):
            x = x @ torch.ones(x.shape[1], x.shape[1], device=x.device)
        return x


class FloatRooted(Branching):
    """A size becomes a float, and that decides what is done: no symbol is ever asked for a number."""

    def forward(self, x):
        for _ in range(int(math.sqrt(x.shape[1]))):
            x = self.linear(x)
        return x


class SquareTokens(Branching):
    def forward(self, x):
        side = int(math.sqrt(x.shape[1]))
        return self.linear(x.reshape(x.shape[0], side, side, x.shape[2]))


def here(cls, **rest):
    return Target(factory=f"{__name__}:{cls.__name__}", **rest)


TOKENS = {"inputs": (("b", "n", "c"),), "sizes": {"b": 2, "n": 17, "c": 8}}
ENCODER = Target(
    factory="torch.nn:TransformerEncoderLayer",
    args=("c", 2),
    kwargs={"dim_feedforward": "4*c", "batch_first": True},
    **TOKENS,
)
ATTENTION = Target(
    factory="torch.nn:MultiheadAttention",
    args=("c", 2),
    kwargs={"batch_first": True},
    inputs=(("b", "n", "c"),) * 3,
    sizes=TOKENS["sizes"],
)
STACK = here(StridedStack, args=("c",), inputs=(("b", "c", "h", "w"),), sizes={"b": 2, "c": 8, "h": 30, "w": 37})


KNOWN = {"attention": ATTENTION, "encoder": ENCODER, "stack": STACK}


@functools.cache
def analysed(name, seed=0):
    """An analysis that several tests look at."""
    return analyse(KNOWN[name], device=CPU, seed=seed)


def shown(analysis, quantity="macs"):
    return as_text(readable(analysis.formulas[quantity]))


def test_multihead_attention():
    analysis = analysed("attention")
    assert shown(analysis) == "2 b c n (2 c + n)"  # four c x c transformations of n tokens, and 2 n^2 c
    assert shown(analysis, "params") == "4 c (c + 1)"
    assert analysis.domain.units == {"c": 2}  # its two heads


@pytest.mark.slow
def test_a_transformer_encoder_layer():
    analysis = analysed("encoder")
    assert shown(analysis) == "2 b c n (6 c + n)"  # 4 c^2 + 8 c^2 for each token, and 2 n^2 c
    assert shown(analysis, "largest_intermediate") == "4 b c n"


def test_strides_and_pools_give_rounding_not_numbers():
    analysis = analysed("stack")
    assert analysis.specialisations == ()
    assert "ceiling(h/2)" in shown(analysis)
    assert "floor(" in shown(analysis)


@pytest.mark.slow  # each analysis holds its own formulas against counts at five sizes
@pytest.mark.parametrize("name", KNOWN)
def test_formulas_are_the_counts_at_ten_sizes(name):
    analysis, again = analysed(name), analysed(name, seed=1)
    checked = [*analysis.checked, *again.checked]
    assert len({tuple(sizes.items()) for sizes in checked}) == 10
    assert again.formulas == analysis.formulas


def test_a_batch_of_one_and_of_many_is_right_too():
    formulas = derive(STACK).formulas
    for batch in (1, 20):
        sizes = {**STACK.sizes, "b": batch}
        counted = counted_at(STACK, sizes, None)
        assert {name: value_at(formula, sizes) for name, formula in formulas.items()} == counted


def test_a_size_taken_for_a_number_is_named_with_its_line():
    derivation = derive(here(Sizewise, args=("c",), **TOKENS))
    assert [(found.name, found.value) for found in derivation.specialisations] == [("n", 17), ("c", 8)]
    assert "nn.Linear(int(channels), int(channels))" in derivation.specialisations[1].why


def test_then_the_formula_is_interpolated_and_says_so():
    few = TOKENS | {"sizes": {"b": 2, "n": 5, "c": 4}}
    analysis = analyse(here(Sizewise, args=("c",), **few), device=CPU)
    assert analysis.method == "interpolation"
    assert shown(analysis) == "b c^2 n^2"  # n times n tokens through c x c
    assert "interpolated exactly from" in analysis.notes[0]
    assert len(analysis.checked) == 5


def test_what_no_rule_counts_is_named_after_an_interpolation_too(capfd):
    analysis = analyse(here(Spectrum, **TOKENS), device=CPU)
    assert (analysis.method, analysis.uncounted) == ("interpolation", {"_fft_r2c": 1})
    assert capfd.readouterr().err == ""  # torch's own traceback of what it cannot run with symbols is none for users


def test_a_branch_on_a_size_is_a_condition():
    assert (
        "n >= 31"
        in analyse(
            here(Branching, args=("c",), **TOKENS | {"sizes": {"b": 2, "n": 40, "c": 8}}), device=CPU
        ).domain.lines()
    )
    assert shown(analyse(here(Branching, args=("c",), **TOKENS), device=CPU)) == "2 b c^2 n"


def test_control_flow_on_data_is_refused():
    with pytest.raises(NotAnalysableError, match="depends on data"):
        analyse(here(DataDependent, args=("c",), **TOKENS), device=CPU)


def test_what_is_no_polynomial_is_refused_or_keeps_its_fixed_size():
    target = here(Rooted, inputs=(("n", "c"),), sizes={"n": 17, "c": 8})
    analysis = analyse(target, device=CPU)
    assert [(found.name, found.value) for found in analysis.specialisations] == [("n", 17)]
    assert "n = 17" in analysis.domain.lines()


def test_a_wrong_derivation_is_never_shown():
    with pytest.raises(NotAnalysableError, match="follow no polynomial in n; its derivation was wrong"):
        analyse(here(FloatRooted, args=("c",), **TOKENS), device=CPU)


def test_tokens_that_must_be_a_square_keep_their_size_and_say_why():
    analysis = analyse(here(SquareTokens, args=("c",), **TOKENS | {"sizes": {"b": 2, "n": 16, "c": 8}}), device=CPU)
    assert shown(analysis) == "16 b c^2"
    assert "n = 16: required at" in str(analysis.specialisations[0])
    assert "x.reshape(x.shape[0], side, side, x.shape[2])" in analysis.specialisations[0].why


def test_a_wrong_formula_is_an_error():
    derivation = derive(ENCODER)
    with pytest.raises(FormulaError, match="macs is"):
        verify({"macs": derivation.formulas["macs"] + 1}, ENCODER, derivation.domain, device=None, seed=0)


def test_torch_is_left_as_it_was():
    numbers = nn.modules.normalization.numbers
    derive(ENCODER)
    assert nn.modules.normalization.numbers is numbers
    assert "__float__" not in vars(torch.SymInt)
