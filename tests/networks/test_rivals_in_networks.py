"""Rivals as layers of a network and as the attention of its modules, with their own options as keys."""

import pytest

from kaoprof.costs.training import training_macs
from kaoprof.counting.dispatcher import count_on_meta
from kaoprof.networks import network_cost, network_workload
from kaoprof.specs import parse_spec
from kaoprof.workload.building import build_module

SPEC = """
schema: 1
name: net
input: {channels: 3, size: [20, 18]}
attention: {type: OPERATOR, projection: PROJECTION, heads: 2KEYS}
layers:
  - {type: conv, out: 16, kernel: 3}
  - {type: attention}
  - {type: attn_skip, expand: 2, out: 16, stride: 2}
  - {type: attention, operator: gc, ratio: 4}
  - {type: global_avg_pool}
  - {type: linear, out: 10}
"""
KEYS = {
    "spatial_reduction": ", reduction: 3",
    "linear": "",
    "efficient": ", key_channels: 8, value_channels: 4",
    "gc": ", ratio: 2",
    "ema": ", bases: 5, iterations: 2",
    "coordinate": ", ratio: 2",
}


@pytest.mark.parametrize("projection", ["value", "published"])
@pytest.mark.parametrize("operator", KEYS)
def test_a_network_of_it_costs_what_is_counted(operator, projection):
    text = SPEC.replace("OPERATOR", operator).replace("PROJECTION", projection).replace("KEYS", KEYS[operator])
    document = parse_spec(text, file="net.yaml")
    cost, work = network_cost(document), network_workload(document)
    counted = count_on_meta(work)
    assert (counted.macs, counted.flops_all) == (cost.macs, cost.flops_all)
    weights = sum(parameter.numel() for parameter in build_module(work, device="meta").parameters())
    assert weights == cost.params + cost.params_norm


@pytest.mark.parametrize("projection", ["value", "published"])
def test_training_a_network_of_ema_takes_no_gradients_of_its_iterations(projection):
    text = SPEC.replace("OPERATOR", "ema").replace("PROJECTION", projection).replace("KEYS", KEYS["ema"])
    document = parse_spec(text, file="net.yaml")
    work = network_workload(document, mode="train")
    assert count_on_meta(work).macs == training_macs(network_cost(document), input_grad=work.input_grad)[""]
