"""What oneDNN and the native kernel hold for themselves, against the allocator's events."""

import pytest
import torch

from kaoprof.bench.meters import CpuMeters
from kaoprof.memory.kernels import convolution as convolution_scratch
from kaoprof.memory.kernels.convolution_geometry import BLOCKS
from kaoprof.memory.kernels.onednn import multiplies_in_blocks
from kaoprof.memory.kernels.table import scratch_bytes, scratch_gap

aten = torch.ops.aten
SLACK_BYTES = 4096  # biases padded to whole blocks, descriptions of a kernel's calls
# A gradient may differ by buffers as large as the weights in single precision, or as a few rows of an image:
GRADIENT_SLACK_BYTES = 100_000

KNOWN_PROCESSOR = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in BLOCKS, reason="unknown vector width"
)
DTYPES = [
    torch.float32,
    pytest.param(torch.float16, marks=pytest.mark.skipif(
        torch.ops.mkldnn._is_mkldnn_fp16_supported(), reason="this processor has kernels for float16")),
    pytest.param(torch.bfloat16, marks=pytest.mark.skipif(
        not multiplies_in_blocks(torch.bfloat16), reason="bfloat16 goes another way on this processor")),
]  # fmt: skip

SHAPES = [  # axes, batch, channels in, out, size, kernel, stride, padding, dilation, groups
    (2, 1, 3, 32, 224, 3, 2, 1, 1, 1),  # a first layer: its input is read as it is
    (2, 2, 3, 48, 64, 4, 4, 0, 1, 1),  # patches
    (2, 1, 24, 120, 56, 1, 1, 0, 1, 1),  # channels padded to whole blocks
    (2, 1, 5, 24, 56, 1, 1, 0, 1, 1),  # single points pad also few channels
    (2, 1, 144, 144, 56, 3, 2, 1, 1, 144),  # depthwise
    (2, 2, 24, 24, 28, 5, 1, 2, 1, 24),  # depthwise, with more taps than there is a kernel for
    (2, 2, 32, 32, 28, 3, 1, 2, 2, 32),  # depthwise, dilated
    (2, 1, 160, 320, 7, 1, 1, 0, 1, 1),  # so small that the native kernel takes it; 1 x 1 needs no columns
    (2, 1, 32, 32, 10, 3, 1, 1, 1, 1),  # native, with columns
    (2, 2, 160, 320, 7, 1, 1, 0, 1, 1),  # a batch goes to oneDNN
    (2, 3, 64, 128, 28, 1, 2, 0, 1, 1),  # a strided 1 x 1 gathers what it reads
    (2, 3, 64, 128, 29, 1, 2, 0, 1, 1),  # but not where the stride leaves a rest
    (2, 1, 64, 64, 28, 3, 1, 1, 1, 4),  # groups of whole blocks
    (2, 2, 24, 40, 28, 3, 1, 1, 1, 2),  # groups of half blocks and less
    (2, 2, 48, 48, 28, 3, 1, 1, 1, 2),  # whole blocks in single precision, not in bfloat16
    (2, 2, 20, 64, 28, 5, 2, 2, 1, 1),
    (2, 2, 64, 64, 28, 3, 1, 2, 2, 1),  # dilated
    (1, 2, 32, 48, 300, 5, 1, 2, 1, 1),
    (3, 1, 16, 32, 14, 3, 1, 1, 1, 1),
    (3, 2, 24, 24, 14, 3, 1, 1, 1, 24),  # depthwise volumes
    (2, 1, 5, 40, 28, 25, 2, 1, 1, 1),  # a first layer wider than its gradient's kernel
    (2, 1, 160, 24, 10, 5, 1, 1, 2, 1),  # large kernels go to oneDNN also on small images
    (2, 16, 24, 40, 10, 1, 1, 0, 1, 1),  # many samples go to oneDNN also on one thread
    (2, 1, 160, 40, 56, 1, 2, 0, 1, 1),  # strides go there too
    (2, 1, 24, 24, 56, 3, 1, 1, 2, 24),  # depthwise, dilated, of one sample
    (2, 3, 144, 144, 28, 2, 1, 1, 1, 144),
    (3, 3, 1, 40, 7, 1, 1, 0, 1, 1),  # single points of volumes
    (3, 2, 64, 16, 9, 3, 1, 1, 1, 2),  # volumes in groups of half blocks
    (3, 1, 20, 32, 9, 1, 3, 0, 1, 1),
]


