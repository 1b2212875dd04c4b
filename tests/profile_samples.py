"""A record of `profile` made by hand, with round figures."""

from msgspec.structs import replace
from samples import measured_record

from kaoprof.records.measured import Deviation, Latency, Traffic
from kaoprof.records.profile import OWN, LayerRow, ModelProfile, ProfileRecord

KIB = 1024


def layer(path, kind, depth, macs, share, *, leaf=True):
    return LayerRow(
        layer=path, type=kind, depth=depth, leaf=leaf, output_shape=(2, 8, 4, 4), params=macs // 10, params_norm=16,
        macs_analytic=macs, macs_counted=macs, macs_fvcore=macs, flops_all=2 * macs + 7,
        peak_bytes_predicted=macs * KIB, peak_bytes_measured=macs * KIB, latency_share=share, timed_s=share * 0.01,
        compulsory_bytes=macs * KIB, traffic=Traffic(operations=macs, moved_bytes=3 * macs * KIB),
    )  # fmt: skip


def model(name, factor):
    layers = (
        replace(
            layer("", "model", 0, 300, 1.0, leaf=False), peak_bytes_measured=200 * KIB, peak_bytes_predicted=200 * KIB
        ),
        layer("stem", "conv", 1, 100, 0.25),
        layer("body", "block", 1, 200, 0.75, leaf=False),
        layer("body.attention", "kao_qkv", 2, 200, 0.75),
    )
    latency = Latency(rounds=tuple(range(10)), samples_s=tuple(factor * (1 + n / 100) for n in range(10)), calls=1)
    return ModelProfile(
        model=name, source="a test", batch=2, input_shapes=((2, 3, 8, 8),), layers=layers, latency=latency,
        backend="flash", deviation=Deviation(largest=1.5e-7, rms=2e-8),
    )  # fmt: skip


def code(name, factor):
    """Somebody's module: a list of two modules, which never runs itself, and a peak between them; fvcore disagrees."""
    unseen = {"peak_bytes_measured": None, "peak_bytes_predicted": None}
    layers = (
        replace(layer("", "Mine", 0, 300, 1.0, leaf=False), peak_bytes_measured=500 * KIB, macs_fvcore=299),
        replace(layer(OWN, "own operations", 1, 20, 0.5), **unseen),
        replace(layer("list", "ModuleList", 1, 280, 0.5, leaf=False), **unseen),
        layer("list.0", "Linear", 2, 120, 0.25),
        layer("list.1", "Linear", 2, 160, 0.25),
    )
    return replace(model(name, factor), layers=tuple(replace(row, macs_analytic=None) for row in layers))


def trained(eager):
    """The model as `--mode train` leaves it: measured as a whole, its layers only predicted."""
    unseen = {"peak_bytes_measured": None, "timed_s": None, "latency_share": None, "traffic": None}
    inside = (replace(row, compulsory_bytes=None, **unseen) for row in eager.layers[1:])
    whole = replace(eager.total, timed_s=None, latency_share=None, peak_bytes_measured=250 * KIB)
    return replace(record(replace(eager, layers=(whole, *inside))), mode="train")


def compiled(eager, factor):
    """The model as `profile --compile` sets it beside itself."""
    seconds = tuple(factor * sample for sample in eager.latency.samples_s)
    whole = replace(eager.total, traffic=None, timed_s=None, latency_share=None)
    return replace(
        eager, model=f"{eager.model}+compile", layers=(whole,), latency=replace(eager.latency, samples_s=seconds),
        compile_s=12.0, graph_breaks=2, backend=None,
    )  # fmt: skip


def record(*models):
    stamped = measured_record()
    return ProfileRecord(
        version="0.1.0", created="2026-01-02T03:04:05+00:00", mode="forward", dtype="fp32", device="cpu",
        models=models, environment=stamped.environment, protocol=stamped.protocol,
    )  # fmt: skip
