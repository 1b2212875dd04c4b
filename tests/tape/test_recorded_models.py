"""Models that people really have are counted: whatever their constructors do, and whatever they look at."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from kaoprof.tape.layers import count_layers
from kaoprof.tape.models import record_workload
from kaoprof.tape.products import has_unused_products, written_out
from kaoprof.tape.tree import layer_tree
from kaoprof.workload.workload import TensorSpec, Workload

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
EIGHT = 4 * 8 * 8  # MACs of a linear layer from 8 to 8, for 4 samples


def workload(factory, *shapes, mode="forward", input_grad=False, dtype="fp32", args=()):
    inputs = tuple(TensorSpec(shape=shape, dtype=dtype) for shape in shapes)
    return Workload(
        factory=f"{__name__}:{factory.__name__}", args=args, inputs=inputs, mode=mode, input_grad=input_grad
    )


def recorded(factory, *shapes, **options):
    """The tape of a factory's model, and its layers by their paths."""
    tape = record_workload(workload(factory, *shapes, **options)).tape
    return tape, {layer.layer: layer for layer in layer_tree(count_layers(tape))}


def macs(factory, *shapes, **options):
    return recorded(factory, *shapes, **options)[1][""].macs


class RatesFromValues(nn.Module):
    """Drop rates and widths that a constructor reads from tensors, numpy and lists, as most vision models do."""

    def __init__(self):
        super().__init__()
        self.rates = [rate.item() for rate in torch.linspace(0, 0.1, 3)]
        widths = (torch.arange(2) * 4 + 4).int().tolist()
        self.first = nn.Linear(8, widths[0] + int(np.asarray([4]).sum()))
        self.second = nn.Linear(int(torch.unique(torch.tensor([8, 8]))), 8)

    def forward(self, x):
        return self.second(self.first(x)) * self.rates[1]


