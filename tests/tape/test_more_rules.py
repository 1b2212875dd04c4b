"""Rules for what models call now and then, and operators of control flow: right values by hand."""

import collections

import pytest
import torch
from torch import nn
from torch.ao import quantization
from torch.nn import functional as F
from torch.nn.attention.flex_attention import flex_attention

import kaoprof
from kaoprof.counting.rules import counts_of
from kaoprof.tape.counted import counts_of_call
from kaoprof.tape.entries import Recorded
from kaoprof.tape.recording import Call

X = torch.randn(4, 8)
pytestmark = pytest.mark.filterwarnings("ignore")  # of what torch calls a prototype, or means to take away


def counted(function, *args, train=False, input_grad=False):
    counts = counts_of_call(Call(function, args, train=train, input_grad=input_grad))
    assert (counts.uncounted, counts.peak_unknown) == ({}, None)
    return counts


def flops(function, *args):
    return counted(function, *args).flops


class With(nn.Module):
    """A linear layer, and a function of it and the input."""

    def __init__(self, function, layer=None):
        super().__init__()
        self.function = function
        self.fc = layer or nn.Linear(8, 8)

    def forward(self, *args):
        return self.function(self.fc, *args)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (torch.linalg.cholesky, 72),  # 6^3 / 3
        (torch.linalg.inv, 432),  # 2 * 6^3
        (torch.linalg.det, 144),  # 2 * 6^3 / 3
        (lambda a: torch.linalg.lu_factor(a)[0], 144),
        (lambda a: torch.linalg.solve(a, torch.ones(6, 2)), 144 + 2 * 36 * 2),
        (lambda a: torch.linalg.solve(a, torch.ones(6)), 144 + 2 * 36),
        (lambda a: torch.linalg.solve_triangular(a, torch.ones(6, 2), upper=True), 36 * 2),
        (lambda a: torch.cholesky_solve(torch.ones(6, 2), a), 2 * 36 * 2),
        (lambda a: torch.linalg.qr(a[:, :3], mode="r")[1], 90),  # 2 * 3^2 * (6 - 1)
        (lambda a: torch.linalg.qr(a[:, :3])[1], 180),
        (lambda a: torch.linalg.cross(a[:, :3], a[:, 3:]), 3 * 18),
    ],
)
def test_solving_and_factorising_take_what_books_say(function, expected):
    assert flops(function, torch.eye(6) * 3) == expected


def test_what_is_found_by_iterating_has_no_rule():
    assert kaoprof.count(torch.linalg.svdvals, X).uncounted == {"_linalg_svd": 1}


@pytest.mark.parametrize(
    "name",
    [
        "abs_",
        "gelu_",
        "mish_",
        "cumsum_",
        "eq_",
        "floor_divide_",
        "copysign_",
        "heaviside_",
        "xlogy_",
        "rrelu_",
        "renorm_",
    ],
)
def test_what_works_in_place_costs_what_makes_a_new_tensor(name):
    more = {"cumsum_": (0,), "renorm_": (2, 0, 1.0)}
    alone = name in {"abs_", "gelu_", "mish_", "rrelu_"}
    args = more.get(name, () if alone else (torch.ones(8),))
    functions = {"gelu": F.gelu, "mish": F.mish, "rrelu": F.rrelu}
    new = functions.get(name[:-1]) or getattr(torch.Tensor, name[:-1])
    in_place = {
        "gelu_": torch.ops.aten.gelu_, "mish_": lambda x: F.mish(x, inplace=True), "rrelu_": torch.rrelu_
    }.get(name) or getattr(torch.Tensor, name)  # fmt: skip
    assert flops(lambda x: in_place(x.clone(), *args), X) == flops(lambda x: new(x, *args), X) > 0