def tensors(shape, dtype, *, transposed=False):
    """Input, weights and the other arguments of `aten.convolution`."""
    axes, batch, channels, out, size, kernel, stride, padding, dilation, groups = shape
    given, inner = (out, channels) if transposed else (channels, channels // groups)
    x = torch.randn(batch, given, *[size] * axes, dtype=dtype)
    weight = torch.randn(out, inner, *[kernel] * axes, dtype=dtype)
    rest = [stride] * axes, [padding] * axes, [dilation] * axes, transposed, [0] * axes, groups
    return x, weight, rest


def skip_unknown(shape, dtype):
    if dtype == torch.float16 and shape[8] > 1:
        pytest.skip("torch's own kernel for dilation is not modelled")


def measured(operation, *args):
    """The peak while it runs, and the bytes of what it answers."""

    def step():
        with torch.no_grad():
            return operation(*args)

    answer = step()
    answers = answer if isinstance(answer, tuple) else (answer,)
    return CpuMeters().peak(step)["allocated"], sum(tensor.nbytes for tensor in answers if tensor is not None)


def assert_predicted(operation, args, threads, slack):
    peak, answers = measured(operation, *args)
    predicted = answers + max(0, scratch_bytes(operation, args, {}, device="cpu", threads=threads))
    assert scratch_gap(operation, args, device="cpu") is None
    assert abs(predicted - peak) <= max(slack, 0.01 * peak)


@KNOWN_PROCESSOR
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_convolution_is_predicted(shape, dtype, threads):
    skip_unknown(shape, dtype)
    x, weight, rest = tensors(shape, dtype)
    assert_predicted(aten.convolution.default, (x, weight, None, *rest), threads, SLACK_BYTES)


@KNOWN_PROCESSOR
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_its_gradients_are_predicted(shape, dtype, threads):
    skip_unknown(shape, dtype)
    x, weight, rest = tensors(shape, dtype)
    grad_out = torch.randn_like(aten.convolution.default(x, weight, None, *rest))
    args = (grad_out, x, weight, None, *rest, [True, True, False])
    assert_predicted(aten.convolution_backward.default, args, threads, GRADIENT_SLACK_BYTES)


@KNOWN_PROCESSOR
@pytest.mark.parametrize("dtype", [DTYPES[0], DTYPES[2]], ids=str)
@pytest.mark.parametrize("wanted", [(True, False), (False, True), (True, True)], ids=str)
@pytest.mark.parametrize("skewed", [False, True])
def test_each_gradient_is_predicted_alone(dtype, wanted, skewed, threads):
    x, weight, rest = tensors((2, 2, 64, 96, 28, 3, 1, 1, 1, 1), dtype)
    grad_out = torch.randn_like(aten.convolution.default(x, weight, None, *rest))
    given = grad_out.mT if skewed else grad_out  # which is copied first
    args = (given, x, weight, None, *rest, [*wanted, False])
    assert_predicted(aten.convolution_backward.default, args, threads, GRADIENT_SLACK_BYTES)


@KNOWN_PROCESSOR
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(2, 2, 32, 64, 32, 2, 2, 0, 1, 1), (2, 1, 4, 8, 16, 2, 2, 0, 1, 1),
                                   (2, 2, 32, 64, 28, 3, 1, 1, 1, 1), (2, 16, 16, 40, 28, 1, 2, 0, 1, 1)],
                         ids=str)  # fmt: skip
def test_transposed_convolutions_are_predicted(shape, dtype, threads):
    x, weight, rest = tensors(shape, dtype, transposed=True)
    assert_predicted(aten.convolution.default, (x, weight, None, *rest), threads, 4 * SLACK_BYTES)
    grad_out = torch.randn_like(aten.convolution.default(x, weight, None, *rest))
    args = (grad_out, x, weight, None, *rest, [True, True, False])
    assert_predicted(aten.convolution_backward.default, args, threads, GRADIENT_SLACK_BYTES)


