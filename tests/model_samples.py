"""A sweep of models by hand: three of them, three sizes, two batches; the largest of `heavy` did not fit."""

from msgspec.structs import replace
from profile_samples import KIB, model
from samples import measured_record

from kaoprof.records.fit_models import BatchRecord, BatchRow
from kaoprof.records.measured import Latency
from kaoprof.records.swept_models import ModelCase, ModelRow, SweptModels, whole_of

SIZES, BATCHES = (8, 16, 32), (1, 4)
WEIGHT = {"small": 1, "wide": 3, "heavy": 5}  # MACs: 100 times this, for each pixel
OVERHEAD_S = {"small": 5e-3, "wide": 1e-3, "heavy": 2e-3}  # of a call: fewer MACs are not always faster
PIXEL_S = {"small": 1e-6, "wide": 2e-6, "heavy": 4e-6}


def model_row(name, size, batch, **case):
    macs = 100 * WEIGHT[name] * size * size
    seconds = OVERHEAD_S[name] + PIXEL_S[name] * batch * size * size
    profile = model(name, seconds)
    samples = tuple(seconds * (1 + 0.002 * number) for number in range(10))
    total = replace(
        profile.total, macs_analytic=macs, macs_counted=macs, macs_fvcore=macs, macs_batch=batch * macs,
        peak_bytes_measured=batch * macs * KIB, peak_bytes_predicted=batch * macs * KIB,
    )  # fmt: skip
    ran = replace(
        profile, batch=batch, input_shapes=((batch, 3, size, size),), layers=(total,), dtype="fp32",
        latency=Latency(rounds=tuple(range(10)), samples_s=samples, calls=1),
    )  # fmt: skip
    asked = ModelCase(model=name, size=(size,), b=batch, device="cpu", **case)
    return ModelRow(case=asked, profile=whole_of(ran))


def skipped(row):
    """The row as it is where it did not fit: counted and predicted."""
    total = replace(row.profile.total, peak_bytes_measured=None)
    profile = replace(
        row.profile, status="skipped", detail="predicted not to fit: needs 3 TiB", latency=None, layers=(total,)
    )
    return replace(row, profile=profile)


def swept_models():
    rows = [model_row(name, size, batch) for batch in BATCHES for size in SIZES for name in WEIGHT]
    plain = measured_record()
    return SweptModels(
        version="0.1.0", created="2026-01-02T03:04:05+00:00", rows=(*rows[:-1], skipped(rows[-1])),
        environment=plain.environment, protocol=plain.protocol,
    )  # fmt: skip


def fitted_models():
    rows = (
        BatchRow(model="small", spec="small", size=(8,), largest=128, needed=2**28 - 2**20, next_batch=129,
                 next_needed=2**28 + 2**20),
        BatchRow(model="wide", spec="wide.yaml", size=(8,), status="nothing", detail="one sample already needs 3 TiB",
                 next_batch=1, next_needed=3 * 2**40),
    )  # fmt: skip
    return BatchRecord(
        version="0.1.0", created="2026-01-02T03:04:05+00:00", memory=2**28, dtype="fp32", mode="forward", device="cpu",
        threads=2, rows=rows,
    )  # fmt: skip
