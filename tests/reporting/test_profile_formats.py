"""Golden files for a profile, and that no model's name can break out of a format."""

import csv
import io

import pytest
from msgspec.structs import replace
from profile_samples import code, compiled, model, record, trained
from rendered import on_screen, written

from kaoprof.records.profile import LayerRow

COLUMNS = "schema,model,layer,type,depth,output_shape,params,macs_analytic,macs_counted,macs_fvcore,flops_all,"
COLUMNS += "peak_bytes_predicted,peak_bytes_measured,latency_s"


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
    check_golden(f"profile.{name}", written(record(model("small", 0.01), model("fast", 0.005)), name))


def test_the_columns_begin_as_the_schema_says():
    assert written(record(model("small", 0.01)), "csv").startswith(COLUMNS)


def test_a_hostile_name_stays_text():
    hostile = record(replace(model("small", 0.01), model=r"=\input{x}<script>"))
    assert ",'=\\input" in written(hostile, "csv")
    assert r"\textbackslash{}input\{x\}" in written(hostile, "tex")
    assert "<script>" not in written(hostile, "md").replace(r"\<script\>", "")


def test_code_that_could_not_be_counted_has_no_weights_rather_than_none():
    whole = LayerRow(layer="", type="code", depth=0, leaf=False)
    broken = replace(model("small", 0.01), layers=(whole,), latency=None, status="error", detail="it failed")
    (row,) = csv.DictReader(io.StringIO(written(record(broken), "csv")))
    assert (row["params"], row["params_norm"], row["macs_counted"]) == ("", "", "")
    assert " 0 " not in on_screen(record(broken), 80)


@pytest.mark.parametrize("name", ["table", "md", "tex", "html"])
def test_in_training_the_layers_have_no_column_of_times_but_a_sentence(name):
    shown = trained(model("small", 0.01))
    text = on_screen(shown, 140) if name == "table" else written(shown, name)
    assert "Layers are not timed in training." in text
    assert "Memory peaks at 250 KiB in the backward pass" in text
    heads = {
        "table": "layer ",
        "md": "| layer ",
        "tex": "layer & ",
        "html": "<thead><tr><th class=text scope=col>layer",
    }
    (head,) = [line for line in text.splitlines() if line.startswith(heads[name])]
    assert "MACs" in head
    assert " time" not in head  # a page also has seconds, which are known of the whole


def test_a_budget_in_which_no_layer_was_timed_is_told():
    eager = model("small", 0.01)
    untimed = tuple(replace(row, timed_s=None, latency_share=None) for row in eager.layers)
    assert "Layers were not timed in this budget." in on_screen(record(replace(eager, layers=untimed)), 140)
    whole = replace(eager, layers=untimed[:1])  # of one operation there is nothing inside to be timed
    assert "not timed" not in on_screen(record(whole), 140)


def test_side_by_side_a_disagreement_is_marked_and_the_legend_explains_only_what_is_shown():
    shown = record(model("small", 0.01), code("mine", 0.005))
    glance, narrow, wide = on_screen(shown, 80), *(on_screen(shown, width, verbose=True) for width in (80, 140))
    assert max(map(len, glance.splitlines())) <= 80
    assert " 300 ! " in glance
    assert " 300 = " not in glance
    for text in (narrow, wide):
        assert " 300 ! " in text
        assert "the closed form of what is not code" in " ".join(text.split())
    assert "Bound:" in on_screen(record(model("small", 0.01)), 140, verbose=True)
    assert "code has no closed form" in " ".join(on_screen(record(code("mine", 0.01)), 80, verbose=True).split())
    assert "| mine | 300 ! |" in written(shown, "md")
    assert ">300 !</td>" in written(shown, "html")


def test_a_list_of_modules_shows_the_peak_of_its_fullest():
    (line,) = [text for text in on_screen(record(code("mine", 0.01)), 80).splitlines() if text.startswith("list")]
    assert "160 KiB" in line


def test_models_with_different_inputs_name_each():
    first, second = model("small", 0.01), replace(model("fast", 0.005), input_shapes=((1, 3, 16, 16),))
    text = on_screen(record(first, second), 80)
    assert text.startswith("input 2 x 3 x 8 x 8 (small), 1 x 3 x 16 x 16 (fast), fp32, forward, cpu")
