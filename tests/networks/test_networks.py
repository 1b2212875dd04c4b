"""Whole networks: the paper's totals, closed forms = counts for every layer, overrides, and modules that really run."""

import json

import msgspec
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from kaoprof.catalog import OPERATORS
from kaoprof.costs.training import training_macs
from kaoprof.counting.dispatcher import count_on_meta
from kaoprof.counting.fvcore_count import count_modules_with_fvcore
from kaoprof.errors import SpecError, UsageError
from kaoprof.networks import build_network, check_spec, code_workload, network_cost, network_workload, override
from kaoprof.networks.closed_forms import kind_of
from kaoprof.specs import load_spec, parse_spec, shipped_specs, starter_spec
from kaoprof.tape.layers import count_layers as layers_of
from kaoprof.tape.models import record_workload
from kaoprof.tape.tree import layer_tree
from kaoprof.workload.building import build_inputs, build_module


def count_layers(workload, names=None):
    """Each layer of the workload's model by its path; of `names` and the whole, or of all modules by themselves."""
    counts = layers_of(record_workload(workload).tape)
    return counts if names is None else {row.layer: row for row in layer_tree(counts, ["", *names])}


RIVALS = {  # MACs and parameters, all of them, of the public modules; NAT's without biases of relative positions
    "swin-tiny": (4_490_566_656, 28_288_354),
    "pvt-tiny": (1_932_911_616, 13_229_288),
    "nat-mini": (2_694_812_672, 19_958_824),
    "nat-base": (13_677_094_912, 89_655_016),
    "mobilenetv2-ca": (306_666_368, 3_950_648),
    "emanet-head-512": (43_056_332_800, 9_964_032),
    "deeplabv3-aspp": (63_408_242_688, 15_535_104),
}
SHIPPED = [
    shipped.name
    for shipped in shipped_specs()
    if shipped.kind in {"model", "operator"} and not shipped.name.startswith(("nat-", "pvt-", "emanet-", "deeplab"))
]  # of rivals one transformer and one network with gates, which hold all of their layers

PAPER = {  # MACs, parameters without batch norm, with batch norm, coefficients
    "mobilenetv2": (300_774_272, 3_470_760, 3_504_872),
    "attnnet": (365_374_304, 3_449_448, 3_479_272),
    "attnnet-pool": (300_248_480, 3_449_448, 3_479_272),
    "kanet-kv": (288_413_728, 3_449_448, 3_479_272),
    "kanet-qkv": (281_119_392, 3_449_448, 3_479_272),
}
PRINTED = {"mobilenetv2": 300.77, "attnnet": 365.37, "attnnet-pool": 300.25, "kanet-kv": 288.41, "kanet-qkv": 281.12}

EVERY_LAYER = """\
schema: 1
name: every-layer
input: {{channels: 6, size: {size}, batch: 2}}
attention: {{type: kao_kv, heads: 2}}
layers:
  - type: block
    name: early
    repeat: 2
    layers:
      - {{type: conv, out: 6, kernel: 3, groups: 2, bias: true, norm: none, activation: gelu}}
      - {{type: depthwise, kernel: 3, dilation: 2, activation: hswish}}
  - {{type: conv, out: 8, kernel: 3, stride: 2, repeat: 2}}
  - {{type: activation, function: silu}}
  - {{type: attention, operator: nonlocal_pool, projection: qkvo, implementation: sdpa}}
  - {{type: attn, expand: 3, out: 8, stride: 2}}
  - {{type: attn_skip, expand: 2, out: 8, operator: kao_qkv, heads: 4, scale: none, repeat: 2}}
  - {{type: base, expand: 2, out: 8}}
  - {{type: base_skip, expand: 2, out: 8, repeat: 2}}
  - {{type: residual, layers: [{{type: conv, out: 8, kernel: 1}}]}}
  - {{type: upsample, like: early, mode: linear}}
  - {{type: concat, branches: [[], [{{type: reuse, block: early}}]]}}
  - {{type: add, branches: [[], [{{type: depthwise, kernel: 5}}], []]}}
  - {{type: max_pool, kernel: 3, stride: 2, padding: 1}}
  - {{type: avg_pool, ceil: true}}
  - {{type: upsample, scale: 2}}
  - {{type: space_to_depth}}
  - {{type: layer_norm}}
  - {{type: position_embedding}}
  - {{type: class_token}}
  - {{type: global_avg_pool, keep: true}}
  - {{type: dropout, p: 0.1}}
  - {{type: add, branches: [[{{type: flatten}}], [{{type: first_position}}]]}}
  - {{type: batch_norm}}
  - {{type: linear, out: 5}}
"""


