"""What oneDNN holds for itself during the gradient of a convolution's weights in bfloat16, on a CPU.

Input and output gradient are transposed, image by image, and every group of threads that takes a share of the images
sums up in single precision. Read off `jit_avx512_core_bf16_conv_kernel.cpp` (`init_conf`, `balance`, `init_scratchpad`)
and its neighbour for single points of oneDNN 3, and checked against the allocator by a test. Not modelled: kernels that
are dilated, depthwise or wider than 14.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from kaoprof.dims import ceil_div
from kaoprof.memory.kernels.convolution_geometry import Convolution
from kaoprof.memory.kernels.onednn import BOUNDARY_BYTES, in_blocks_of, single
from kaoprof.memory.kernels.pointwise_scratch import BLOCK, divider, largest_divider, second_cache_bytes
from kaoprof.workload.tensor_bytes import HALF_BYTES, SINGLE_BYTES

PAGE_BYTES = 4096  # where threads wait for each other they take one, and the whole is moved to where a page begins
FULL_IMAGE_CHANNELS = 128  # from so many on images are taken whole, if a few of their rows are no more than:
FULL_IMAGE_ROWS_BYTES = 48 * 1024
WIDE_ROW = 124  # of a first layer's output: from here on its rows are transposed one after the other
PERMUTED_ROWS = 14  # of single points: beyond that nothing is transposed, of volumes up to so many channels:
PERMUTED_CHANNELS = 64


class Task(NamedTuple):
    """A weight gradient in oneDNN's terms: sizes as `(depth, height, width)`, channels of a group, in whole blocks.

    `row_in` and `row_out` are the lengths of transposed rows; `portions` is how finely the images can be shared out.
    """

    samples: int
    groups: int
    source: int
    target: int
    source_block: int
    size: tuple[int, int, int]
    places: tuple[int, int, int]
    kernel: tuple[int, int, int]
    stride: tuple[int, int, int]
    row_in: int
    row_out: int
    portions: int

    @property
    def sources(self) -> int:
        """Blocks of source channels."""
        return self.source // self.source_block

    @property
    def targets(self) -> int:
        """Blocks of target channels."""
        return self.target // BLOCK


class Split(NamedTuple):
    """How many threads share the images, the target channels and the source channels."""

    images: int
    targets: int
    sources: int


def weight_scratch(one: Convolution, threads: int) -> int:
    """Everything beside the reordered tensors."""
    if one.pointwise:
        return _points_bytes(one, threads)
    task, padding = _task_of(one)
    split, first = best_split(task, threads), one.reads_in_place
    in_turn = first and _has_wide_rows(task)
    threads_used = split.images * task.groups * split.targets * split.sources
    images = split.images * task.groups
    targets = threads_used if in_turn else images * task.targets
    depth, height, _ = task.size
    transposed_in = 0 if first else images * task.sources * task.row_in * task.source_block * height * depth
    transposed_out = targets * task.row_out * BLOCK * math.prod(task.places[:2])
    sums = split.images * task.groups * task.target * task.source * math.prod(task.kernel)
    waiting = [1, *(threads_used // share for share in (split.targets, split.sources) if share > 1)]
    pages = 0 if in_turn else sum(meetings + 1 for meetings in waiting)
    buffers = HALF_BYTES * (transposed_in + padding) + HALF_BYTES * transposed_out + SINGLE_BYTES * sums
    return buffers + 3 * BOUNDARY_BYTES + pages * PAGE_BYTES


def _task_of(one: Convolution) -> tuple[Task, int]:
    """The task, and the elements by which a transposed row is longer than its image's."""
    first = one.reads_in_place
    source, target = one.channels // one.groups, one.out // one.groups
    source, target = source if first else in_blocks_of(source, BLOCK), in_blocks_of(target, BLOCK)
    size, places, kernel, stride = (_as_volume(sizes) for sizes in (one.size, one.places, one.kernel, one.stride))
    left, right = one.padding[-1], max(0, (places[2] - 1) * stride[2] + kernel[2] - size[2] - one.padding[-1])
    padding = in_blocks_of(max(left, right + 1), 2)
    row_in = size[2] if first else in_blocks_of(ceil_div(size[2], stride[2]) + padding, 2) * stride[2]
    row_out = in_blocks_of(places[2], 2)
    task = Task(
        one.samples, one.groups, source, target, source if first else BLOCK, size, places, kernel, stride, row_in,
        row_out, 0,
    )  # fmt: skip
    return task._replace(portions=one.samples * _portions_of_image(one, task)), padding


def _as_volume(sizes: tuple[int, ...]) -> tuple[int, int, int]:
    depth, height, width = (1,) * (3 - len(sizes)) + tuple(sizes)
    return depth, height, width


