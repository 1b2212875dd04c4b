"""The operators against slow references written with loops, and against what the paper says of them."""

import itertools
import math

import pytest
import torch
from representatives import mostly_slow
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx

from kaoprof import operators
from kaoprof.catalog import OPERATORS, group
from kaoprof.dims import IMPLEMENTATIONS, AttentionOptions
from kaoprof.errors import UsageError
from kaoprof.operators import kronecker
from kaoprof.operators.kronecker import axis_averages, outer_sum

MODULES = {
    "nonlocal": operators.NonLocalAttention,
    "nonlocal_pool": operators.NonLocalPooledAttention,
    "kao_kv": operators.KroneckerAttentionKV,
    "kao_qkv": operators.KroneckerAttentionQKV,
}
SIZES = [(5,), (3, 4), (2, 3, 4)]
EVERY = list(itertools.product(MODULES, SIZES, IMPLEMENTATIONS))
CHANNELS = 6
BATCH = 2


PLANE_BYTES = 5 * 7 * 8  # of a channel of a sample, in float64


@pytest.fixture
def in_parts_of(monkeypatch):
    """Makes the operators average what is larger than so many planes part by part."""

    def of(planes):
        monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
        monkeypatch.setattr(kronecker, "PART_BYTES", planes * PLANE_BYTES // 2)
        monkeypatch.setattr(kronecker, "LEAST_PARTS", 2)
        monkeypatch.setattr(kronecker, "LARGE_PLANE_BYTES", PLANE_BYTES)

    return of


def make(name, **options):
    torch.manual_seed(1)
    return MODULES[name](CHANNELS, **options).double()


def make_input(spatial):
    return torch.randn(BATCH, CHANNELS, *spatial, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def positions_of(spatial):
    return list(torch.cartesian_prod(*(torch.arange(size) for size in spatial)).reshape(-1, len(spatial)).tolist())


def reference_attention(queries, keys_values, weights, options):
    """softmax(scale * Q K^T) V for one sample, entry by entry: lists of (c,) vectors in, list of (c,) vectors out."""

    def transform(name, vectors):
        return [weights[name] @ vector for vector in vectors] if name in weights else vectors

    q, k, v = transform("query", queries), transform("key", keys_values), transform("value", keys_values)
    size = CHANNELS // options.heads
    scale = 1 / math.sqrt(size) if options.scale == "sqrt" else 1.0
    results = []
    for query in q:
        parts = []
        for head in range(options.heads):
            channels = slice(head * size, (head + 1) * size)
            similarities = [float((query[channels] * key[channels]).sum()) * scale for key in k]
            largest = max(similarities)
            weights_of_keys = [math.exp(similarity - largest) for similarity in similarities]
            total = sum(weights_of_keys)
            parts.append(sum(w / total * value[channels] for w, value in zip(weights_of_keys, v, strict=True)))
        results.append(torch.cat(parts))
    return transform("output", results)


def reference(name, x, weights, options):
    """The operator, sample by sample and position by position."""
    spatial = x.shape[2:]
    places = positions_of(spatial)
    out = torch.empty_like(x)
    for sample in range(x.shape[0]):
        vectors = [x[(sample, slice(None), *place)] for place in places]
        lines = [list(range(size)) for size in spatial]
        averages = [
            [torch.stack([v for v, p in zip(vectors, places, strict=True) if p[axis] == i]).mean(0) for i in line]
            for axis, line in enumerate(lines)
        ]
        flat = [average for axis in averages for average in axis]
        if name == "nonlocal" or (len(spatial) == 1 and name.startswith("kao")):
            results = reference_attention(vectors, vectors, weights, options)
        elif name == "nonlocal_pool":
            windows = {}
            for vector, place in zip(vectors, places, strict=True):
                windows.setdefault(tuple(i // 2 for i in place), []).append(vector)
            pooled = [torch.stack(windows[key]).amax(0) for key in sorted(windows)]
            results = reference_attention(vectors, pooled, weights, options)
        elif name == "kao_kv":
            results = reference_attention(vectors, flat, weights, options)
        else:
            attended = reference_attention(flat, flat, weights, options)
            starts = [sum(spatial[:axis]) for axis in range(len(spatial))]
            results = [sum(attended[start + i] for start, i in zip(starts, place, strict=True)) for place in places]
        for place, result in zip(places, results, strict=True):
            out[(sample, slice(None), *place)] = result
    return out


VARIED = [("none", 1, "none"), ("value", 1, "sqrt"), ("qkv", 2, "sqrt"), ("qkvo", 3, "none")]


@pytest.mark.parametrize(
    ("name", "spatial", "implementation", "projection", "heads", "scale"),
    mostly_slow([(*case, *varied) for case in EVERY for varied in VARIED], together=2),
)
def test_every_operator_agrees_with_a_loop(name, spatial, implementation, projection, heads, scale):
    options = AttentionOptions(heads=heads, projection=projection, scale=scale, implementation=implementation)
    module = make(name, heads=heads, projection=projection, scale=scale, implementation=implementation)
    x = make_input(spatial)
    weights = {key.split(".")[1]: value.detach() for key, value in module.state_dict().items()}
    with torch.no_grad():
        torch.testing.assert_close(module(x), reference(name, x, weights, options), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("name", "spatial", "implementation"), mostly_slow(EVERY))
def test_gradients_are_right(name, spatial, implementation):
    module = make(name, heads=2, projection="qkvo", implementation=implementation)
    x = make_input(spatial).requires_grad_()
    projected = len(spatial) == 3  # a random projection of a large Jacobian instead of every entry
    assert torch.autograd.gradcheck(module, (x,), fast_mode=projected)
    module(x).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_state_dict_moves_between_the_implementations(name, implementation):
    module = make(name, projection="qkvo", implementation=implementation)
    other = make(name, projection="qkvo", implementation="matmul")
    other.load_state_dict(module.state_dict())
    x = make_input((3, 5))
    torch.testing.assert_close(module(x), other(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", ["nonlocal", "kao_kv", "kao_qkv"])
def test_permuting_rows_and_columns_permutes_the_output_alike(name):
    module, x = make(name), make_input((4, 5))
    rows, columns = torch.tensor([2, 0, 3, 1]), torch.tensor([4, 1, 0, 3, 2])
    torch.testing.assert_close(module(x[:, :, rows][..., columns]), module(x)[:, :, rows][..., columns])


def test_averages_determine_an_outer_sum_exactly():
    rows, columns = make_input((3,)), make_input((5,))
    x = rows[..., :, None] + columns[..., None, :]
    row_means, column_means = axis_averages(x)
    overall = x.mean(dim=(2, 3))[..., None]
    torch.testing.assert_close(outer_sum((row_means - overall, column_means)), x)


def test_the_outer_sum_of_three_axes_adds_one_entry_of_each():
    parts = (make_input((2,)), make_input((3,)), make_input((4,)))
    built = outer_sum(parts)
    assert built.shape == (BATCH, CHANNELS, 2, 3, 4)
    for t, h, w in positions_of((2, 3, 4)):
        expected = parts[0][..., t] + parts[1][..., h] + parts[2][..., w]
        torch.testing.assert_close(built[..., t, h, w], expected)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_strided_inputs_are_welcome(name, implementation):
    module, x = make(name, implementation=implementation), make_input((3, 4))
    channels_last = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(module(channels_last), module(x))


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("spatial", SIZES)
@pytest.mark.parametrize("heads", [1, 3])
def test_what_is_written_in_place_without_gradients_is_what_is_kept_for_them(name, spatial, heads):
    module, x = make(name, heads=heads, projection="qkvo"), make_input(spatial)
    before = x.clone()
    with torch.no_grad():
        without = module(x)
    torch.testing.assert_close(without, module(x), rtol=1e-12, atol=1e-12)
    assert torch.equal(x, before)  # nothing but what the operator made itself was written over


@pytest.mark.parametrize("name", ["nonlocal", "kao_kv", "kao_qkv"])
def test_a_batch_made_by_vmap_is_welcome_where_no_output_can_be_given(name):
    module = make(name)
    x = torch.stack([make_input((3, 4)), 2 * make_input((3, 4))])
    with torch.no_grad():
        each = torch.stack([module(part) for part in x])
        torch.testing.assert_close(torch.func.vmap(module)(x), each)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, for its forward derivatives
@pytest.mark.parametrize("name", ["nonlocal", "kao_kv", "kao_qkv"])
def test_a_directional_derivative_is_a_difference_quotient(name):
    module, x, direction = make(name), make_input((3, 4)), make_input((4, 3)).mT
    step = 1e-6
    quotient = (module(x + step * direction) - module(x - step * direction)) / (2 * step)
    with torch.no_grad():
        _, derivative = torch.func.jvp(module, (x,), (direction,))
    torch.testing.assert_close(derivative, quotient, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["nonlocal", "kao_kv", "kao_qkv"])
def test_dual_numbers_are_welcome_where_no_output_can_be_given(in_parts_of, name):
    in_parts_of(2)
    module, x, direction = make(name), make_input((5, 7)), make_input((7, 5)).mT.contiguous()
    _, expected = torch.func.jvp(module, (x,), (direction,))
    with torch.no_grad(), forward_ad.dual_level():
        derivative = forward_ad.unpack_dual(module(forward_ad.make_dual(x, direction))).tangent
    torch.testing.assert_close(derivative, expected)


@pytest.mark.parametrize("spatial", [(3, 5), (2, 3, 5)])
@pytest.mark.parametrize("batch", [1, 2])
def test_the_gradient_of_the_input_lies_as_the_input_does(spatial, batch):
    x = torch.randn(batch, CHANNELS, *spatial, dtype=torch.float64, requires_grad=True)
    gradients = []
    inside = x * 1
    inside.register_hook(gradients.append)
    make("kao_qkv")(inside).sum().backward()
    assert [gradient.is_contiguous() for gradient in gradients] == [True]  # else whoever gets it copies it


@pytest.mark.parametrize("spatial", [(5, 7), (3, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_averages_in_half_precision_are_right_to_its_last_bits_and_do_not_overflow(spatial, dtype):
    x = (make_input(spatial) + 20_000).to(dtype)  # float16 ends at 65,504: any sum of four is more than it holds
    for axis, average in enumerate(axis_averages(x)):
        others = [2 + other for other in range(len(spatial)) if other != axis]
        assert average.dtype == dtype
        roundings = 2 * len(spatial)
        torch.testing.assert_close(
            average.double(), x.double().mean(others), rtol=roundings * torch.finfo(dtype).eps / 2, atol=0
        )


@pytest.mark.parametrize("batch", [1, 2, 3, 5])
@pytest.mark.parametrize("planes", [1, 2, 4, 6, 7])
@pytest.mark.parametrize("spatial", [(5, 7), (5, 1, 7)])
def test_large_inputs_are_averaged_part_by_part_and_alike(monkeypatch, in_parts_of, batch, planes, spatial):
    parts = []
    monkeypatch.setattr(kronecker, "axis_averages", lambda x: parts.append(x.shape[0] * x.shape[1]) or axis_averages(x))
    x = torch.randn(batch, CHANNELS, *spatial, dtype=torch.float64)
    whole = kronecker.joined_averages(x)
    assert parts == [batch * CHANNELS]
    in_parts_of(planes)
    torch.testing.assert_close(kronecker.joined_averages(x), whole, rtol=0, atol=0)
    assert sum(parts[1:]) == batch * CHANNELS
    split = batch * CHANNELS >= 2 * planes
    assert max(parts[1:]) <= (planes if split else batch * CHANNELS)
    assert (len(parts) > 2) == split


def test_small_planes_and_strided_inputs_are_averaged_at_once(monkeypatch, in_parts_of):
    calls = []
    monkeypatch.setattr(kronecker, "axis_averages", lambda x: calls.append(x.shape) or axis_averages(x))
    in_parts_of(2)
    x = torch.randn(2, CHANNELS, 5, 7, dtype=torch.float64)
    for each in (x[..., :4].contiguous(), x[..., 1:], x.to(memory_format=torch.channels_last)):
        expected = torch.cat((each.mean(3), each.mean(2)), 2)
        torch.testing.assert_close(kronecker.joined_averages(each), expected, rtol=1e-12, atol=1e-12)
    assert len(calls) == 3


@pytest.mark.filterwarnings("ignore:`torch.jit.trace")  # deprecated, but fvcore and older exporters use it
def test_what_is_recorded_is_averaged_at_once(in_parts_of):
    in_parts_of(2)
    module, x = make("kao_qkv"), torch.randn(3, CHANNELS, 5, 7, dtype=torch.float64)
    larger = torch.cat((x, x))
    with torch.no_grad():
        traced = torch.jit.trace(module, x)
        torch.testing.assert_close(traced(larger), module(larger))
        torch.testing.assert_close(torch.func.vmap(module)(torch.stack((x, 2 * x)))[1], module(2 * x))
        graph = make_fx(kronecker.joined_averages)(x)
        torch.testing.assert_close(graph(larger), kronecker.joined_averages(larger))
        torch._dynamo.reset()
        compiled = torch.compile(module, fullgraph=True, backend="eager", dynamic=True)
        with torch._dynamo.config.patch(error_on_recompile=True):
            for each in (x, larger):
                torch.testing.assert_close(compiled(each), module(each))


def test_heads_must_divide_the_channels():
    with pytest.raises(UsageError, match="6 channels cannot be split into 4 heads"):
        make("nonlocal", heads=4)


def test_sdpa_really_reaches_the_fused_kernel():
    from torch.utils._python_dispatch import TorchDispatchMode

    seen = []

    class Names(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(str(func))
            return func(*args, **(kwargs or {}))

    module = operators.NonLocalAttention(16, heads=2, implementation="sdpa")
    with torch.no_grad(), Names():
        module(torch.randn(2, 16, 6, 7))
    assert "aten._scaled_dot_product_flash_attention_for_cpu.default" in seen
    assert not any("softmax" in name for name in seen)


def test_the_catalog_names_the_modules_that_are_tested_here():
    assert {name: OPERATORS[name].factory.split(":")[1] for name in group("paper")} == {
        name: module.__name__ for name, module in MODULES.items()
    }


@pytest.mark.parametrize(("name", "spatial", "implementation"), mostly_slow(EVERY))
def test_an_operator_is_compiled_in_one_piece(name, spatial, implementation):
    torch._dynamo.reset()
    module, x = make(name, implementation=implementation, heads=2), make_input(spatial).requires_grad_()
    whole = torch.compile(module, fullgraph=True, backend="eager", dynamic=False)  # raises where the graph breaks
    torch.testing.assert_close(whole(x), module(x))