def every_layer(size):
    return parse_spec(EVERY_LAYER.format(size=size), file="every.yaml")


DOCUMENTS = {name: (lambda name=name: load_spec(name)) for name in SHIPPED}
DOCUMENTS |= {
    f"every layer {size}": (lambda size=size: every_layer(size)) for size in ("[16]", "[16, 12]", "[8, 16, 12]")
}
DOCUMENTS["starter"] = lambda: parse_spec(starter_spec(), file="starter.yaml")
REPRESENTATIVES = {"every layer [16]", "every layer [8, 16, 12]", "kanet-qkv"}  # every kind of layer, and a whole model
TRAINED_REPRESENTATIVES = {("every layer [8, 16, 12]", True), ("kanet-qkv", False)}
EVERY_DOCUMENT = [pytest.param(name, marks=[] if name in REPRESENTATIVES else pytest.mark.slow) for name in DOCUMENTS]
SUMMED = [
    pytest.param(name, marks=[] if name in REPRESENTATIVES - {"every layer [16]"} else pytest.mark.slow)
    for name in DOCUMENTS
]


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_networks_cost_what_the_paper_prints(name):
    cost = network_cost(load_spec(name))
    assert (cost.macs, cost.params, cost.params + cost.params_norm) == PAPER[name]
    assert round(cost.macs / 1e6, 2) == PRINTED[name]
    assert cost.output_shape == (1000,)


@pytest.mark.parametrize("name", RIVALS)
def test_the_networks_of_rivals_cost_what_their_public_modules_do(name):
    cost = network_cost(load_spec(name))
    assert (cost.macs, cost.params + cost.params_norm) == RIVALS[name]


def test_kanets_are_smaller_and_cheaper_than_mobilenetv2_although_they_hold_attention():
    mobile, kv, qkv = (network_cost(load_spec(name)) for name in ("mobilenetv2", "kanet-kv", "kanet-qkv"))
    assert qkv.macs < kv.macs < mobile.macs
    assert qkv.params == kv.params < mobile.params
    assert 0 < qkv.map_entries < kv.map_entries


@pytest.mark.parametrize("name", EVERY_DOCUMENT)
def test_every_layer_costs_what_is_counted(name):
    document = DOCUMENTS[name]()
    cost, workload = network_cost(document), network_workload(document)
    batch = workload.inputs[0].shape[0]
    leaves = dict(cost.leaves())
    counted = count_layers(workload, leaves)
    assert set(counted) == {"", *leaves}, "every row is a module, and every module of it a row"
    for path, leaf in leaves.items():
        layer = counted[path]
        assert layer.output_shape == (batch, *leaf.output_shape), path
        assert layer.macs == batch * leaf.macs, path
        assert layer.elementwise == batch * leaf.elementwise, path
        if leaf.type == "coordinate":  # an operator's closed form does not tell its own batch norm apart
            assert layer.params + layer.params_norm == leaf.params, path
        else:
            assert (layer.params, layer.params_norm) == (leaf.params, leaf.params_norm), path
        assert not layer.uncounted, path
    for quantity in ("macs", "elementwise", "params", "params_norm"):
        inside = sum(getattr(counted[path], quantity) for path in leaves)
        assert getattr(counted[""], quantity) == inside, "nothing happens between the layers"


