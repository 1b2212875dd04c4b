"""Golden files for a profile, and that no model's name can break out of a format."""

import csv
import io

import pytest
from msgspec.structs import replace
from profile_samples import compiled, model, record
from rich.console import Console

from kaoprof.layer_records import LayerRow
from kaoprof.report.formats import PROFILE_FORMATS
from kaoprof.report.layer_console import profile_to_console

COLUMNS = "schema,model,layer,type,depth,output_shape,params,macs_analytic,macs_counted,macs_fvcore,flops_all,"
COLUMNS += "peak_bytes_predicted,peak_bytes_measured,latency_s"


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


def test_a_compiled_model_stands_beside_the_tree_of_the_eager_one(check_golden):
    eager = model("small", 0.01)
    text = on_screen(record(eager, compiled(eager, 0.5)), 80)
    assert max(map(len, text.splitlines())) <= 80
    check_golden("profile-compiled-80.txt", text)


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


def test_code_that_could_not_be_counted_has_no_weights_rather_than_none():
    whole = LayerRow(layer="", type="code", depth=0, leaf=False)
    broken = replace(model("small", 0.01), layers=(whole,), latency=None, status="error", detail="it failed")
    (row,) = csv.DictReader(io.StringIO(PROFILE_FORMATS["csv"](record(broken))))
    assert (row["params"], row["params_norm"], row["macs_counted"]) == ("", "", "")
    assert " 0 " not in on_screen(record(broken), 80)


def test_models_with_different_inputs_name_each():
    first, second = model("small", 0.01), replace(model("fast", 0.005), input_shapes=((1, 3, 16, 16),))
    text = on_screen(record(first, second), 80)
    assert text.startswith("input 2 x 3 x 8 x 8 (small), 1 x 3 x 16 x 16 (fast), fp32, forward, cpu")
