"""What oneDNN holds for itself during products of bfloat16 matrices, against the allocator's events."""

import pytest
import torch

from kaoprof.bench.meters import CpuMeters
from kaoprof.memory.kernels.bfloat16_blocks import Product, blocked_bytes, product_scratch
from kaoprof.memory.kernels.onednn import multiplies_in_blocks
from kaoprof.memory.kernels.table import scratch_bytes

aten = torch.ops.aten
WITH_BLOCKS = pytest.mark.skipif(
    not multiplies_in_blocks(torch.bfloat16), reason="bfloat16 products go another way on this processor"
)
SIZES = [  # batch, m, k, n
    (2, 57, 33, 41),
    (2, 1600, 64, 1600),
    (1, 300, 600, 70),  # deeper than a block: sums stay unfinished
    (3, 1025, 1100, 65),
    (1, 20, 64, 128),  # few rows
    (2, 9, 4096, 300),
    (1, 24, 2048, 40),  # a deep sum of columns, which threads share
    (1, 1100, 4096, 17),  # rows that lie a large power of two apart are copied
    (5, 17, 2049, 1),
    (4, 1, 700, 80),
    (3, 1, 2000, 80),
    (1, 1, 4096, 80),
    (2, 3, 5, 7),  # too small for oneDNN, and a batch for libraries altogether
    (3, 9, 10, 11),  # a batch of these is multiplied one by one
    (2, 24, 2048, 40),  # a batch shares no sum
    (1, 1100, 5000, 17),  # no power of two: not copied
    (1, 40, 4096, 200),
]
LAYOUTS = ["rows", "columns", "every second"]


def matrices(batch, rows, columns, layout):
    """`(batch rows columns)`, whose rows or columns lie together, or neither."""
    if layout == "every second":
        return torch.randn(batch, rows, 2 * columns).bfloat16()[..., ::2]
    shape = (batch, columns, rows) if layout == "columns" else (batch, rows, columns)
    return torch.randn(shape).bfloat16().mT if layout == "columns" else torch.randn(shape).bfloat16()


def assert_predicted(operation, *args, threads):
    result = operation(*args)
    measured = CpuMeters().peak(lambda: operation(*args))["allocated"]
    hidden = scratch_bytes(operation, args, {}, device="cpu", threads=threads)
    assert result.nbytes + hidden == measured


@WITH_BLOCKS
@pytest.mark.parametrize(("batch", "m", "k", "n"), SIZES)
@pytest.mark.parametrize(("left_layout", "right_layout"), [
    ("rows", "rows"), ("columns", "rows"), ("columns", "columns"), ("rows", "every second"),
    ("every second", "columns"),
])  # fmt: skip
def test_products_are_predicted_to_the_byte(batch, m, k, n, left_layout, right_layout, threads):
    left, right = matrices(batch, m, k, left_layout), matrices(batch, k, n, right_layout)
    assert_predicted(aten.bmm.default, left, right, threads=threads)
    assert_predicted(aten.mm.default, left[0], right[0], threads=threads)


@WITH_BLOCKS
@pytest.mark.parametrize(("batch", "m", "k", "n"), SIZES)
def test_products_that_are_added_hold_the_same(batch, m, k, n, threads):
    left, right = matrices(batch, m, k, "rows"), matrices(batch, k, n, "columns")
    bias = torch.randn(n).bfloat16()
    assert_predicted(aten.addmm.default, bias, left[0], right[0], threads=threads)
    assert_predicted(aten.baddbmm.default, bias.expand(batch, m, n), left, right, threads=threads)


@WITH_BLOCKS
@pytest.mark.parametrize(("m", "k"), [(57, 1601), (300, 40), (1, 5000), (20, 30)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_matrix_times_a_vector(m, k, layout, threads):
    left, vector = matrices(1, m, k, layout)[0], torch.randn(2 * k).bfloat16()
    assert_predicted(aten.mv.default, left, vector[:k], threads=threads)
    assert_predicted(aten.mv.default, left, vector[::2], threads=threads)


@WITH_BLOCKS
def test_a_row_that_is_repeated_is_copied(threads):
    row, right = matrices(1, 1, 60, "rows")[0], matrices(1, 60, 70, "rows")[0]
    assert_predicted(aten.mm.default, row.expand(50, 60), right, threads=threads)


@WITH_BLOCKS
def test_a_shared_matrix_is_copied_for_each_sample(threads):
    left, right = matrices(3, 40, 50, "rows"), matrices(1, 50, 60, "rows")
    assert_predicted(aten.bmm.default, left, right.expand(3, 50, 60), threads=threads)
    alone = product_scratch(left, right.repeat(3, 1, 1), threads=threads)
    assert product_scratch(left, right.expand(3, 50, 60), threads=threads) == alone + 2 * 3 * 50 * 60


def test_the_blocks_of_a_small_product_add_up():
    # One thread, (57 33) , (33 41): calls 640; right 64 columns x 64 rows of 2 bytes; sums 57 x 41 of 4; 128 each.
    by_rows = (640 + 128) + (2 * 64 * 64 + 128) + (4 * 57 * 41 + 128)
    assert blocked_bytes(Product(1, 57, 33, 41, columnwise=False), 1) == by_rows
    copied_left = 2 * 57 * 64 + 128
    assert blocked_bytes(Product(1, 57, 33, 41, columnwise=True), 1) == by_rows + copied_left
    # Two threads halve the rows: 29 and 28.
    halved = (2 * 640 + 128) + (2 * 2 * 64 * 64 + 128) + (2 * 4 * 29 * 41 + 128)
    assert blocked_bytes(Product(1, 57, 33, 41, columnwise=False), 2) == halved


def test_other_dtypes_and_processors_with_matrix_units_claim_nothing(monkeypatch):
    left, right = matrices(2, 57, 33, "rows"), matrices(2, 33, 41, "rows")
    assert product_scratch(left.float(), right.float(), threads=2) == 0
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert product_scratch(left, right, threads=2) > 0
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert product_scratch(left, right, threads=2) == 0
