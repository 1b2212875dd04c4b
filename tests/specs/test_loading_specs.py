"""Valid specs: what they hold, where they are found, and that nothing heavy is imported for them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from kaoprof import dims
from kaoprof.catalog import OPERATORS, group
from kaoprof.networks import check_spec
from kaoprof.specs import json_schema, load_spec, parse_spec, shipped_specs, starter_spec
from kaoprof.specs import layers as spec
from kaoprof.specs.code import input_tensors
from kaoprof.specs.documents import FloatType, Mode
from kaoprof.specs.grid import grid_cells
from kaoprof.specs.layers import Conv, Implementation, Layer, Projection, Scale
from kaoprof.specs.places import Places
from kaoprof.specs.shelf import shelf

SHIPPED = {
    "mobilenetv2", "attnnet", "attnnet-pool", "kanet-kv", "kanet-qkv", "kanet-seg", "kanet-video", "kanet-audio",
    "nonlocal-56", "nonlocal-pool-56", "kao-kv-56", "kao-qkv-56", "kao-qkv-video", "paper-grid", "video-grid",
    "swin-tiny", "pvt-tiny", "pvt-small", "pvt-medium", "pvt-large",
    "nat-mini", "nat-tiny", "nat-small", "nat-base", "mobilenetv2-ca", "emanet-head-256",
    "emanet-head-512", "deeplabv3-aspp",
}  # fmt: skip


def test_the_specs_that_ship_are_valid_named_after_their_file_and_say_their_source():
    shipped = shipped_specs()
    assert {one.name for one in shipped} == SHIPPED
    for one in shipped:
        document = load_spec(one.name)
        check_spec(document)
        assert document.spec.name == one.name == shelf()[one.name].stem
        assert one.source, one.name
        assert one.description, one.name
        assert "\n" not in one.description
    assert {one.kind for one in shipped} == {"model", "operator", "grid"}


def test_the_starter_spec_is_valid_and_commented():
    document = parse_spec(starter_spec(), file="my-model.yaml")
    check_spec(document)
    assert starter_spec().count("#") >= 5
    assert document.kind == "model"


def test_defaults_are_those_of_the_paper():
    text = "{schema: 1, name: x, input: {channels: 3, size: [4]}, layers: [{type: conv, out: 2, kernel: 3}]}"
    layer = parse_spec(text, file="x").spec.layers[0]
    assert layer == Conv(out=2, kernel=3)
    assert (layer.bias, layer.norm, layer.activation, layer.padding, layer.repeat) == (
        False,
        "batch_norm",
        "relu6",
        None,
        1,
    )


def test_a_spec_is_frozen_and_survives_json():
    document = load_spec("kanet-seg")
    with pytest.raises(AttributeError):
        document.spec.name = "other"
    again = msgspec.json.decode(msgspec.json.encode(document.spec), type=type(document.spec))
    assert again == document.spec


def test_a_place_names_the_line_of_the_value_or_of_what_is_around_it():
    places = Places(file="my.yaml", lines={"": 1, "layers": 3, "layers[1]": 5, "layers[1].out": 6})
    assert places.where("layers[1].out") == "my.yaml:6 layers[1].out"
    assert places.where("layers[1].kernel[0]") == "my.yaml:5 layers[1].kernel[0]"
    assert places.where("input.size") == "my.yaml:1 input.size"
    assert Places(file="my.yaml").where("input") == "my.yaml input"


def test_aliases_are_expanded_and_errors_inside_name_the_line_of_the_alias():
    text = (
        "schema: 1\nname: x\ninput: {channels: 4, size: [8, 8]}\nlayers:\n"
        "  - &conv {type: conv, out: 4, kernel: 3}\n  - *conv\n  - *conv\n"
    )
    assert parse_spec(text, file="x").spec.layers == (Conv(out=4, kernel=3),) * 3


def test_yaml_words_that_look_like_truth_are_texts_here():
    text = "{schema: 1, name: 'yes', source: no, input: {channels: 1, size: [4]}, layers: [{type: flatten}]}"
    assert parse_spec(text, file="x").spec.source == "no"


def test_a_file_beside_a_shipped_name_wins_only_as_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("kanet-kv.yaml").write_text(starter_spec())
    assert load_spec("kanet-kv").spec.name == "kanet-kv"
    assert load_spec("kanet-kv.yaml").spec.name == "my-model"


def test_the_paper_grid_holds_the_papers_sizes():
    spec_ = load_spec("paper-grid").spec
    cells = grid_cells(spec_)
    assert [(d.b, d.c, d.spatial, heads) for d, heads in cells] == [(8, 8, (s, s), 1) for s in (14, 28, 56)]
    assert set(spec_.operators) == set(group("paper"))
    assert (spec_.projection, spec_.scale) == ("value", "none")


def test_a_grid_is_every_combination_of_its_sizes():
    text = "{schema: 1, name: g, grid: {t: [2, 3], h: [4, 5], w: 6, c: [8, 12], batch: [1, 2], heads: [2, 4]}}"
    cells = grid_cells(parse_spec(text, file="g").spec)
    assert len(cells) == 2 * 2 * 1 * 2 * 2 * 2
    assert len({(d.b, d.c, d.spatial, heads) for d, heads in cells}) == len(cells)
    assert {d.spatial for d, _ in cells} == {(2, 4, 6), (2, 5, 6), (3, 4, 6), (3, 5, 6)}


def test_a_code_spec_is_parsed_without_importing_what_it_names():
    text = (
        "schema: 1\nname: c\nmodule: 'no.such.module:factory'\nkwargs: {depth: 2, names: [a, b]}\n"
        "inputs:\n  x: {shape: [2, 3, 8, 8]}\n"
        "  nested: [{shape: [2, 5], dtype: int64, high: 9}, 7, {y: {shape: [1]}}]\n"
    )
    document = parse_spec(text, file="c")
    check_spec(document)
    assert document.kind == "code"
    tensors = [(tensor.shape, tensor.dtype) for tensor in input_tensors(document.spec)]
    assert tensors == [((2, 3, 8, 8), None), ((2, 5), "int64"), ((1,), None)]


def test_the_words_of_the_schema_are_those_of_the_rest_of_kaoprof():
    def words(annotated):
        return get_args(get_args(annotated)[0])

    assert words(Projection) == dims.PROJECTIONS
    assert words(Scale) == dims.SCALES
    assert words(Implementation) == dims.IMPLEMENTATIONS
    assert words(Mode) == dims.MODES
    assert set(words(FloatType)) == set(dims.DTYPE_BYTES)


def test_the_json_schema_knows_every_kind_and_every_layer_with_its_description():
    schema = json_schema(OPERATORS)
    json.dumps(schema)
    kinds = {part["$ref"].rpartition("/")[2] for part in schema["anyOf"]}
    assert kinds == {"ModelSpec", "OperatorSpec", "GridSpec", "ModelGridSpec", "CodeSpec"}
    for layer in get_args(Layer):
        part = schema["$defs"][layer.__name__]
        assert part["additionalProperties"] is False
        assert part["description"]
        assert part["properties"]["type"]["enum"] == [layer.__struct_config__.tag]
    assert schema["$defs"]["AttentionDefaults"]["properties"]["type"]["examples"] == list(OPERATORS)
    layers = spec._Layer | spec._OwnLayer
    named = [part for part in vars(spec).values() if isinstance(part, type) and issubclass(part, layers)]
    assert {part for part in named if not part.__name__.startswith("_")} == set(get_args(Layer))


def test_reading_and_analysing_a_spec_imports_nothing_heavy():
    code = (
        "import sys; from kaoprof.specs import load_spec; from kaoprof.networks import network_cost; "
        "print(network_cost(load_spec('kanet-qkv')).macs); "
        "print({'torch', 'sympy', 'numpy', 'fvcore'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "281119392\nset()\n"
