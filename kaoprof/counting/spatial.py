"""FLOPs of pooling, of interpolating, and of sampling at places that are given."""

import math
from typing import Any

from kaoprof.costs.arithmetic import interpolation_flops
from kaoprof.counting.elementwise import Rule
from kaoprof.counting.shapes import Shaped, first_tensor, names
from kaoprof.dims import Size

CUBIC_NEIGHBOURS = 16
NEAREST, CUBIC = 1, 2  # how `grid_sample` interpolates


def pool_rule(x: Shaped, kernel_size: list[int], *_: object, out: Any, **__: object) -> Size:
    """Each output looks at a whole window; a single kernel size holds for all spatial axes."""
    output = first_tensor(out)
    unbatched = output.ndim - (x.ndim - output.ndim)
    window = math.prod(kernel_size) if len(kernel_size) > 1 else kernel_size[0] ** (unbatched - 2)
    return output.numel() * window


def pool_backward_rule(grad_out: Shaped, x: Shaped, kernel_size: list[int], *_: object, **__: object) -> Size:
    """Each gradient is added to every element of its window."""
    return pool_rule(x, kernel_size, out=grad_out)


def interpolation_rule(x: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """`(b c *s) -> (b c *s')`, linear along every spatial axis."""
    return interpolation_flops(out.numel(), x.ndim - 2)


def interpolation_backward_rule(grad_out: Shaped, *_: object, **__: object) -> Size:
    """Each gradient is weighted and added to the 2^d neighbours that its output was made of."""
    return grad_out.numel() * 2 * 2 ** (grad_out.ndim - 2)


def cubic_rule(x: Shaped, *_: object, out: Shaped, **__: object) -> Size:
    """`(b c h w) -> (b c h' w')`: each output is a weighted sum of 4 x 4 neighbours, as for linear ones with its 4."""
    del x
    return out.numel() * (2 * CUBIC_NEIGHBOURS - 1)


def cubic_backward_rule(grad_out: Shaped, *_: object, **__: object) -> Size:
    """Each gradient is weighted and added to the 16 neighbours that its output was made of."""
    return grad_out.numel() * 2 * CUBIC_NEIGHBOURS


def sampling_rule(x: Shaped, _: object, mode: int, *__: object, out: Shaped, **___: object) -> Size:
    """`grid_sample`: as an interpolation to the points of the grid; the nearest neighbour is only looked up."""
    if mode == NEAREST:
        return 0
    return cubic_rule(x, out=out) if mode == CUBIC else interpolation_rule(x, out=out)


def sampling_backward_rule(grad_out: Shaped, _: object, __: object, mode: int, *___: object, **____: object) -> Size:
    """Each gradient is weighted and added to its neighbours, and the grid's gradient takes as much again."""
    if mode == NEAREST:
        return grad_out.numel()
    return 2 * (cubic_backward_rule(grad_out) if mode == CUBIC else interpolation_backward_rule(grad_out))


def aligned_rule(
    x: Shaped, boxes: object, scale: object, high: int, wide: int, samples: int, *_: object, out: Shaped, **__: object
) -> Size | None:
    """`roi_align`: the mean of `samples` x `samples` interpolations in each bin; None where boxes decide how many."""
    del x, boxes, scale, high, wide
    return out.numel() * samples**2 * (interpolation_flops(1, 2) + 1) if samples > 0 else None


SPATIAL: dict[str, Rule] = {
    **dict.fromkeys(
        names("upsample_linear1d upsample_bilinear2d upsample_trilinear3d _upsample_bilinear2d_aa"),
        interpolation_rule,
    ),
    **dict.fromkeys(
        names(
            "upsample_linear1d_backward upsample_bilinear2d_backward upsample_trilinear3d_backward "
            "_upsample_bilinear2d_aa_backward"
        ),
        interpolation_backward_rule,
    ),
    **dict.fromkeys(names("upsample_bicubic2d _upsample_bicubic2d_aa"), cubic_rule),
    **dict.fromkeys(names("upsample_bicubic2d_backward _upsample_bicubic2d_aa_backward"), cubic_backward_rule),
    **dict.fromkeys(names("grid_sampler_2d grid_sampler_3d _grid_sampler_2d_cpu_fallback"), sampling_rule),
    **dict.fromkeys(
        names("grid_sampler_2d_backward grid_sampler_3d_backward _grid_sampler_2d_cpu_fallback_backward"),
        sampling_backward_rule,
    ),
    **dict.fromkeys(
        names(
            "max_pool2d_with_indices max_pool3d_with_indices avg_pool2d avg_pool3d fractional_max_pool2d "
            "fractional_max_pool3d mkldnn_max_pool2d mkldnn_max_pool3d"
        ),
        pool_rule,
    ),
    **dict.fromkeys(names("avg_pool2d_backward avg_pool3d_backward"), pool_backward_rule),
    "torchvision.roi_align": aligned_rule,
}
