"""Expectation-maximization attention: against loops, whose iterations take no gradients either."""

import itertools

import pytest
import torch
from representatives import mostly_slow
from rivals import BATCH, CHANNELS, assert_as_in_loops, batch_normed, by_place, linear, made, made_input, shares

from kaoprof.catalog import OPERATORS, operator_workload
from kaoprof.counting.dispatcher import count_on_meta
from kaoprof.dims import AttentionOptions, Dims

SIZES = [(7,), (3, 4), (2, 3, 4)]
TOLD = ["ema(bases=3,iterations=2)", "ema(bases=4,iterations=1)"]


def in_loops(name):
    iterations = OPERATORS["ema"].telling({"iterations": int(name[-2])}).own["iterations"]

    def reference(x, weights, options):
        published = options.projection == "published"
        vectors = list(x.flatten(1).T)
        features = [linear(weights, "before", vector) for vector in vectors]  # none where it is not published
        bases = list(weights["bases"][0].T)
        for _ in range(iterations):
            assigned = [shares([float(base @ vector) for base in bases]) for vector in features]
            totals = [sum(row[k] for row in assigned) + 1e-6 for k in range(len(bases))]
            means = [
                sum(row[k] * vector for row, vector in zip(assigned, features, strict=True)) / total
                for k, total in enumerate(totals)
            ]
            bases = [mean / (mean.norm() + 1e-6) for mean in means]
        rebuilt = [sum(share * base for share, base in zip(row, bases, strict=True)) for row in assigned]
        if not published:
            return by_place(rebuilt, x.shape[1:]) + x
        after = [batch_normed(weights, "norm", linear(weights, "after", vector.clamp(min=0))) for vector in rebuilt]
        return (by_place(after, x.shape[1:]) + x).clamp(min=0)

    return reference


@pytest.mark.parametrize(
    ("name", "spatial", "projection"), mostly_slow(list(itertools.product(TOLD, SIZES, ("none", "published"))))
)
def test_it_is_what_loops_compute(name, spatial, projection):
    assert_as_in_loops(in_loops(name), name, spatial, projection=projection)


def test_gradients_pass_by_the_iterations():
    """As published: what is rebuilt of the bases is a constant, so the first transformation learns nothing."""
    x = made_input((3, 4)).requires_grad_()
    made(TOLD[0], (3, 4), projection="none")(x).sum().backward()
    torch.testing.assert_close(x.grad, torch.ones_like(x))
    module = made(TOLD[0], (3, 4), projection="published")
    seen = []
    module.after.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    y = module(x)
    (2 * y).sum().backward()
    assert module.before.weight.grad is None
    open_to_it = 2 * (y > 0).flatten(2) * (module.norm.weight / (module.norm.running_var + 1e-5).sqrt())[:, None]
    expected = sum(open_to_it[sample] @ seen[0][sample].T for sample in range(BATCH))
    torch.testing.assert_close(module.after.weight.grad, expected)


@pytest.mark.parametrize(
    ("bases", "projection", "macs"),
    [(64, "none", 7 * 216 * 64 * 64), (16, "published", 3_317_760), (64, "published", 7_962_624)],
)
def test_it_costs_what_the_public_module_does(bases, projection, macs):
    """Counted on EMANet's unit: 2 N c^2 + (2 T + 1) N K c."""
    cost = OPERATORS["ema"].telling({"bases": bases}).cost(
        Dims(b=1, c=64, spatial=(12, 18)), AttentionOptions(projection=projection)
    )  # fmt: skip
    assert (cost.macs, cost.map_entries) == (macs, 216 * bases)


@pytest.mark.parametrize(("projection", "backward"), [("none", 0), ("published", 20 * CHANNELS**2)])
def test_a_training_step_adds_the_gradient_of_the_last_transformation_and_no_more(projection, backward):
    dims, options = Dims(b=2, c=CHANNELS, spatial=(4, 5)), AttentionOptions(projection=projection)
    cost = OPERATORS["ema"].cost(dims, options)
    assert cost.macs_trained == cost.macs + backward
    work = operator_workload("ema", dims, options, dtype="fp32", mode="train", seed=0)
    assert count_on_meta(work).macs == 2 * cost.macs_trained
