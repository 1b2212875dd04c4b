"""Rules by the name of an operation: right values for what torch's counter misses, and for what users add."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention.flex_attention import create_block_mask, flex_attention
from torch.utils.flop_counter import flop_registry, register_flop_formula

import kaoprof
from kaoprof.counting import installed_rules
from kaoprof.counting.installed_rules import load_installed_rules
from kaoprof.counting.rules import REGISTERED
from kaoprof.tape.counted import counts_of_call
from kaoprof.tape.recording import Call


def counted(function, *args, train=False):
    counts = counts_of_call(Call(function, args, train=train))
    assert counts.uncounted == {}
    return counts


def macs(function, *args):
    return counted(function, *args).macs


def flops(function, *args):
    return counted(function, *args).flops


def grouped(layout):
    """The operands and the right count of a grouped product of 8 rows among 3 groups, or its relatives."""
    offs = torch.tensor([2, 5, 8], dtype=torch.int32)
    shapes = {
        "rows": ((8, 16), (3, 16, 32), 8 * 16 * 32),
        "columns": ((3, 16, 32), (32, 8), 16 * 32 * 8),
        "sums": ((16, 8), (8, 32), 16 * 8 * 32),
    }
    left, right, expected = shapes[layout]
    half = {"dtype": torch.bfloat16}
    return (torch.randn(left, **half), torch.randn(right, **half), offs), expected


@pytest.mark.parametrize("layout", ["rows", "columns", "sums"])
def test_in_a_grouped_product_each_row_meets_one_group(layout):
    (left, right, offs), expected = grouped(layout)
    assert macs(lambda a, b: torch._grouped_mm(a, b, offs=offs), left, right) == expected


def test_products_in_eight_bits_are_products():
    ints = (torch.ones(32, 64, dtype=torch.int8), torch.ones(64, 48, dtype=torch.int8))
    assert macs(torch._int_mm, *ints) == 32 * 64 * 48
    left = torch.randn(16, 32).to(torch.float8_e4m3fn)
    right = torch.randn(48, 32).to(torch.float8_e4m3fn).t()
    scale = torch.tensor(1.0)
    assert (
        macs(lambda a, b: torch._scaled_mm(a, b, scale, scale, out_dtype=torch.bfloat16), left, right) == 16 * 32 * 48
    )


def test_products_that_are_added_to_something_are_counted_in_every_spelling():
    a, b, m, n = torch.randn(2, 3, 4), torch.randn(2, 4, 5), torch.randn(2, 3), torch.randn(3, 5)
    assert macs(torch.addbmm, torch.randn(3, 5), a, b) == 2 * 3 * 4 * 5
    assert macs(lambda m, n: m.new_zeros(2, 5).addmm_(m, n), m, n) == 2 * 3 * 5
    assert macs(lambda a, b: a.new_zeros(2, 3, 5).baddbmm_(a, b), a, b) == 2 * 3 * 4 * 5
    assert macs(torch.addr, torch.randn(3, 4), torch.randn(3), torch.randn(4)) == 3 * 4
    assert macs(lambda v, m: (v @ v, m @ v, torch.mv(m, v)), torch.randn(8), torch.randn(4, 8)) == 8 + 32 + 32
    assert macs(torch.matmul, torch.randn(2, 1, 4, 8), torch.randn(3, 8, 5)) == 2 * 3 * 4 * 5 * 8


def test_convolutions_over_time_and_at_given_places_are_contractions():
    x, weight = torch.randn(5, 2, 6), torch.randn(3, 6, 4)  # 5 steps, 2 samples; 3 of them together
    assert macs(torch.conv_tbc, x, weight, torch.randn(4)) == 3 * 2 * 4 * (3 * 6)
    assert flops(torch.cdist, torch.randn(4, 5, 3), torch.randn(4, 6, 3)) == 3 * 4 * 5 * 6 * 3


def causal(_batch, _head, query, key):
    return query >= key


def test_flexible_attention_is_counted_dense_or_by_its_block_mask():
    q, k, v = (torch.randn(1, 2, 256, 16) for _ in range(3))
    assert macs(flex_attention, q, k, v) == 2 * 2 * 256 * 256 * 16
    mask = create_block_mask(causal, None, None, 256, 256, device="cpu")  # 2 x 2 blocks, 3 of them
    assert macs(lambda q, k, v: flex_attention(q, k, v, block_mask=mask), q, k, v) == 2 * 2 * 3 * 128 * 128 * 16


def test_attention_of_packed_sequences_counts_each_by_its_own_length():
    starts = torch.tensor([0, 3, 8], dtype=torch.int32)
    q, k, v = (torch.randn(8, 2, 16, dtype=torch.bfloat16) for _ in range(3))

    def packed(q, k, v, starts):
        return torch.ops.aten._flash_attention_forward(q, k, v, starts, starts, 5, 5, 0.0, False, False)[0]

    with torch.device("cpu"):
        pairs = 3 * 3 + 5 * 5
    try:
        assert macs(packed, q, k, v, starts) == 2 * 2 * pairs * 16
    except NotImplementedError:
        pytest.skip("this build of torch has no such operation without a GPU")


def test_transforms_sorts_and_choices_have_logarithms():
    x = torch.randn(4, 64)
    assert flops(torch.fft.fft, x.to(torch.complex64)) == 5 * 4 * 64 * math.log2(64)
    assert flops(torch.fft.rfft, x) == 5 * 4 * 64 * math.log2(64)
    assert flops(lambda x: torch.sort(x)[0], x) == 4 * 64 * 6
    assert flops(lambda x: torch.topk(x, 8)[0], x) == 4 * 64 * 3


@pytest.mark.parametrize(
    ("function", "per_element"),
    [
        (lambda x: x.var(-1), 4),  # mean 1, difference, square, sum
        (lambda x: torch.logsumexp(x, -1), 4),  # maximum, difference, exponential, sum
        (lambda x: F.dropout(x, 0.5, training=True), 3),  # a number, a choice, a product
        (lambda x: torch.add(x, x, alpha=2), 2),
        (lambda x: x + x, 1),
        (lambda x: torch.addcmul(x, x, x), 2),
        (lambda x: torch.lerp(x, x, 0.3), 3),
        (lambda x: F.layer_norm(x, (64,)), 6),  # statistics 4, difference and scale
        (lambda x: F.group_norm(x, 2), 6),
        (lambda x: F.grid_sample(x[None, None], x.new_zeros(1, 4, 64, 2), align_corners=True), 7),  # 4 neighbours
        (torch.diag_embed, 0),
        (lambda x: torch.block_diag(x, torch.tril(x)), 0),
        (lambda x: F.one_hot(x.argmax(0), 64), 1),  # the search
    ],
)
def test_flops_for_each_element_follow_one_rule(function, per_element):
    x = torch.randn(4, 64)
    assert flops(function, x) // x.numel() == per_element


def test_an_affine_pair_costs_only_where_it_is():
    x = torch.randn(2, 8, 4, 4)
    plain, affine = (flops(nn.GroupNorm(2, 8, affine=affine), x) for affine in (False, True))
    assert (plain, affine) == (6 * 256, 8 * 256)


def test_gradients_of_biases_and_of_slopes_are_sums():
    convolution, x = nn.Conv2d(3, 16, 3, padding=1), torch.randn(1, 3, 32, 32, requires_grad=True)
    outputs = 16 * 32 * 32
    assert counted(convolution, x, train=True).flops == 6 * outputs * 27 + outputs + (outputs - 16)
    assert counted(nn.PReLU(), x, train=True).flops == x.numel() * (1 + 2) + x.numel() - 1  # one slope


@pytest.mark.filterwarnings("ignore")  # that quantised tensors are on their way out
def test_quantised_layers_are_counted_where_they_can_run():
    engines = torch.backends.quantized.supported_engines
    if not {"fbgemm", "x86", "qnnpack"} & set(engines):
        pytest.skip("no engine for quantised products here")
    net = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(8, 5)), {nn.Linear}, dtype=torch.qint8)
    assert macs(net, torch.randn(4, 8)) == 4 * 8 * 5


@torch.library.custom_op("kaotest::mystery", mutates_args=())
def mystery(x: torch.Tensor) -> torch.Tensor:
    return x.clone()


@mystery.register_fake
def _(x):
    return torch.empty_like(x)


def test_somebodys_operation_is_named_until_somebody_says_what_it_costs():
    x = torch.randn(4, 8)
    operation = torch.ops.kaotest.mystery
    assert kaoprof.count(operation, x).uncounted == {"kaotest.mystery": 1}
    try:
        register_flop_formula(operation)(lambda *_, **__: 1024)
        assert (macs(operation, x), flops(operation, x)) == (512, 1024)
        kaoprof.rule("kaotest::mystery")(lambda x, *, out: (x.shape[0] * out.numel(), 7))
        assert (macs(operation, x), flops(operation, x)) == (4 * 32, 2 * 4 * 32 + 7)
    finally:
        REGISTERED.pop("kaotest.mystery", None)
        flop_registry.pop(operation, None)


def test_a_rule_needs_a_full_name():
    with pytest.raises(ValueError, match="namespace::name"):
        kaoprof.rule("mystery")


class Entry:
    name, value = "mine", "my_rules"

    def __init__(self, load):
        self.load = load


def test_installed_packages_bring_their_rules_along(monkeypatch):
    groups = []

    def found(load):
        load_installed_rules.cache_clear()
        monkeypatch.setattr(installed_rules, "entry_points", lambda *, group: groups.append(group) or [Entry(load)])

    try:
        found(lambda: kaoprof.rule("kaotest::mystery")(lambda x, *, out: x.numel() + out.numel()))
        assert macs(torch.ops.kaotest.mystery, torch.randn(4, 8)) == 64
        assert groups == ["kaoprof.rules"]
        found(lambda: 1 / 0)
        with pytest.raises(
            kaoprof.KaoprofError, match=r"rules 'mine' \(my_rules\) cannot be imported: division by zero"
        ):
            kaoprof.count(torch.relu, torch.randn(2))
    finally:
        REGISTERED.pop("kaotest.mystery", None)
        load_installed_rules.cache_clear()
