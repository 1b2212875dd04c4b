"""Golden files for a profile, and that no model's name can break out of a format."""

import io

import pytest
from msgspec.structs import replace
from rich.console import Console
from samples import measured_record

from kaoprof.layer_records import LayerRow, ModelProfile, ProfileRecord
from kaoprof.records import Latency
from kaoprof.report.formats import PROFILE_FORMATS
from kaoprof.report.layer_console import profile_to_console

KIB = 1024
COLUMNS = "schema,model,layer,type,depth,output_shape,params,macs_analytic,macs_counted,macs_fvcore,flops_all,"
COLUMNS += "peak_bytes_predicted,peak_bytes_measured,latency_s"


def layer(path, kind, depth, macs, share, *, leaf=True):
    return LayerRow(
        layer=path, type=kind, depth=depth, leaf=leaf, output_shape=(2, 8, 4, 4), params=macs // 10, params_norm=16,
        macs_analytic=macs, macs_counted=macs, macs_fvcore=macs, flops_all=2 * macs + 7,
        peak_bytes_predicted=macs * KIB, peak_bytes_measured=macs * KIB, latency_share=share,
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
        model=name, source="a test", batch=2, input_shapes=((2, 3, 8, 8),), layers=layers, latency=latency
    )


def record(*models):
    stamped = measured_record()
    return ProfileRecord(
        version="0.1.0", created="2026-01-02T03:04:05+00:00", mode="forward", dtype="fp32", device="cpu",
        models=models, environment=stamped.environment, protocol=stamped.protocol,
    )  # fmt: skip


def on_screen(shown, width):
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(profile_to_console(shown, width))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [80, 140])
def test_one_model_on_a_terminal(check_golden, width):
    text = on_screen(record(model("small", 0.01)), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    check_golden(f"profile-{width}.txt", text)


def test_models_side_by_side_on_a_terminal(check_golden):
    text = on_screen(record(model("small", 0.01), model("fast", 0.005)), 80)
    assert max(map(len, text.splitlines())) <= 80
    check_golden("profile-several-80.txt", text)


@pytest.mark.parametrize("name", ["csv", "md", "tex"])
def test_each_file_format(check_golden, name):
    check_golden(f"profile.{name}", PROFILE_FORMATS[name](record(model("small", 0.01), model("fast", 0.005))))


def test_the_columns_begin_as_the_schema_says():
    assert PROFILE_FORMATS["csv"](record(model("small", 0.01))).startswith(COLUMNS)


def test_a_hostile_name_stays_text():
    hostile = record(replace(model("small", 0.01), model=r"=\input{x}<script>"))
    assert ",'=\\input" in PROFILE_FORMATS["csv"](hostile)
    assert r"\textbackslash{}input\{x\}" in PROFILE_FORMATS["tex"](hostile)
    assert "<script>" not in PROFILE_FORMATS["md"](hostile).replace(r"\<script\>", "")