@KNOWN_PROCESSOR
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(("axes", "dtype", "out", "size", "more"), [
    (2, torch.float32, 12, 28, 1), (2, torch.float32, 8, 28, 0),
    (2, torch.bfloat16, 12, 28, 0), (2, torch.bfloat16, 16, 28, 1), (3, torch.float32, 16, 6, 0),
    (3, torch.bfloat16, 16, 6, 0),
])  # fmt: skip
def test_transposed_convolutions_into_few_channels_and_with_a_bias_are_predicted(axes, dtype, out, size, more, biased):
    x = torch.randn(2, 64, *[size] * axes, dtype=dtype)
    weight, bias = torch.randn(64, out, *[3] * axes, dtype=dtype), torch.randn(out, dtype=dtype)
    rest = [2] * axes, [1] * axes, [1] * axes, True, [more] * axes, 1
    args = (x, weight, bias if biased else None, *rest)
    assert_predicted(aten.convolution.default, args, torch.get_num_threads(), SLACK_BYTES)
    grad_out = torch.randn_like(aten.convolution.default(*args))
    args = (grad_out, x, weight, None, *rest, [True, True, False])
    assert_predicted(aten.convolution_backward.default, args, torch.get_num_threads(), GRADIENT_SLACK_BYTES)


@KNOWN_PROCESSOR
@pytest.mark.parametrize("dtype", [DTYPES[0], DTYPES[2]], ids=str)
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_gradient_whose_channels_lie_innermost_is_copied_for_an_input_in_order(kernel, dtype):
    x, weight, rest = tensors((2, 2, 64, 48, 28, kernel, 1, kernel // 2, 1, 1), dtype)
    grad_out = torch.randn_like(aten.convolution.default(x, weight, None, *rest))
    turned = grad_out.to(memory_format=torch.channels_last)
    hidden = [
        scratch_bytes(
            aten.convolution_backward.default, (grad, x, weight, None, *rest, [True, True, False]), {}, device="cpu",
            threads=torch.get_num_threads(),
        )
        for grad in (grad_out, turned)
    ]  # fmt: skip
    assert hidden[1] - hidden[0] == grad_out.nbytes
    args = (turned, x, weight, None, *rest, [True, True, False])
    assert_predicted(aten.convolution_backward.default, args, torch.get_num_threads(), GRADIENT_SLACK_BYTES)


@KNOWN_PROCESSOR
@pytest.mark.parametrize("shape", [(2, 2, 32, 48, 28, 3, 1, 1, 1, 1), (2, 2, 128, 256, 14, 1, 1, 0, 1, 1),
                                   (2, 2, 32, 32, 28, 3, 1, 1, 1, 32)], ids=str)  # fmt: skip
def test_channels_last_tensors_are_computed_on_as_they_are(shape):
    x, weight, rest = tensors(shape, torch.float32)
    args = (x.to(memory_format=torch.channels_last), weight, None, *rest)
    peak, answer = measured(aten.convolution.default, *args)
    hidden = scratch_bytes(aten.convolution.default, args, {}, device="cpu", threads=torch.get_num_threads())
    assert hidden < x.nbytes
    assert answer + hidden == pytest.approx(peak, abs=16_384)


@KNOWN_PROCESSOR
def test_a_tensor_that_lies_in_no_order_is_copied_first():
    x, weight, rest = tensors((2, 2, 32, 48, 28, 3, 1, 1, 1, 1), torch.float32)
    skewed = x.permute(0, 1, 3, 2)
    args = (skewed, weight, None, *rest)
    peak, answer = measured(aten.convolution.default, *args)
    hidden = scratch_bytes(aten.convolution.default, args, {}, device="cpu", threads=torch.get_num_threads())
    assert answer + hidden == pytest.approx(peak, rel=0.01)
    in_order = scratch_bytes(
        aten.convolution.default, (x, weight, None, *rest), {}, device="cpu", threads=torch.get_num_threads()
    )
    assert hidden == in_order + x.nbytes


@pytest.mark.parametrize(("shape", "named"), [
    ((2, 2, 12, 20, 28, 3, 1, 1, 1, 4), "convolution of small groups"),
    ((2, 2, 32, 32, 28, 3, 2, 2, 2, 1), "dilated, and strided"),
    ((2, 2, 32, 32, 5, 5, 1, 2, 1, 1), "as wide as its input"),
    ((2, 2, 32, 32, 28, 9, 1, 4, 1, 2), "of groups with a large kernel"),
])  # fmt: skip
def test_what_is_not_modelled_is_named(shape, named):
    x, weight, rest = tensors(shape, torch.float32)
    assert named in scratch_gap(aten.convolution.default, (x, weight, None, *rest), device="cpu")
    grad_out = aten.convolution.default(x, weight, None, *rest)
    args = (grad_out, x, weight, None, *rest, [True, True, False])
    assert named in scratch_gap(aten.convolution_backward.default, args, device="cpu")
    on_a_gpu = scratch_gap(aten.convolution.default, (x, weight, None, *rest), device="cuda")
    assert on_a_gpu == "convolution by cuDNN"


DEPTHWISE = [  # axes, batch, channels in, out, size, kernel, stride, padding, dilation, groups
    (2, 2, 24, 24, 14, 3, 1, 1, 1, 24),
    (2, 2, 24, 24, 14, 2, 1, 1, 1, 24),
    (2, 4, 32, 32, 28, 3, 3, 1, 1, 32),
    (2, 2, 96, 96, 14, 7, 1, 3, 1, 96),  # no kernel for it, from here on
    (2, 2, 96, 96, 14, 4, 2, 1, 1, 96),
    (2, 2, 24, 24, 14, 3, 4, 1, 1, 24),
    (2, 2, 24, 24, 14, 3, 1, 2, 2, 24),
    (3, 2, 24, 24, 8, 3, 1, 1, 1, 24),
]


def innermost(shape, dtype, mask):
    """The arguments of the gradients of a convolution whose channels lie innermost."""
    x, weight, rest = tensors(shape, dtype)
    x = x.to(memory_format=torch.channels_last if shape[0] == 2 else torch.channels_last_3d)
    grad_out = torch.randn_like(aten.convolution.default(x, weight, None, *rest))
    return grad_out, x, weight, None, *rest, mask


@KNOWN_PROCESSOR
@pytest.mark.parametrize("mask", [[True, True, False], [True, False, False], [False, True, False]], ids=str)
@pytest.mark.parametrize("shape", DEPTHWISE, ids=str)
def test_gradients_of_depthwise_convolutions_are_predicted_where_channels_lie_innermost(shape, mask):
    args = innermost(shape, torch.float32, mask)
    peak, answer = measured(aten.convolution_backward.default, *args)
    hidden = scratch_bytes(aten.convolution_backward.default, args, {}, device="cpu", threads=torch.get_num_threads())
    assert answer + hidden == pytest.approx(peak, rel=0.001)


@pytest.mark.parametrize(("shape", "dtype", "named"), [
    ((2, 2, 32, 32, 28, 3, 1, 1, 1, 1), torch.float32, True),
    ((2, 2, 32, 32, 28, 3, 1, 1, 1, 32), torch.float32, False),
    ((2, 2, 32, 32, 28, 7, 1, 3, 1, 32), torch.float32, False),
    ((2, 2, 32, 32, 28, 3, 1, 1, 1, 32), torch.bfloat16, False),
    ((2, 2, 32, 32, 28, 3, 2, 1, 1, 32), torch.bfloat16, True),
    ((2, 2, 32, 32, 28, 7, 1, 3, 1, 32), torch.bfloat16, True),
])  # fmt: skip
def test_gradients_where_channels_lie_innermost_are_named_but_those_that_are_modelled(monkeypatch, shape, dtype, named):
    monkeypatch.setattr(convolution_scratch, "_computed_otherwise", lambda _: False)
    monkeypatch.setattr(convolution_scratch, "multiplies_in_blocks", lambda dtype: dtype == torch.bfloat16)
    gap = scratch_gap(aten.convolution_backward.default, innermost(shape, dtype, [True, True, False]), device="cpu")
    assert gap == ("gradients of a convolution whose channels lie innermost" if named else None)


def test_half_precision_volumes_by_torchs_own_kernel_are_named(monkeypatch):
    x, weight, rest = tensors((3, 1, 32, 32, 9, 3, 1, 1, 1, 2), torch.float16)
    monkeypatch.setattr(convolution_scratch, "_computed_otherwise", lambda _: False)
    named = scratch_gap(aten.convolution.default, (x, weight, None, *rest), device="cpu")
    assert named == "convolution of volumes, in groups or transposed, by torch's own kernel"


def test_bfloat16_on_other_processors_is_named(monkeypatch):
    x, weight, rest = tensors((2, 1, 32, 32, 28, 3, 1, 1, 1, 1), torch.bfloat16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    named = scratch_gap(aten.convolution.default, (x, weight, None, *rest), device="cpu")
    assert named == "convolution in bfloat16 on this processor"
    assert "matrix units" in scratch_gap(aten.mm.default, (x[0, 0], x[0, 0]), device="cpu")
