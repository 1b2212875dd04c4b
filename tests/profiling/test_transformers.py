"""Models that nobody here wrote are counted to the digit: as torch does, in both spellings, forward and train."""

import functools
import json

import pytest
import torch
import transformer_models
from torch.utils.flop_counter import FlopCounterMode

from kaoprof.profiling.run import ModelOptions, profile
from kaoprof.records.options import Options
from kaoprof.specs import parse_spec

pytest.importorskip("transformers", reason="pip install transformers, for models that nobody here wrote")

IMAGE = [1, 3, 224, 224]
SPELLINGS = {"vit": ("eager", "sdpa"), "swin": ("eager", "sdpa"), "segformer": ("eager", "sdpa"),
             "mobilenetv2": ("eager",)}  # fmt: skip
CASES = [(name, attention) for name, spellings in SPELLINGS.items() for attention in spellings]
GROUPED = {"segformer", "mobilenetv2"}  # torch's own counter takes the backward of their convolutions for dense


@functools.cache
def profiled(name, attention, mode="forward"):
    spec = {
        "schema": 1,
        "name": name,
        "module": f"transformer_models:{name}",
        "kwargs": {"attention": attention},
        "inputs": {"pixel_values": {"shape": IMAGE}},
    }
    options = ModelOptions(measured=False, allow_import=True, mode=mode)
    record = profile([parse_spec(json.dumps(spec), file="spec.yaml")], options=Options(device="cpu"), model=options)
    return record.models[0]


def macs_by_torch(name, attention, *, train=False):
    with torch.device("meta"):
        module = getattr(transformer_models, name)(attention).train(train)
        image = torch.empty(IMAGE, requires_grad=train)
    with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(train):
        answer = module(pixel_values=image)
        if train:
            sum(tensor.sum() for tensor in answer.values() if tensor is not None).backward()
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(("name", "attention"), CASES)
def test_macs_are_torchs_own_and_no_operation_is_left_out(name, attention):
    model = profiled(name, attention)
    assert (model.status, model.detail) == ("ok", "")
    assert model.total.macs_counted == macs_by_torch(name, attention)
    assert all(row.uncounted == {} for row in model.layers)
    leaves = [row for row in model.layers if row.leaf]
    assert sum(row.macs_counted for row in leaves) == model.total.macs_counted
    assert sum(row.params + row.params_norm for row in leaves) == model.total.params + model.total.params_norm


@pytest.mark.parametrize(("name", "attention"), CASES)
def test_fvcore_agrees_in_every_layer_on_which_it_has_an_opinion(name, attention):
    layers = profiled(name, attention).layers
    assert layers[0].macs_fvcore == layers[0].macs_counted
    assert all(row.macs_fvcore in (None, row.macs_counted) for row in layers)


@pytest.mark.parametrize("name", [name for name, spellings in SPELLINGS.items() if len(spellings) == 2])
def test_both_spellings_of_attention_cost_the_same(name):
    eager, sdpa = (profiled(name, attention).total for attention in ("eager", "sdpa"))
    assert eager.macs_counted == sdpa.macs_counted
    assert eager.flops_all == sdpa.flops_all
    assert eager.params == sdpa.params


@pytest.mark.parametrize(("name", "attention"), CASES)
def test_the_backward_pass_is_twice_the_forward_pass(name, attention):
    forward, train = (profiled(name, attention, mode) for mode in ("forward", "train"))
    assert train.status == "ok"
    assert train.total.macs_counted - forward.total.macs_counted == 2 * forward.total.macs_counted
    assert all(row.uncounted == {} for row in train.layers)


@pytest.mark.parametrize("name", SPELLINGS)
def test_torch_counts_training_alike_except_where_convolutions_are_grouped(name):
    ours, torchs = profiled(name, "eager", "train").total.macs_counted, macs_by_torch(name, "eager", train=True)
    assert torchs > 1.05 * ours if name in GROUPED else torchs == ours


def test_vit_base_is_what_its_paper_describes():
    tokens, width, hidden, layers = 14 * 14 + 1, 768, 3072, 12  # 16 x 16 patches of 224 x 224, and the class token
    patches = (tokens - 1) * width * 16 * 16 * 3
    attention = 4 * tokens * width**2 + 2 * tokens**2 * width
    pooler = width**2
    total = patches + layers * (attention + 2 * tokens * width * hidden) + pooler
    assert profiled("vit", "sdpa").total.macs_counted == total == 17_563_650_048


def test_peaks_are_predicted_also_where_weights_are_drawn_until_they_please():
    model = profiled("vit", "eager")
    tokens, heads = 197, 12
    assert model.total.peak_bytes_predicted > 2 * heads * tokens**2 * 4  # similarities, and softmax of them, in fp32