@pytest.mark.parametrize("name", SUMMED)
def test_the_whole_is_the_sum_of_the_leaves_and_three_counters_agree(name):
    document = DOCUMENTS[name]()
    cost, workload = network_cost(document), network_workload(document)
    for quantity in ("macs", "elementwise", "params", "params_norm", "map_entries"):
        assert getattr(cost, quantity) == sum(getattr(leaf, quantity) for _, leaf in cost.leaves())
    batch = workload.inputs[0].shape[0]
    counted = count_on_meta(workload)
    assert (counted.macs, counted.elementwise) == (batch * cost.macs, batch * cost.elementwise)
    with torch.no_grad(), FlopCounterMode(display=False) as torch_counter:
        build_module(workload, device="meta")(*build_inputs(workload, device="meta"))
    assert torch_counter.get_total_flops() == 2 * batch * cost.macs
    fvcore = count_modules_with_fvcore(workload)
    for path, _, layer in cost.walk():
        assert fvcore.get(path, 0) == batch * layer.macs, path


@pytest.mark.parametrize(
    ("name", "input_grad"),
    [
        pytest.param(name, grad, marks=[] if (name, grad) in TRAINED_REPRESENTATIVES else pytest.mark.slow)
        for name in DOCUMENTS
        for grad in (False, True)
    ],
)
def test_training_costs_what_its_closed_form_says_layer_by_layer(name, input_grad):
    document = DOCUMENTS[name]()
    cost = network_cost(document)
    leaves = dict(cost.leaves())
    expected = training_macs(cost, input_grad=input_grad or document.kind == "operator")
    workload = network_workload(document, mode="train", input_grad=input_grad)
    counted, batch = count_layers(workload, leaves), workload.inputs[0].shape[0]
    for path, leaf in leaves.items():
        if expected[path] is not None:
            assert counted[path].macs == batch * expected[path], path
        assert expected[path] in (3 * leaf.macs, 2 * leaf.macs, None)
        assert not counted[path].uncounted, path
    whole = count_on_meta(workload)
    assert whole.macs == counted[""].macs
    assert not whole.uncounted


@pytest.mark.parametrize("name", ["kanet-qkv", "kanet-kv", "kanet-audio"])
def test_a_kanet_runs_forward_and_backward_and_every_parameter_gets_a_gradient(name):
    document = load_spec(name)
    workload = network_workload(document, mode="train", input_grad=True)
    module = build_module(workload, device="cpu")
    (x,) = build_inputs(workload, device="cpu")
    output = module(x)
    assert output.shape == (1, *network_cost(document).output_shape)
    assert output.isfinite().all()
    output.square().sum().backward()
    without = [path for path, parameter in module.named_parameters() if parameter.grad is None]
    assert without == []
    still = [path for path, parameter in module.named_parameters() if not parameter.grad.abs().sum() > 0]
    assert still == []
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("size", ["[16]", "[16, 12]", "[8, 16, 12]"])
def test_a_network_of_every_layer_really_runs(size):
    document = every_layer(size)
    module = build_network(document).train()
    module(torch.randn(2, 6, *json.loads(size))).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert module.eval()(torch.randn(3, 6, *json.loads(size))).shape == (3, 5)


def test_segmentation_keeps_the_size_and_video_its_axes():
    assert network_cost(load_spec("kanet-seg")).output_shape == (21, 512, 512)
    small = override(load_spec("kanet-seg"), size=(64, 48))
    assert build_network(small).eval()(torch.randn(1, 3, 64, 48)).shape == (1, 21, 64, 48)
    small = override(load_spec("kanet-video"), size=(8, 32, 48), batch=2)
    assert build_network(small)(torch.randn(2, 3, 8, 32, 48)).shape == (2, 400)


def test_the_batch_changes_nothing_for_one_sample_but_the_workload():
    document = override(load_spec("kanet-kv"), batch=8)
    assert network_cost(document).macs == PAPER["kanet-kv"][0]
    assert network_workload(document).inputs[0].shape == (8, 3, 224, 224)


@pytest.mark.parametrize(
    ("attention", "name"),
    [("nonlocal", "attnnet"), ("nonlocal_pool", "attnnet-pool"), ("kao_kv", "kanet-kv"), ("kao_qkv", "kanet-qkv")],
)
def test_swapping_the_operator_turns_one_network_of_the_paper_into_another(attention, name):
    for other in ("attnnet", "kanet-qkv"):
        assert network_cost(override(load_spec(other), attention=attention)).macs == PAPER[name][0]