TARGETS = torch.tensor([1, 0, 3, 2])
LOSSES = {
    "mse": lambda y: F.mse_loss(y, X),
    "smooth": lambda y: F.smooth_l1_loss(y, X),
    "huber": lambda y: F.huber_loss(y, X),
    "logits": lambda y: F.binary_cross_entropy_with_logits(y, X.sigmoid()),
    "binary": lambda y: F.binary_cross_entropy(y.sigmoid(), X.sigmoid()),
    "margin": lambda y: F.multi_margin_loss(y, TARGETS),
    "margins": lambda y: F.multilabel_margin_loss(y, torch.zeros(4, 8, dtype=torch.long)),
    "soft": lambda y: F.soft_margin_loss(y, X.sign()),
    "bags": lambda y: F.embedding_bag(TARGETS[None], y, mode="sum"),
    "shrunk": lambda y: F.softshrink(y) + F.hardshrink(y),
    "unpooled": lambda y: F.max_unpool1d(*F.max_pool1d(y[None], 2, return_indices=True), 2),
    "exact": lambda y: F.interpolate(y[None], scale_factor=2, mode="nearest-exact"),
    "smoothed": lambda y: F.interpolate(y[None, None], size=(2, 2), mode="bilinear", antialias=True),
    "distances": lambda y: torch.cdist(y, y, p=1) + F.pdist(y).sum(),
    "spectrum": lambda y: torch.stft(y, 8, window=torch.hann_window(8), return_complex=True).abs(),
    "histogram": lambda y: y.sum() + torch.histogram(y.detach(), 3)[0].sum(),
    "gamma": lambda y: (
        torch.distributions.Dirichlet(y.exp()).rsample() + torch.distributions.Gamma(y.exp(), 1).rsample()
    ),
    "normed": lambda y: nn.utils.parametrizations.weight_norm(nn.Linear(8, 2))(y) + 0,
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_training_calls_has_rules_forward_and_backward(name):
    counted(With(lambda fc, x: LOSSES[name](fc(x))), X, train=True)


def test_alignments_take_every_state_of_every_step():
    scores = torch.randn(12, 2, 8)
    lengths = (torch.tensor([12, 10]), torch.tensor([5, 3]))
    loss = kaoprof.count(F.ctc_loss, scores, torch.ones(2, 5, dtype=torch.long), *lengths)
    assert loss.uncounted == {}
    assert loss.flops - 13 * 2 * 12 * 11 in range(8)  # 11 states of 5 labels; then a mean


def test_products_inside_of_operations_are_products():
    points = torch.randn(30, 4)
    assert counted(torch.cdist, points, torch.randn(40, 4)).macs == 30 * 40 * 4
    theta = torch.randn(2, 2, 3)
    assert counted(lambda t: F.affine_grid(t, [2, 1, 5, 7], align_corners=False), theta).macs == 2 * 5 * 7 * 2 * 3


def statically_quantised():
    stub = quantization.QuantStub()
    model = nn.Sequential(stub, nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1, groups=2), nn.ReLU(), quantization.DeQuantStub())
    model.eval().qconfig = quantization.get_default_qconfig("onednn")
    prepared = quantization.prepare(model)
    prepared(torch.randn(1, 3, 8, 8))
    return quantization.convert(prepared)


def test_quantised_convolutions_and_cells_are_contractions():
    torch.backends.quantized.engine = "onednn"
    assert counted(statically_quantised(), torch.randn(2, 3, 8, 8)).macs == 2 * 36 * 4 * (27 + 2)
    cell = quantization.quantize_dynamic(nn.Sequential(nn.LSTMCell(8, 16)), {nn.LSTMCell})
    assert counted(cell, X).macs == 4 * 4 * 16 * (8 + 16)


@pytest.mark.parametrize("layout", ["to_sparse", "to_sparse_csr", "to_sparse_csc"])
def test_a_sparse_product_costs_what_is_stored(layout):
    pattern = getattr(torch.eye(4) + torch.diag(torch.ones(3), 1), layout)()  # 7 numbers
    model = With(lambda fc, x: pattern @ fc(x))
    assert counted(model, X).macs == 4 * 64 + 7 * 8
    made = counted(With(lambda fc, x: getattr(x.relu(), layout)() @ fc.weight), X)  # how many is known by their values
    assert (made.macs, made.recorded) == (int((X > 0).sum()) * 8, "real")


def test_a_nested_tensor_without_a_shape_costs_its_parts():
    def attend(fc, x, layout):
        nested = torch.nested.nested_tensor([x[:2], x[:3]], layout=layout)
        query = fc(nested).unflatten(-1, [2, 4]).transpose(1, 2)
        return F.scaled_dot_product_attention(query, query, query)

    assert counted(With(lambda fc, x: fc(torch.nested.nested_tensor([x[:2], x[:3]]))), X).macs == 5 * 64
    assert counted(With(lambda fc, x: attend(fc, x, torch.jagged)), X).macs == 5 * 64 + 2 * (4 + 9) * 8


FLOW = {
    "cond": (lambda fc, x: torch.cond(x.sum() > 1e9, torch.relu, lambda y: fc(fc(y)), (x,)), 2),
    "while": (
        lambda fc, x: torch._higher_order_ops.while_loop(
            lambda step, _: step < 3, lambda step, y: (step + 1, fc(y)), (torch.tensor(0), x)
        )[1],
        3,
    ),
    "map": (torch._higher_order_ops.map, 1),
    "scan": (
        lambda fc, x: torch._higher_order_ops.scan(
            lambda state, row: (fc(state) + row, state.clone()), torch.zeros(8), x
        )[1],
        1,
    ),
}