class LegacyConstant(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.register_buffer("table", torch.FloatTensor([[math.sin(i) for i in range(8)]]))

    def forward(self, x):
        assert self.table[0, 0].item() == 0.0  # small buffers keep their values
        return self.fc(x) + self.table + torch.arange(x.shape[-1])


class OwnInitialisation(nn.Module):
    """Looks at its weights until they please: so they must be real."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        with torch.no_grad():
            while self.fc.weight.abs().max().item() > 0.01:
                self.fc.weight.mul_(0.5)

    def forward(self, x):
        return self.fc(x)


READY = nn.Linear(8, 8)


def made_before():
    return READY


def scripted():
    return torch.jit.script(nn.Sequential(nn.Linear(8, 8), nn.ReLU()))


def exported():
    return torch.export.export(nn.Sequential(nn.Linear(8, 8)), (torch.zeros(4, 8),)).module()


def spectral():
    return nn.utils.spectral_norm(nn.Linear(8, 8))


def parametrised():
    return nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))


def parallel():
    return nn.DataParallel(nn.Linear(8, 8))


class ReadsValues(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        y = self.fc(x)
        assert torch.isfinite(y).all()
        return y / y.max() if y.max() > -9 else self.fc(y)


class ByDevice(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        with torch.autocast(device_type=x.device.type, enabled=False):
            return self.fc(x)


class Caught(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        try:
            return self.fc(x[:, :3])
        except RuntimeError:
            return self.fc(x)


class Indices(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        return SimpleNamespace(best=self.fc(x).argmax(-1), name=None)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # from torch 2.14 on; people have such models
@pytest.mark.parametrize(
    ("factory", "expected", "how"),
    [
        (RatesFromValues, 2 * EIGHT, "fake"),
        (LegacyConstant, EIGHT, "fake"),
        (OwnInitialisation, EIGHT, "fake"),
        (made_before, EIGHT, "fake"),
        (scripted, EIGHT, "fake"),
        (exported, EIGHT, "fake"),
        (spectral, EIGHT + 8 * 8 + 8, "fake"),  # and u (W v)
        (parametrised, EIGHT, "fake"),
        (parallel, EIGHT, "fake"),
        (ByDevice, EIGHT, "fake"),
        (Caught, EIGHT, "fake"),
        (Indices, EIGHT, "fake"),
        (ReadsValues, EIGHT, "real"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_model_is_built_as_its_code_says_and_recorded(factory, expected, how):
    tape, layers = recorded(factory, (4, 8))
    assert layers[""].macs == expected
    assert not layers[""].uncounted
    assert tape.recorded == how
    assert bool(tape.value_reads) == (how == "real")


def test_what_was_built_without_data_holds_none():
    module = record_workload(workload(RatesFromValues, (4, 8))).module
    assert all(type(parameter).__name__ == "FakeTensor" for parameter in module.parameters())
    assert all(isinstance(parameter, nn.Parameter) for parameter in module.parameters())


def lazy():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(2))


def test_lazy_modules_have_the_weights_that_their_first_call_gives_them():
    _, layers = recorded(lazy, (2, 3, 6, 6))
    assert layers[""].macs == 2 * (4 * 16 * 27 + 64 * 2)
    assert layers[""].params + layers[""].params_norm == 4 * 28 + 8 + 65 * 2


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(6, 8, batch_first=True)

    def forward(self, x):
        packed = nn.utils.rnn.pack_padded_sequence(x, [5, 3, 2], batch_first=True)
        return nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], batch_first=True)[0]


def test_a_packed_sequence_costs_the_steps_that_it_has():
    assert macs(Packed, (3, 5, 6)) == (5 + 3 + 2) * 4 * 8 * (6 + 8)


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 8))

    def forward(self, x):
        return F.linear(torch.nested.nested_tensor([x[0, :3], x[1, :5]], layout=torch.jagged), self.w).values()


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_tensor_costs_the_rows_that_it_has():
    assert macs(Nested, (2, 5, 8)) == (3 + 5) * 8 * 4


class Forces(nn.Module):
    """An energy and its derivative, also without gradients around it."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.fc(x).pow(2).sum(), x)[0]


def test_a_derivative_inside_of_a_forward_pass_is_counted_where_it_belongs():
    _, layers = recorded(Forces, (4, 8))
    assert layers[""].macs == layers["fc"].macs == 2 * EIGHT


def frozen_base():
    return nn.Sequential(nn.Linear(8, 8).requires_grad_(False), nn.ReLU(inplace=True), nn.Linear(8, 8))


def test_a_real_step_differentiates_neither_its_input_nor_what_is_frozen():
    _, layers = recorded(frozen_base, (4, 8), mode="train")
    assert layers["0"].macs == EIGHT  # forward only
    assert layers["2"].macs == 2 * EIGHT  # forward, and the gradient of its weight: nothing before it needs one
    assert macs(frozen_base, (4, 8), mode="train", input_grad=True) == 2 * EIGHT + 3 * EIGHT


def in_place_first():
    return nn.Sequential(nn.ReLU(inplace=True), nn.Linear(8, 8))


def test_training_code_may_write_to_its_input_and_set_its_flag():
    assert macs(in_place_first, (4, 8), mode="train") == 2 * EIGHT


class SetsTheFlag(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x):
        x = x[:]
        x.requires_grad = True  # as wav2vec's encoder does
        return self.fc(x)


def test_an_input_without_gradients_is_a_leaf():
    assert macs(SetsTheFlag, (4, 8), mode="train") == 3 * EIGHT


class Checkpointed(nn.Module):
    def __init__(self, reentrant):
        super().__init__()
        self.a = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 8))
        self.b = nn.Linear(8, 8)
        self.reentrant = reentrant

    def forward(self, x):
        return self.b(checkpoint(self.a, x, use_reentrant=self.reentrant))


@pytest.mark.parametrize(("reentrant", "second"), [(False, 3), (True, 4)])  # the last one need not run again
def test_what_is_computed_again_belongs_to_the_layer_that_is(reentrant, second):
    tape, layers = recorded(Checkpointed, (4, 8), mode="train", input_grad=True, args=(reentrant,))
    forward = 4 * 8 * 16
    assert layers["a.0"].macs == 4 * forward
    assert layers["a.2"].macs == second * forward
    assert layers["b"].macs == 3 * EIGHT
    phases = {event.phase for event in tape.events if hasattr(event, "phase")}
    assert phases == {"forward", "backward", "recomputed"}


class Box:
    def __init__(self, tensor):
        self.tensor = tensor


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(8, 8))

    def forward(self, box):
        return Box(box.tensor @ self.w)


class Boxes(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = Part(), Part()

    def forward(self, x):
        return self.b(self.a(Box(x)))


def test_a_backward_pass_finds_its_layers_through_objects():
    _, layers = recorded(Boxes, (4, 8), mode="train", input_grad=True)
    assert (layers["a"].macs, layers["b"].macs, layers[""].macs) == (3 * EIGHT, 3 * EIGHT, 6 * EIGHT)


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        child = nn.Linear(8, 8, bias=False)
        self.a, self.b = nn.Sequential(child), nn.Sequential(child)
        self.hidden = [nn.Linear(8, 8)]  # no submodule: its work is that of the module around it
        self.never = nn.ParameterList([nn.Parameter(torch.zeros(3)), nn.Parameter(torch.zeros(4))])
        self.idle = nn.ModuleDict({"one": nn.Linear(2, 2), "none": nn.ReLU()})

    def forward(self, x):
        return self.hidden[0](self.a(x) + self.b(x))


def test_the_rows_sum_to_the_whole_whoever_holds_and_whoever_calls():
    _, layers = recorded(Shared, (4, 8))
    assert (layers["a.0"].macs, layers["b.0"].macs) == (EIGHT, EIGHT)
    assert (layers["a.0"].params, layers["b.0"].params) == (64, 0)
    assert layers["(itself)"].macs == EIGHT
    assert layers["never"].params == 7
    assert layers["idle.one"].params == 6
    assert "idle.none" not in layers
    leaves = [layer for layer in layers.values() if layer.leaf]
    for quantity in ("macs", "params", "elementwise"):
        assert sum(getattr(leaf, quantity) for leaf in leaves) == getattr(layers[""], quantity), quantity
    assert layers[""].params == 64 + 7 + 6


def attention():
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)