def test_swapping_the_operator_reaches_layers_that_name_their_own():
    document = every_layer("[160, 120]")  # large enough for every window and reduction
    for operator in OPERATORS:
        swapped = network_cost(override(document, attention=operator))
        types = {leaf.type for _, leaf in swapped.leaves()} & set(map(kind_of, OPERATORS))
        assert types == {kind_of(operator)}
    assert {leaf.type for _, leaf in network_cost(document).leaves()} >= {"kao_kv", "kao_qkv", "nonlocal_pool"}


def test_sizes_are_overridden_as_on_the_command_line():
    document = load_spec("kanet-kv")
    assert override(document, size=(128,)).spec.input.size == (128, 128)
    assert override(document, size=(128, 96)).spec.input.size == (128, 96)
    assert override(document).spec == document.spec
    with pytest.raises(UsageError, match="1 sizes for 3 spatial axes"):
        override(load_spec("kanet-video"), size=(16,))
    with pytest.raises(UsageError, match="must be between 1 and"):
        override(document, batch=0)
    with pytest.raises(UsageError, match="unknown operator 'kao'"):
        override(document, attention="kao")
    with pytest.raises(UsageError, match="a grid spec has no layers"):
        override(load_spec("paper-grid"), batch=2)


def test_a_size_that_a_layer_cannot_take_names_the_layer():
    text = starter_spec().replace(
        "  - {type: global_avg_pool}", "  - {type: max_pool, kernel: 20}\n  - {type: global_avg_pool}"
    )
    document = parse_spec(text, file="my.yaml")
    check_spec(document)
    with pytest.raises(SpecError, match=r"my.yaml:28 layers\[5\].kernel: nothing is left of a map of 8 x 8"):
        network_cost(override(document, size=(32,)))


def test_the_stride_is_that_of_the_first_of_a_repeat():
    blocks = dict(network_cost(load_spec("kanet-qkv")).leaves())
    assert blocks["layers.2.0.depthwise.conv"].output_shape == (96, 56, 56)
    assert blocks["layers.2.1.depthwise.conv"].output_shape == (144, 56, 56)


def test_a_workload_carries_the_whole_spec_through_json():
    workload = network_workload(every_layer("[16, 12]"), dtype="fp64", seed=3)
    msgspec.json.encode(workload)
    module = build_module(workload, device="cpu")
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float64}
    again = build_module(workload, device="cpu")
    for one, other in zip(module.parameters(), again.parameters(), strict=True):
        assert one.equal(other)


CODE = """\
schema: 1
name: own
module: "test_networks:OwnModel"
kwargs: {{width: 6}}
inputs:
  words: {{shape: [2, 5], dtype: int64, high: 7}}
  image: {{shape: [2, 3, 8, 8], dtype: {dtype}}}
"""


class OwnModel(nn.Module):
    """A module with a signature and an answer of its own."""

    def __init__(self, width):
        super().__init__()
        self.words = nn.Embedding(7, width)
        self.image = nn.Conv2d(3, width, 3)
        self.out = nn.Linear(width, 4)

    def forward(self, image, words):
        doubled = image * 2
        pooled = self.image(doubled).mean(dim=(2, 3))
        return {"index": words, "scores": self.out(pooled + self.words(words).mean(dim=1))}


def test_code_is_only_imported_where_that_is_allowed():
    document = parse_spec(CODE.format(dtype="fp32"), file="own.yaml")
    with pytest.raises(UsageError, match=r"own.yaml:3 module: .*importing runs its code.*--allow-import") as caught:
        code_workload(document, allow_import=False)
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match="names no code"):
        code_workload(load_spec("kanet-kv"), allow_import=True)