def _portions_of_image(one: Convolution, task: Task) -> int:
    """Into how many portions an image can be divided: its planes or rows, if it has any and is not taken whole."""
    if len(one.size) == 1:
        return 1
    if len(one.size) == 3:  # noqa: PLR2004 - volumes
        return task.places[0]
    rows = max(1, *one.padding[:1], (task.places[1] - 1) * task.stride[1] + task.kernel[1] - task.size[1]
               - one.padding[0])  # fmt: skip
    row_bytes = HALF_BYTES * BLOCK * (task.row_in + task.row_out)
    kept = task.size == task.places and 1 not in one.kernel and not one.strided
    centred = all(pad == width // 2 for pad, width in zip(one.padding, one.kernel, strict=True))
    small = row_bytes * rows <= FULL_IMAGE_ROWS_BYTES
    whole = kept and centred and small and task.source >= FULL_IMAGE_CHANNELS
    return 1 if whole else task.places[1]


def _has_wide_rows(task: Task) -> bool:
    """Whether a first layer's output is so large that its rows are transposed one after the other."""
    depth, height, width = task.places
    large = task.target * math.prod(task.places) >= second_cache_bytes() // SINGLE_BYTES
    if depth > 1:
        return large and width * height >= 64 * WIDE_ROW
    return large and width >= WIDE_ROW and height > 1


def best_split(task: Task, threads: int) -> Split:
    """The split of a group's threads that moves the least, by oneDNN's guess."""
    each = threads // task.groups
    best = _least_moved(Split(task.portions, task.targets, task.sources), each, partial(_moved, task))
    return best._replace(images=min(task.portions, each)) if each // 2 < best.images < each else best


def _least_moved(most: Split, threads: int, moved: Callable[[Split], float]) -> Split:
    """The last one of equals, in the order in which oneDNN tries them."""
    tried = [
        Split(images, targets, min(threads // images // targets, most.sources))
        for images in range(1, min(threads, most.images) + 1)
        for targets in range(1, min(threads // images, most.targets) + 1)
    ]
    return min(reversed([Split(1, 1, 1), *tried]), key=moved)


def _moved(task: Task, split: Split) -> float:
    """What a thread reads and writes, weighted, in the single precision in which oneDNN compares."""
    sources, targets = task.sources, task.targets
    share = ceil_div(task.portions, split.images)
    image_in = task.size[0] * task.size[1] * task.row_in
    image_out = task.places[0] * task.places[1] * task.row_out
    weights = math.prod(task.kernel)
    read = HALF_BYTES * task.samples * (task.source * image_in + task.target * image_out)
    scale = single(single(0.5 * read) / (SINGLE_BYTES * task.target * task.source * weights))
    ratio = single(targets / sources)
    of_source = max(single(1 / ratio), 1.0) * (4.0 if scale < 1 else 1.0)
    per_source = ceil_div(sources, split.sources)
    per_target = ceil_div(targets, split.targets)
    moved_in = _quotient(
        _product(of_source, share, per_source, task.samples, task.source_block, *task.size[:2], task.row_in),
        task.portions, *task.stride,
    )  # fmt: skip
    moved_weights = _product(max(scale, 1.0), per_target, per_source, *task.kernel, task.source_block, BLOCK)
    moved_out = _quotient(
        _product(max(ratio, 1.0), share, per_target, task.samples, BLOCK, *task.places[:2], task.row_out),
        task.portions,
    )  # fmt: skip
    return single(single(moved_in + moved_out) + moved_weights)


def _points_bytes(one: Convolution, threads: int) -> int:
    """Of single points: sums; small images, which every thread transposes; and what is gathered where it strides."""
    source, target = (in_blocks_of(channels, BLOCK) // BLOCK for channels in (one.channels, one.out))
    places = math.prod(one.places)
    permuted = all(size > PERMUTED_ROWS for size in one.places[-2:]) and len(one.places) > 1
    permuted = permuted and (len(one.places) == 2 or target * BLOCK <= PERMUTED_CHANNELS)  # noqa: PLR2004 - images
    split = _points_split(one, source, target, _portion_of_points(one.places, permuted=permuted), threads)
    threads_used = split.images * split.targets * split.sources
    at_once = divider(source, 5, source) * BLOCK, divider(target, 16, target) * BLOCK
    buffers: list[int] = [SINGLE_BYTES * split.images * target * source * BLOCK**2]
    if not permuted:
        buffers += [HALF_BYTES * threads_used * in_blocks_of(places, 2) * channels for channels in at_once]
    if one.strided:
        buffers += [HALF_BYTES * threads_used * places * at_once[0]]
    return sum(size + BOUNDARY_BYTES for size in buffers) + (2 * PAGE_BYTES if split.images > 1 else 0)


def _portion_of_points(places: tuple[int, ...], *, permuted: bool) -> int:
    """How many places are summed up at a time."""
    whole = math.prod(places)
    portion = largest_divider(whole, *((7, 256) if permuted else (8, 16)))
    if whole % portion:
        portion = largest_divider(places[-1], 4, places[-1]) if permuted else divider(places[-1], 4, places[-1], step=2)
    if portion > 256:  # noqa: PLR2004 - oneDNN's own bound
        portion = 1
    return portion if permuted else in_blocks_of(portion, 2)


def _points_split(one: Convolution, source: int, target: int, portion: int, threads: int) -> Split:
    """The split that moves the least; `source` and `target` are in blocks."""
    portions = one.samples * ceil_div(math.prod(one.places), portion)
    growth = 4 * max(1, target // source)

    def moved(split: Split) -> int:
        mine = ceil_div(portions, split.images)
        per_source, per_target = ceil_div(source, split.sources), ceil_div(target, split.targets)
        cost: int = BLOCK * portion * mine * (per_source + per_target) + growth * per_target * per_source * BLOCK**2
        return cost

    best = _least_moved(Split(portions, target, source), threads, moved)
    return best._replace(images=min(one.samples, threads)) if threads // 2 < best.images < threads else best


def _product(first: float, *factors: int) -> float:
    for factor in factors:
        first = single(first * factor)
    return first


def _quotient(first: float, *divisors: int) -> float:
    for divisor in divisors:
        first = single(first / divisor)
    return first