@pytest.mark.parametrize("name", FLOW)
def test_control_flow_costs_what_it_runs_and_can_be_trained(name):
    function, layers = FLOW[name]
    counts = counted(With(function), X)
    assert counts.macs == layers * 4 * 64
    assert bool(counts.value_reads) == (name == "cond")
    assert counted(With(function), X, train=True).macs > counts.macs


@pytest.mark.slow
def test_an_exported_branch_is_the_one_that_is_taken():
    branching = torch.export.export(With(FLOW["cond"][0]), (X,)).module()
    assert counted(branching, X).macs == 2 * 4 * 64


def test_flexible_attention_is_counted_in_training_where_torch_would_need_a_gpu():
    query = torch.randn(1, 2, 128, 16)
    model = With(lambda fc, x: flex_attention(fc(x), x, x), nn.Linear(16, 16))
    products, attention = 2 * 128 * 256, 2 * 128 * 128 * 32
    assert counted(model, query, train=True).macs == 2 * products + 3 * attention


class Late(nn.Module):
    """Makes a layer when it is first called."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        self.late = nn.Linear(8, 8)
        return self.late(self.fc(x))


def test_what_a_layer_that_is_made_in_a_call_does_is_not_lost():
    model = Late()
    counts = counted(model, X)
    assert counts.macs == 2 * 4 * 64
    assert {layer.layer: layer.macs for layer in counts.layers}.get("late") == 4 * 64
    assert not hasattr(model, "late")


class Slots:
    """An answer without a dictionary."""

    __slots__ = ("tensor",)

    def __init__(self, tensor):
        self.tensor = tensor


ANSWERS = {
    "slots": Slots,
    "deque": lambda y: collections.deque([y]),
    "set": lambda y: {y},
    "iterator": lambda y: (part for part in [y]),
    "mapping": lambda y: collections.UserDict(a=y),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_any_answer_can_be_trained(kind):
    assert counted(With(lambda fc, x: ANSWERS[kind](fc(x))), X, train=True).macs == 2 * 4 * 64


def test_lengths_that_are_plain_numbers_are_no_values_of_the_input():
    def packed(lstm, x):
        return lstm(nn.utils.rnn.pack_padded_sequence(x, [5, 2], batch_first=True))[0].data

    counts = counted(With(packed, nn.LSTM(8, 8, batch_first=True)), torch.randn(2, 5, 8))
    assert (counts.macs, counts.value_reads) == (7 * 32 * 16, 0)


def test_a_convolution_without_padding_in_words_has_a_peak():
    assert counted(nn.Conv2d(3, 4, 3, padding="valid"), torch.randn(2, 3, 9, 8)).peak_bytes >= 2 * 4 * 42 * 4


def test_directions_have_rules_too():
    model = With(lambda fc, x: torch.func.jvp(fc, (x,), (torch.ones_like(x),))[1])
    assert counted(model, X).macs >= 2 * 4 * 64


def record_of(*shape, values=None):
    return Recorded(torch.Size(shape), torch.bfloat16, None, 0, recorded_values=values)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("_flash_attention_forward", 0, 0),
        ("_flash_attention_backward", 1, 2),
        ("_efficient_attention_forward", 0, 1),
        ("_efficient_attention_backward", 1, 2),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_attention_with_rows_first_counts_pairs_forward_and_twice_backward(name, before, after, packed):
    rows = record_of(8, 2, 16) if packed else record_of(2, 4, 2, 16)
    starts = record_of(3, values=(0, 3, 8)) if packed else None
    pairs = 2 * (9 + 25 if packed else 2 * 4 * 4)
    args = [rows] * before + [rows] * 3 + [None] * after + [starts, starts, 5, 5]
    operation = getattr(torch.ops.aten, name).default
    macs, _ = counts_of(operation, args, {}, rows)
    assert macs == pairs * 2 * 16 * (2 if before else 1)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x[torch.randperm(4)],
        lambda x: x[tuple(torch.tril_indices(4, 4))],
        lambda x: torch.block_diag(x, x),
        torch.diag_embed,
        lambda _: F.one_hot(torch.arange(5), 5),
        lambda x: (torch._assert_async(torch.tensor(True)), x.clone())[1],
    ],
)
def test_what_only_moves_or_marks_is_free(function):
    assert flops(function, X) == 0


def test_a_mark_for_the_profiler_is_free():
    def marked(x):
        with torch.profiler.record_function("mark"):
            return x.clone()

    assert flops(marked, X) == 0
