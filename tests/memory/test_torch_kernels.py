"""What torch's own CPU kernels hold for themselves, operation by operation: to the byte, as allocated."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from kaoprof.bench.meters import CpuMeters
from kaoprof.dims import MODES
from kaoprof.memory.kernels.table import least_storage_bytes, scratch_bytes, scratch_gap
from kaoprof.workload.workload import TensorSpec, Workload

aten = torch.ops.aten
DTYPES = [torch.float32, torch.bfloat16]
B, C, H, W = 2, 8, 26, 30
HALF_COLUMNS = torch.ones(4, 3, dtype=torch.bfloat16).mT
ONE, TWO, THREE = [1, 1], [2, 2], [3, 3]
LAYOUTS = {
    "in order": lambda x: x,
    "channels innermost": lambda x: x.to(memory_format=torch.channels_last),
    "transposed": lambda x: x.mT.contiguous().mT,
    "expanded": lambda x: x[:1].expand(x.shape),
}
IMAGES = {  # of `(b c h w)`
    "nearest, small": lambda x: (aten.upsample_nearest2d.default, x, [2 * H, 2 * W], 2.0, 2.0),
    "nearest, large": lambda x: (aten.upsample_nearest2d.default, x, [3 * H, 3 * W], 3.0, 3.0),
    "linear, small": lambda x: (aten.upsample_bilinear2d.default, x, [2 * H, 2 * W], False, 2.0, 2.0),
    "linear, large": lambda x: (aten.upsample_bilinear2d.default, x, [H, 4 * W], False, 1.0, 4.0),
    "linear, three channels": lambda x: (aten.upsample_bilinear2d.default, x[:, :3], [3 * H, 3 * W], False, 3.0, 3.0),
    "linear, one channel": lambda x: (aten.upsample_bilinear2d.default, x[:, :1], [40, 20], False, None, None),
    "cubic": lambda x: (aten.upsample_bicubic2d.default, x, [40, 20], False, None, None),
    "nearest, gradient": lambda x: (aten.upsample_nearest2d_backward.default, x, [H, W], [B, C, 13, 15]),
    "linear, gradient": lambda x: (aten.upsample_bilinear2d_backward.default, x, [H, W], [B, C, 13, 15], False),
    "columns": lambda x: (aten.im2col.default, x, THREE, ONE, ONE, ONE),
    "few columns": lambda x: (aten.im2col.default, x, [1, 1], ONE, [0, 0], [3, 3]),
    "average pool": lambda x: (aten.avg_pool2d.default, x, TWO),
    "adaptive average": lambda x: (aten._adaptive_avg_pool2d.default, x, [5, 7]),
    "largest": lambda x: (aten.max_pool2d_with_indices.default, x, THREE, TWO, ONE),
    "average pool, gradient": lambda x: (
        aten.avg_pool2d_backward.default, x, torch.randn(B, C, 2 * H, 2 * W, dtype=x.dtype), TWO, TWO, [0, 0], False,
        True, None,
    ),
    "mirrored": lambda x: (aten.reflection_pad2d.default, x, [1, 1, 2, 2]),
    "mirrored, gradient": lambda x: (
        aten.reflection_pad2d_backward.default, x, torch.randn(B, C, H - 4, W - 2, dtype=x.dtype), [1, 1, 2, 2],
    ),
    "shuffled": lambda x: (aten.pixel_shuffle.default, x, 2),
    "roll": lambda x: (aten.roll.default, x, [3], [1]),
    "roll of three axes": lambda x: (aten.roll.default, x, [3, 2, 1], [1, 2, 3]),
    "roll in a row": lambda x: (aten.roll.default, x, [3]),
    "sum of axes that lie together": lambda x: (aten.sum.dim_IntList, x, [2, 3]),
    "sum of axes apart": lambda x: (aten.sum.dim_IntList, x, [0, 2, 3]),
    "sum of all": lambda x: (aten.sum.dim_IntList, x, [0, 1, 2, 3]),
    "log of summed exponentials": lambda x: (aten.logsumexp.default, x, [1]),
    "running sum of bits": lambda x: (aten.cumsum.default, x > 0, 1),
    "bits": lambda x: (aten.mul.Tensor, x, torch.ones(H, W, dtype=torch.bool)),
    "doubles": lambda x: (aten.add.Tensor, x, torch.ones(H, W, dtype=torch.float64)),
    "numbers": lambda x: (aten.mul.Tensor, (x > 0).contiguous(), 2.5),
    "fractions": lambda x: (aten.div.Tensor, (x > 0).contiguous(), torch.arange(1, W + 1)),
    "chosen": lambda x: (aten.where.self, x > 0, x, torch.ones(H, W, dtype=torch.float64)),
    "compared": lambda x: (aten.gt.Tensor, x, torch.ones(H, W, dtype=torch.float64)),
    "greatest of all": lambda x: (aten.max.default, x),
    "least along an axis": lambda x: (aten.min.dim, x, 1),
    "squares": lambda x: (aten.mse_loss.default, x, torch.zeros(B, C, H, W, dtype=x.dtype)),
}  # fmt: skip
ROWS = {  # of `(n m)` and indices of as many
    "gathered": lambda x, index: (aten.gather.default, x, 0, index[:20]),
    "scattered": lambda x, index: (aten.scatter.src, x, 0, index, x),
    "added": lambda x, index: (aten.scatter_add.default, x, 0, index, x),
    "added in place": lambda x, index: (aten.scatter_add_.default, x, 0, index, x.clone()),
}


def assert_exact(operation, *args, slack=0):
    """Within some bytes: scalars that are alive for a moment."""
    result = operation(*args)
    results = [result] if isinstance(result, torch.Tensor) else list(result)
    kept = sum(tensor.untyped_storage().nbytes() for tensor in results if tensor is not args[0])
    del result, results
    measured = CpuMeters().peak(lambda: operation(*args))["allocated"]
    hidden = scratch_bytes(operation, args, {}, device="cpu", threads=torch.get_num_threads())
    assert abs(kept + hidden - measured) <= slack
    assert scratch_gap(operation, args, device="cpu") is None


@pytest.mark.parametrize("dtype", [DTYPES[0], pytest.param(DTYPES[1], marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", IMAGES)
def test_images_in_every_order(name, layout, dtype):
    x = LAYOUTS[layout](torch.randn(B, C, H, W, dtype=dtype))
    operation, *args = IMAGES[name](x)
    assert_exact(operation, *args, slack=16)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("expanded", [False, True])
@pytest.mark.parametrize("width", [8, 24])
@pytest.mark.parametrize("name", ROWS)
def test_rows_that_are_moved_by_an_index(name, width, expanded, dtype):
    index = torch.zeros(30, 1 if expanded else width, dtype=torch.int64).expand(30, width)
    operation, *args = ROWS[name](torch.randn(30, width, dtype=dtype), index)
    assert_exact(operation, *args)


def test_what_a_result_keeps_beside_itself():
    x = torch.randn(2, 5, 12, 14)
    columns = aten.im2col.default(x, THREE, ONE, ONE, ONE)
    for operation, args in ((aten.im2col.default, (x, [1, 1], ONE, [0, 0], THREE)),
                            (aten.col2im.default, (columns, [12, 14], THREE, ONE, ONE, ONE)),
                            (aten.mse_loss.default, (x, x))):  # fmt: skip
        least = least_storage_bytes(operation, args, {}, device="cpu")
        assert operation(*args).untyped_storage().nbytes() == least > operation(*args).nbytes
        assert least_storage_bytes(operation, args, {}, device="cuda") == 0


def test_the_magnitude_of_complex_numbers_is_complex_for_a_moment():
    x = torch.randn(3, 5, 700, dtype=torch.complex64)
    assert_exact(aten.abs.default, x)
    assert_exact(aten.abs.default, x.real)


@pytest.mark.parametrize("places", [[13, 15], [40, 15], [26, 15]])
def test_an_antialiased_image_is_resampled_along_one_axis_after_the_other(places):
    x = torch.randn(B, C, H, W)
    assert_exact(aten._upsample_bilinear2d_aa.default, x, places, False, slack=2048)


@pytest.mark.parametrize("lacks", [
    ([1, 3], [0], [1, 2], [2, 3]), ([2, 3], [0], [1, 2], [1, 3]), ([1, 3], [2, 3], [1, 2], [0]),
    ([1, 3], [0], [2, 3], [1, 2]),
])  # fmt: skip
def test_a_product_of_three_and_its_gradients(lacks):
    sizes = (40, 12, 20, 24)  # n o i j
    tensors = [torch.randn([size for axis, size in enumerate(sizes) if axis not in its]) for its in lacks[:3]]
    assert_exact(aten._trilinear.default, *tensors, *lacks)


@pytest.mark.parametrize(("operation", "args", "named"), [
    (aten._euclidean_dist.default, (torch.ones(3, 4), torch.ones(3, 4)), "_euclidean_dist"),
    (aten.median.dim, (torch.ones(3, 4), 1), "median"),
    (aten.index_add.default, (HALF_COLUMNS, 0, torch.arange(3), HALF_COLUMNS), "index_add"),
    (aten.index_add.default, (torch.ones(4, 3).mT, 0, torch.arange(3), torch.ones(3, 4)), None),
    (aten.relu.default, (torch.ones(3, 4),), None),  # element by element
    (aten.amax.default, (torch.ones(3, 4),), None),  # a reduction
    (aten.view.default, (torch.ones(3, 4), [12]), None),
    (aten.topk.default, (torch.ones(3, 4), 2), None),  # seen to hold nothing
])  # fmt: skip
def test_a_kernel_that_nobody_looked_at_is_named(operation, args, named):
    assert scratch_gap(operation, args, device="cpu") == named


class Formed(nn.Module):
    """One of the forms below, of what a linear layer answers, so that there are gradients."""

    def __init__(self, form, channels):
        super().__init__()
        self.form = FORMS[form]
        self.linear = nn.Linear(channels, channels)

    def forward(self, x):
        return self.form(self.linear(x))


def indices(x, size):
    return torch.zeros(x.shape[0], size, x.shape[2], dtype=torch.int64, device=x.device)


FORMS = {  # whose gradients torch puts into zeros
    "gathered": lambda h: h.gather(1, indices(h, 30)),
    "largest": lambda h: h.max(1)[0],
    "the largest": lambda h: h.topk(30, 1)[0],
    "sorted": lambda h: h.sort(1)[0],
    "indexed": lambda h: h[:, torch.arange(30, device=h.device)],
    "selected": lambda h: h.index_select(1, torch.arange(30, device=h.device)),
    "windows": lambda h: F.fold(F.unfold(h[None], 3, padding=1), h.shape[1:], 3, padding=1),
    "rolled": lambda h: h.roll((3, 5), (1, 2)),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["fp32", pytest.param("bf16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", MODES)
def test_modules_are_predicted(form, dtype, mode, check_peak):
    work = Workload(
        factory=f"{__name__}:Formed", args=(form, 64), inputs=(TensorSpec(shape=(4, 60, 64), dtype=dtype),), mode=mode
    )
    check_peak(work, rel=0.01)
