"""What oneDNN and the native kernel hold for themselves, against the allocator's events; gaps are named."""

import pytest
import torch
from representatives import mostly_slow

from kaoprof.bench.meters import CpuMeters
from kaoprof.memory.kernels.convolution_geometry import BLOCKS
from kaoprof.memory.kernels.table import scratch_bytes, scratch_gap

aten = torch.ops.aten
SLACK_BYTES = 4096  # biases padded to whole blocks, descriptions of a kernel's calls
# A gradient may differ by buffers as large as the weights, or as a few rows of an image:
GRADIENT_SLACK_BYTES = 100_000

KNOWN_PROCESSOR = pytest.mark.skipif(
    torch.backends.cpu.get_cpu_capability() not in BLOCKS, reason="unknown vector width"
)
SHAPES = [  # axes, batch, channels in, out, size, kernel, stride, padding, dilation, groups
    (2, 1, 3, 32, 224, 3, 2, 1, 1, 1),  # a first layer: its input is read as it is
    (2, 1, 24, 120, 56, 1, 1, 0, 1, 1),  # channels padded to whole blocks
    (2, 1, 144, 144, 56, 3, 2, 1, 1, 144),  # depthwise
    (2, 1, 32, 32, 10, 3, 1, 1, 1, 1),  # so small that the native kernel takes it, with columns
    (2, 3, 64, 128, 28, 1, 2, 0, 1, 1),  # a strided 1 x 1 gathers what it reads
    (2, 2, 64, 64, 28, 3, 1, 1, 1, 1),
    (3, 1, 16, 32, 14, 3, 1, 1, 1, 1),
    (3, 2, 128, 256, 2, 3, 1, 1, 1, 1),  # hardly deeper than its padding: the weights' gradient multiplies matrices
    (3, 2, 8, 128, 8, 3, 1, 1, 1, 1),  # likewise, of few channels
    (3, 4, 8, 128, 8, 3, 1, 0, 1, 1),  # few channels in smaller blocks
    (3, 2, 48, 256, 7, 3, 2, 1, 1, 1),  # a strided gradient goes by two blocks of channels
]
MORE_SHAPES = [
    (2, 2, 3, 48, 64, 4, 4, 0, 1, 1),  # patches
    (2, 1, 5, 24, 56, 1, 1, 0, 1, 1),  # single points pad also few channels
    (2, 1, 160, 320, 7, 1, 1, 0, 1, 1),  # native: 1 x 1 needs no columns
    (2, 2, 160, 320, 7, 1, 1, 0, 1, 1),  # a batch goes to oneDNN
    (2, 3, 64, 128, 29, 1, 2, 0, 1, 1),  # gathers nothing, since the stride leaves a rest
    (2, 2, 20, 64, 28, 5, 2, 2, 1, 1),
    (2, 2, 64, 64, 28, 3, 1, 2, 2, 1),  # dilated
    (1, 2, 32, 48, 300, 5, 1, 2, 1, 1),
    (2, 16, 24, 40, 10, 1, 1, 0, 1, 1),  # many samples go to oneDNN also on one thread
    (2, 1, 160, 40, 56, 1, 2, 0, 1, 1),  # strides go there too
    (2, 3, 144, 144, 28, 2, 1, 1, 1, 144),
    (3, 3, 1, 40, 7, 1, 1, 0, 1, 1),  # single points of volumes
    (3, 1, 20, 32, 9, 1, 3, 0, 1, 1),
]
DTYPES = (torch.float32, torch.float64)


def tensors(shape, dtype, *, transposed=False):
    """Input, weights and the other arguments of `aten.convolution`."""
    axes, batch, channels, out, size, kernel, stride, padding, dilation, groups = shape
    given, inner = (out, channels) if transposed else (channels, channels // groups)
    x = torch.randn(batch, given, *[size] * axes, dtype=dtype)
    weight = torch.randn(out, inner, *[kernel] * axes, dtype=dtype)
    rest = [stride] * axes, [padding] * axes, [dilation] * axes, transposed, [0] * axes, groups
    return x, weight, rest


def measured(operation, *args):
    """The peak while it runs, and the bytes of what it answers."""

    def step():
        with torch.no_grad():
            return operation(*args)

    answer = step()
    answers = answer if isinstance(answer, tuple) else (answer,)
    return CpuMeters().peak(step)["allocated"], sum(tensor.nbytes for tensor in answers if tensor is not None)


def assert_predicted(operation, args, slack):
    peak, answers = measured(operation, *args)
    threads = torch.get_num_threads()
    predicted = answers + max(0, scratch_bytes(operation, args, {}, device="cpu", threads=threads))
    assert scratch_gap(operation, args, device="cpu") is None
    assert abs(predicted - peak) <= max(slack, 0.01 * peak)


def gradient_arguments(shape, dtype, mask=(True, True, False)):
    x, weight, rest = tensors(shape, dtype)
    grad_out = torch.randn_like(aten.convolution.default(x, weight, None, *rest))
    return grad_out, x, weight, None, *rest, list(mask)


@KNOWN_PROCESSOR
@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        *mostly_slow([(shape, dtype) for shape in SHAPES for dtype in DTYPES]),
        *(pytest.param(shape, dtype, marks=pytest.mark.slow) for shape in MORE_SHAPES for dtype in DTYPES),
    ],
    ids=str,
)
@pytest.mark.usefixtures("threads")
def test_a_convolution_and_its_gradients_are_predicted(shape, dtype):
    if dtype == torch.float64 and shape[8] > 1:
        pytest.skip("torch's own kernel for dilation is not modelled")
    x, weight, rest = tensors(shape, dtype)
    assert_predicted(aten.convolution.default, (x, weight, None, *rest), SLACK_BYTES)
    assert_predicted(aten.convolution_backward.default, gradient_arguments(shape, dtype), GRADIENT_SLACK_BYTES)