def test_the_fused_evaluation_of_an_encoder_hides_no_row():
    _, layers = recorded(attention, (2, 5, 8))
    assert layers["self_attn"].macs == 2 * (4 * 5 * 8 * 8 + 2 * 5 * 5 * 8)
    assert layers["linear1"].macs == layers["linear2"].macs == 2 * 5 * 8 * 16
    assert layers["self_attn.out_proj"].params == 8 * 8 + 8  # never called, yet its weights are there


def deep(levels):
    return nn.ModuleList([nn.Linear(4, 4)]) if not levels else Level(levels)


class Level(nn.Module):
    def __init__(self, levels):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.inner = Level(levels - 1) if levels > 1 else None

    def forward(self, x):
        x = self.fc(x)
        return x if self.inner is None else self.inner(x)


def test_modules_may_lie_as_deep_as_python_allows():
    assert macs(Level, (1, 8), args=(200,)) == 200 * 64


class Grows(nn.Module):
    def __init__(self):
        super().__init__()
        self.k = nn.Linear(8, 8)
        self.cache = None

    def forward(self, x):
        k = self.k(x)
        self.cache = k if self.cache is None else torch.cat([self.cache, k], 1)
        return (x @ self.cache.mT).softmax(-1) @ self.cache


def test_a_cache_is_afterwards_as_it_was():
    assert record_workload(workload(Grows, (1, 6, 8))).module.cache is None


def sparse():
    return nn.Embedding(50, 8, sparse=True)


def test_a_lookup_multiplies_nothing_and_its_sparse_gradient_is_no_obstacle():
    inputs = (TensorSpec(shape=(2, 5), dtype="int64", high=50),)
    work = Workload(factory=f"{__name__}:sparse", inputs=inputs, mode="train")
    layers = layer_tree(count_layers(record_workload(work).tape))
    assert (layers[0].macs, layers[0].params) == (0, 400)


class Scalar(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.Parameter(torch.tensor(2.0))

    def forward(self, t, x):
        return self.p * t * x


def test_a_scalar_may_come_first():
    _, layers = recorded(Scalar, (), (1, 10))
    assert layers[""].flops_all == 1 + 10


class Asks(nn.Module):
    """Decides by whole numbers of its input, whose values are kept."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, index):
        x = F.one_hot(index, 8).float()
        return self.fc(x[index > 2])


def test_small_whole_numbers_keep_their_values_and_the_tape_says_what_they_decided():
    inputs = (TensorSpec(shape=(100,), dtype="int64", high=8),)
    tape = record_workload(Workload(factory=f"{__name__}:Asks", inputs=inputs)).tape
    rows = count_layers(tape)[""]
    assert tape.recorded == "fake"
    assert tape.value_reads > 0
    chosen = count_layers(tape)["fc"].output_shape[0]
    assert 0 < chosen < 100
    assert count_layers(tape)["fc"].macs == chosen * 64
    assert rows.uncounted == {}


class WrittenOut(nn.Module):
    """Similarities as products and sums, element by element."""

    def forward(self, x, y):
        return ((x[:, :, None] * y[:, None]).sum(-1) + 1) * 2


def test_a_contraction_that_is_written_out_is_no_mac_but_is_noticed():
    tape, layers = recorded(WrittenOut, (2, 3, 5), (2, 4, 5))
    assert layers[""].macs == 0
    assert written_out(tape) == 2 * 3 * 4 * 5
    assert layers[""].flops_all == 2 * 3 * 4 * (5 + 4 + 2)


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        unused = self.a(x).view(-1)  # noqa: F841 - that is the point
        return self.b(x)


def test_a_product_that_nobody_uses_is_noticed():
    assert has_unused_products(recorded(Unused, (4, 8))[0])
    assert not has_unused_products(recorded(Caught, (4, 8))[0])
    assert not has_unused_products(recorded(attention, (2, 5, 8))[0])
