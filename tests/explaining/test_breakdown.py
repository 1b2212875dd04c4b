"""Blocks: submodules with all that is inside, at the depth that still reads as a table; and what a maximum is here."""

from types import SimpleNamespace

import sympy

from kaoprof.explaining.breakdown import MOST_BLOCKS, by_block
from kaoprof.explaining.expressions import settled, size_symbol, value_at

B, H = size_symbol("b"), size_symbol("h")


def blocks(*modules):
    items = [SimpleNamespace(module=module, backward=False, macs=B, elementwise=sympy.Integer(0)) for module in modules]
    return {part.name: part.macs for part in by_block(items, {"b": 2})}


def test_few_submodules_stand_for_themselves():
    assert blocks("a.x", "a.y", "a.y", "b") == {"a.x": "b", "a.y": "2 b", "b": "b"}


def test_many_are_summed_up_one_level_higher():
    names = [f"layers.{layer}.conv{number}" for layer in range(3) for number in range(MOST_BLOCKS)]
    assert blocks(*names) == {f"layers.{layer}": f"{MOST_BLOCKS} b" for layer in range(3)}


def test_a_single_block_is_opened_even_if_there_are_many_inside():
    assert len(blocks(*(f"layers.{layer}" for layer in range(MOST_BLOCKS + 1)))) == MOST_BLOCKS + 1


def test_what_an_expression_is_at_given_sizes():
    rounded = sympy.floor((H + 1) / 2)
    choice = 3 * sympy.Min(H, 8) + sympy.Max(B * rounded, 4 * H, evaluate=False)
    assert settled(choice, {"b": 2, "h": 6}) == 3 * H + 4 * H
    assert settled(choice, {"b": 20, "h": 10}) == 24 + B * H / 2  # nothing rounds: 2 divides 10
    assert settled(B * rounded, {"b": 20, "h": 9}) == B * rounded
    for sizes in ({"b": 2, "h": 6}, {"b": 20, "h": 9}):
        assert value_at(settled(choice, sizes), sizes) == value_at(choice, sizes)