@KNOWN_PROCESSOR
@pytest.mark.parametrize("mask", [(True, False, False), (False, True, False)], ids=str)
def test_each_gradient_is_predicted_alone(mask):
    args = gradient_arguments((2, 2, 64, 96, 28, 3, 1, 1, 1, 1), torch.float32, mask)
    assert_predicted(aten.convolution_backward.default, args, GRADIENT_SLACK_BYTES)
    skewed = args[0].mT, *args[1:]  # which is copied first
    assert_predicted(aten.convolution_backward.default, skewed, GRADIENT_SLACK_BYTES)


@KNOWN_PROCESSOR
@pytest.mark.parametrize("kernel", [1, 3])
def test_a_gradient_whose_channels_lie_innermost_is_copied_for_an_input_in_order(kernel):
    grad_out, *others = gradient_arguments((2, 2, 64, 48, 28, kernel, 1, kernel // 2, 1, 1), torch.float32)
    turned = grad_out.to(memory_format=torch.channels_last)
    hidden = [
        scratch_bytes(aten.convolution_backward.default, (grad, *others), {}, device="cpu", threads=2)
        for grad in (grad_out, turned)
    ]
    assert hidden[1] - hidden[0] == grad_out.nbytes
    assert_predicted(aten.convolution_backward.default, (turned, *others), GRADIENT_SLACK_BYTES)


@KNOWN_PROCESSOR
@pytest.mark.parametrize("shape", [(2, 2, 32, 48, 28, 3, 1, 1, 1, 1), (2, 2, 128, 256, 14, 1, 1, 0, 1, 1),
                                   (2, 2, 32, 32, 28, 3, 1, 1, 1, 32)], ids=str)  # fmt: skip
def test_channels_last_tensors_are_computed_on_as_they_are(shape):
    x, weight, rest = tensors(shape, torch.float32)
    args = (x.to(memory_format=torch.channels_last), weight, None, *rest)
    assert scratch_bytes(aten.convolution.default, args, {}, device="cpu", threads=2) < x.nbytes
    assert_predicted(aten.convolution.default, args, 16_384)


@KNOWN_PROCESSOR
def test_a_tensor_that_lies_in_no_order_is_copied_first():
    x, weight, rest = tensors((2, 2, 32, 48, 28, 3, 1, 1, 1, 1), torch.float32)
    args = (x.permute(0, 1, 3, 2), weight, None, *rest)
    assert_predicted(aten.convolution.default, args, SLACK_BYTES)
    hidden, in_order = (
        scratch_bytes(aten.convolution.default, (tensor, *args[1:]), {}, device="cpu", threads=2)
        for tensor in (args[0], x)
    )
    assert hidden == in_order + x.nbytes


@pytest.mark.parametrize(("shape", "named"), [
    ((2, 2, 12, 20, 28, 3, 1, 1, 1, 4), "convolution of small groups"),
    ((2, 2, 32, 32, 28, 3, 2, 2, 2, 1), "dilated convolution of this kind"),
    ((2, 2, 32, 32, 5, 5, 1, 0, 1, 1), "as wide as its input"),
    ((2, 2, 32, 32, 28, 9, 1, 4, 1, 2), "of groups with a large kernel"),
])  # fmt: skip
def test_what_is_not_modelled_is_named(shape, named):
    x, weight, rest = tensors(shape, torch.float32)
    args = (x, weight, None, *rest)
    assert named in scratch_gap(aten.convolution.default, args, device="cpu")
    gradients = gradient_arguments(shape, torch.float32)
    assert named in scratch_gap(aten.convolution_backward.default, gradients, device="cpu")
    assert scratch_gap(aten.convolution.default, args, device="cuda") == "convolution by cuDNN"


@pytest.mark.parametrize(("shape", "named"), [
    ((2, 2, 24, 24, 28, 5, 1, 2, 1, 24), "depthwise convolution with a large kernel"),
    ((2, 2, 24, 24, 14, 3, 4, 1, 1, 24), "that skips input"),
    ((2, 2, 48, 48, 28, 3, 1, 1, 1, 2), "gradients of a convolution of groups"),
    ((2, 1, 5, 40, 28, 25, 2, 1, 1, 1), "gradients of a convolution with a large kernel"),
    ((3, 2, 24, 24, 14, 3, 1, 1, 1, 24), "gradients of a convolution of volumes in groups"),
    ((2, 2, 32, 32, 28, 3, 1, 2, 2, 32), "gradients of a dilated convolution of this kind"),
])  # fmt: skip
def test_gradients_alone_may_be_what_is_not_modelled(shape, named):
    x, weight, rest = tensors(shape, torch.float32)
    assert scratch_gap(aten.convolution.default, (x, weight, None, *rest), device="cpu") is None
    gradients = gradient_arguments(shape, torch.float32)
    assert named in scratch_gap(aten.convolution_backward.default, gradients, device="cpu")


def test_transposed_convolutions_and_gradients_where_channels_lie_innermost_are_named():
    x, weight, rest = tensors((2, 2, 32, 32, 28, 3, 1, 1, 1, 1), torch.float32, transposed=True)
    assert scratch_gap(aten.convolution.default, (x, weight, None, *rest), device="cpu") == "transposed convolution"
    grad_out, x, *others = gradient_arguments((2, 2, 32, 32, 28, 3, 1, 1, 1, 1), torch.float32)
    args = (grad_out, x.to(memory_format=torch.channels_last), *others)
    named = scratch_gap(aten.convolution_backward.default, args, device="cpu")
    assert named == "gradients of a convolution whose channels lie innermost"
