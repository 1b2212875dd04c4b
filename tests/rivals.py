"""The rivals of Kronecker attention as tests look at them: built in float64, and held against what loops compute."""

import math

import torch
from torch import nn

from kaoprof.catalog import find_operator
from kaoprof.dims import AttentionOptions
from kaoprof.workload.building import resolve

CHANNELS = 6
BATCH = 2


def made(name, spatial, *, channels=CHANNELS, **options):
    """The operator's module in float64 with weights that are the same on every run."""
    torch.manual_seed(1)
    operator = find_operator(name)
    module = resolve(operator.factory)(channels, **operator.arguments(spatial, AttentionOptions(**options)))
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
        if isinstance(part, nn.BatchNorm1d | nn.LayerNorm):
            nn.init.normal_(part.weight)
            nn.init.normal_(part.bias)
    return module.double().eval()


def made_input(spatial, *, channels=CHANNELS):
    return torch.randn(BATCH, channels, *spatial, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def places_of(spatial):
    """Every position, as a tuple of its indices, in order."""
    return [tuple(place) for place in torch.cartesian_prod(*map(torch.arange, spatial)).view(-1, len(spatial)).tolist()]


def weighted(query, keys, values, *, heads=1, scale="sqrt", bias=None):
    """softmax(scale q k^T + bias) v of one query, key by key; `bias` is one number for each head and key."""
    size, sums = len(query) // heads, []
    for head in range(heads):
        of_keys, of_values = (
            slice(head * len(vector) // heads, (head + 1) * len(vector) // heads) for vector in (query, values[0])
        )
        factor = 1 / math.sqrt(size) if scale == "sqrt" else 1.0
        similarities = [factor * float(query[of_keys] @ key[of_keys]) for key in keys]
        if bias is not None:
            similarities = [value + float(more) for value, more in zip(similarities, bias[head], strict=True)]
        sums.append(sum(share * value[of_values] for share, value in zip(shares(similarities), values, strict=True)))
    return torch.cat(sums)


def shares(numbers):
    """Softmax of a list."""
    exponentials = [math.exp(number - max(numbers)) for number in numbers]
    return [exponential / sum(exponentials) for exponential in exponentials]


def layer_normed(weights, name, vector):
    """The vector normalised by the layer norm called `name`."""
    spread = math.sqrt(float((vector - vector.mean()).square().mean()) + 1e-5)
    return (vector - vector.mean()) / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def batch_normed(weights, name, vector):
    """The vector of channels normalised by the statistics of the batch norm called `name`."""
    spread = (weights[f"{name}.running_var"] + 1e-5).sqrt()
    return (vector - weights[f"{name}.running_mean"]) / spread * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def by_place(vectors, spatial):
    """Vectors of all positions in order as one sample, `(c, *spatial)`."""
    return torch.stack(vectors, dim=1).reshape(-1, *spatial)


def linear(weights, name, vector):
    """The transformation called `name` of one vector; the identity where there is none."""
    if f"{name}.weight" not in weights:
        return vector
    transformed = weights[f"{name}.weight"] @ vector
    return transformed + weights[f"{name}.bias"] if f"{name}.bias" in weights else transformed


def assert_as_in_loops(reference, name, spatial, *, channels=CHANNELS, **options):
    """Holds the module against `reference(x, weights, options)`, which gives one sample's output as `(c, *spatial)`.

    Without gradients, and with them: the two ways may write to memory differently.
    """
    module, x = made(name, spatial, channels=channels, **options), made_input(spatial, channels=channels)
    weights = {key: value.detach() for key, value in module.state_dict().items()}
    chosen, before = AttentionOptions(**options), x.clone()
    expected = torch.stack([reference(sample, weights, chosen) for sample in x])
    with torch.no_grad():
        torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(module(x).detach(), expected, rtol=1e-10, atol=1e-10)
    assert torch.equal(x, before)


def assert_gradients(name, spatial, *, channels=CHANNELS, **options):
    """Of the input by difference quotients; and every parameter has one."""
    module = made(name, spatial, channels=channels, **options)
    x = made_input(spatial, channels=channels).requires_grad_()
    assert torch.autograd.gradcheck(module, (x,), fast_mode=True)
    module(x).square().sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