@pytest.mark.parametrize(("dtype", "expected"), [("fp32", torch.float32), ("fp64", torch.float64)])
def test_a_module_of_ones_own_is_counted_layer_by_layer(dtype, expected):
    workload = code_workload(parse_spec(CODE.format(dtype=dtype), file="own.yaml"), allow_import=True, dtype=dtype)
    counted = count_layers(workload)
    assert counted["module.image"].macs == 2 * 6 * 6 * 6 * 27  # batch, width, 6 x 6 positions, 3 x 3 x 3 window
    assert counted["module.out"].macs == 2 * 6 * 4
    assert counted["module.words"].macs == 0
    # twice the image; the mean of 6 maps of 6 x 6; the mean of 5 words; their sum
    assert counted["module"].elementwise == 2 * (3 * 64 + 6 * 36 + 5 * 6 + 6)
    assert counted["module.words"].params == 42
    assert counted["module.image"].leaf
    assert not counted["module"].leaf
    module = build_module(workload, device="cpu")
    assert module(*build_inputs(workload, device="cpu")).dtype == expected


def test_what_a_spec_leaves_open_is_as_asked_for_and_what_it_says_must_be():
    open_ = parse_spec(CODE.replace(", dtype: {dtype}", "").format(), file="own.yaml")
    workload = code_workload(open_, allow_import=True, dtype="bf16")
    assert [tensor.dtype for tensor in workload.inputs] == ["int64", "bf16"]
    module = build_module(workload, device="cpu")
    assert {weight.dtype for weight in module.parameters()} == {torch.bfloat16}
    words = 'schema: 1\nname: w\nmodule: "torch.nn:Embedding"\nargs: [7, 3]\ninputs: [{shape: [2, 5], dtype: int64}]\n'
    workload = code_workload(parse_spec(words, file="w.yaml"), allow_import=True, dtype="fp16")
    assert workload.dtype == "fp16"
    assert build_module(workload, device="meta").module.weight.dtype == torch.float16
    with pytest.raises(UsageError, match=r"inputs: is called with fp64, but bf16 is asked for .*--dtype fp64"):
        code_workload(parse_spec(CODE.format(dtype="fp64"), file="own.yaml"), allow_import=True, dtype="bf16")


def test_backward_operations_belong_to_the_module_that_they_differentiate():
    workload = code_workload(parse_spec(CODE.format(dtype="fp32"), file="own.yaml"), allow_import=True, mode="train")
    workload = msgspec.structs.replace(workload, input_grad=True)
    counted = count_layers(workload)
    assert counted["module.image"].macs == 3 * 2 * 6 * 6 * 6 * 27
    assert counted["module.out"].macs == 3 * 2 * 6 * 4
    # forward: the image doubled, two means, a sum; backward of the doubling: one product for each element of the image
    assert counted["module"].elementwise >= 2 * (3 * 64 + 6 * 36 + 5 * 6 + 6) + 2 * 3 * 64
    whole = count_on_meta(workload)
    assert whole.elementwise == sum(layer.elementwise for layer in counted.values())


MADE = []


class Failing(nn.Module):
    """Fails in the middle."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        MADE.append(self)

    def forward(self, x):
        raise ValueError(f"fails after {self.linear(x).shape}")


def test_no_hook_is_left_behind_after_an_exception():
    text = 'schema: 1\nname: f\nmodule: "test_networks:Failing"\ninputs: [{shape: [2, 3]}]\n'
    workload = code_workload(parse_spec(text, file="f.yaml"), allow_import=True)
    with pytest.raises(ValueError, match="fails after"):
        count_layers(workload)
    made = [part for module in MADE for part in module.modules()]
    assert made
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in made)
    assert count_layers(network_workload(load_spec("kao-kv-56")))[""].leaf is False


def compiles_in_one_piece(document):
    torch._dynamo.reset()
    work = network_workload(document, dtype="fp32", mode="forward", seed=0)
    module, inputs = build_module(work, device="meta"), build_inputs(work, device="meta")
    whole = torch.compile(module, fullgraph=True, backend="eager", dynamic=False)  # raises where the graph breaks
    with torch.no_grad():
        return whole(*inputs).shape == module(*inputs).shape


@pytest.mark.slow
def test_every_layer_is_compiled_in_one_piece():
    assert compiles_in_one_piece(every_layer("[16, 12]"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kanet-qkv", "attnnet-pool", "kanet-seg", "kanet-video", "kanet-audio"])
def test_a_shipped_model_is_compiled_in_one_piece(name):
    assert compiles_in_one_piece(load_spec(name))
