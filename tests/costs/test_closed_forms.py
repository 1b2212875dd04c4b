"""The closed forms against the paper's printed counts, and against arithmetic done by hand."""

import pytest
import sympy

from kaoprof.catalog import OPERATORS, group
from kaoprof.dims import AttentionOptions, Dims

PAPER_MADDS = {  # arXiv:2007.08442, input 8 x s^2 x 8, one sample: s = 14, 28, 56
    "nonlocal": (627_200, 9_884_672, 157_552_640),
    "nonlocal_pool": (156_800, 2_471_168, 39_388_160),
    "kao_kv": (89_600, 706_048, 5_626_880),
    "kao_qkv": (14_336, 53_760, 207_872),
}


@pytest.mark.parametrize("name", PAPER_MADDS)
@pytest.mark.parametrize(("column", "size"), [(0, 14), (1, 28), (2, 56)])
def test_the_twelve_counts_of_the_paper(name, column, size):
    cost = OPERATORS[name].cost(Dims(b=8, c=8, spatial=(size, size)), AttentionOptions())
    assert cost.macs == PAPER_MADDS[name][column]


@pytest.mark.parametrize(
    ("projection", "positions_transformed", "matrices"),
    [("none", 0, 0), ("value", 8, 1), ("qkv", 15 + 2 * 8, 3), ("qkvo", 2 * 15 + 2 * 8, 4)],
)
def test_kao_kv_by_hand(projection, positions_transformed, matrices):
    # h=3, w=5: 15 positions ask, 8 averages answer, 7 channels.
    cost = OPERATORS["kao_kv"].cost(Dims(b=1, c=7, spatial=(3, 5)), AttentionOptions(projection=projection))
    assert cost.macs == 2 * 15 * 8 * 7 + positions_transformed * 7 * 7
    assert cost.params == matrices * 7 * 7
    assert cost.map_entries == 15 * 8
    # averages: every element read once per axis; keys scaled; softmax 5 per coefficient
    assert cost.elementwise == 2 * 15 * 7 + 8 * 7 + 5 * 15 * 8


def test_the_outer_sum_of_three_axes_is_built_axis_by_axis():
    # t=2, h=3, w=4, c=5: averages 2 * 24 * 5 for t and to average t away, 2 * 12 * 5 for h and w from what is left;
    # outer sum (2*3 + 2*3*4) * 5; keys 9 * 5; softmax 5 * 81
    cost = OPERATORS["kao_qkv"].cost(Dims(b=1, c=5, spatial=(2, 3, 4)), AttentionOptions())
    assert cost.elementwise == (2 * 24 + 2 * 12) * 5 + (6 + 24) * 5 + 9 * 5 + 5 * 81


def test_odd_sizes_pool_to_the_ceiling():
    cost = OPERATORS["nonlocal_pool"].cost(Dims(b=1, c=3, spatial=(7, 7)), AttentionOptions(projection="none"))
    assert cost.macs == 2 * 49 * 16 * 3


def test_heads_multiply_the_map_and_leave_the_macs():
    dims = Dims(b=1, c=6, spatial=(4, 5))
    one, three = (OPERATORS["nonlocal"].cost(dims, AttentionOptions(heads=heads)) for heads in (1, 3))
    assert three.map_entries == 3 * one.map_entries
    assert three.macs == one.macs


def test_a_fused_kernel_scales_coefficients_and_an_explicit_one_keys():
    dims = Dims(b=1, c=2, spatial=(3, 3))
    cost = OPERATORS["nonlocal"].cost
    unscaled = cost(dims, AttentionOptions(scale="none")).elementwise
    assert cost(dims, AttentionOptions(scale="sqrt")).elementwise == unscaled + 9 * 2
    assert cost(dims, AttentionOptions(scale="none", implementation="sdpa")).elementwise == unscaled + 81


@pytest.mark.parametrize(
    ("axes", "orders"),
    [
        (("n",), {"nonlocal": "O(n^2 c)", "nonlocal_pool": "O(n^2 c)", "kao_kv": "O(n^2 c)", "kao_qkv": "O(n^2 c)"}),
        (
            ("h", "w"),
            {"nonlocal": "O(h^4 c)", "nonlocal_pool": "O(h^4 c)", "kao_kv": "O(h^3 c)", "kao_qkv": "O(h^2 c)"},
        ),
        (
            ("t", "h", "w"),
            {"nonlocal": "O(h^6 c)", "nonlocal_pool": "O(h^6 c)", "kao_kv": "O(h^4 c)", "kao_qkv": "O(h^2 c)"},
        ),
    ],
)
@pytest.mark.parametrize("projection", ["none", "value", "qkvo"])
def test_the_orders_follow_from_the_formulas(axes, orders, projection):
    for name, expected in orders.items():
        time, memory = OPERATORS[name].orders(axes, AttentionOptions(projection=projection))
        assert time == expected
        assert memory == expected.replace(" c", "")


@pytest.mark.parametrize("name", group("paper"))
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_a_symbolic_cost_substitutes_to_the_numeric_one(name, rank):
    symbols = sympy.symbols("s1:4", positive=True, integer=True)[:rank]
    c = sympy.Symbol("c", positive=True, integer=True)
    sizes = (5, 6, 7)[:rank]
    options = AttentionOptions(projection="qkvo")
    symbolic = OPERATORS[name].cost(Dims(b=1, c=c, spatial=symbols), options)
    numeric = OPERATORS[name].cost(Dims(b=1, c=11, spatial=sizes), options)
    values = dict(zip(symbols, sizes, strict=True)) | {c: 11}
    assert symbolic.macs.subs(values) == numeric.macs
    assert symbolic.flops_all.subs(values) == numeric.flops_all
    assert symbolic.map_entries.subs(values) == numeric.map_entries
