"""Operators without a full map, against slow references written with loops: entry by entry, sample by sample."""

import itertools
import math

import pytest
import torch
from representatives import mostly_slow
from torch.nn import functional as F

from kaoprof.catalog import OPERATORS
from kaoprof.dims import AttentionOptions
from kaoprof.workload.building import resolve

CHANNELS = 6
BATCH = 2
SIZES = {1: (7,), 2: (5, 4), 3: (2, 3, 5)}
OWN = {  # what each is told: small enough for small inputs
    "spatial_reduction": {"reduction": 2},
    "linear": {},
    "efficient": {},
    "gc": {"ratio": 3},
    "ema": {"bases": 3, "iterations": 2},
    "coordinate": {"reduction": 32},
}
PUBLISHED_OWN = {"efficient": {"keys": 4, "values": 2}}
PROJECTIONS = {
    "spatial_reduction": ("none", "value", "qkv", "qkvo", "published"),
    "linear": ("none", "value", "qkv", "qkvo", "published"),
    "efficient": ("none", "value", "qkv", "qkvo", "published"),
    "gc": ("none", "published"),
    "ema": ("none", "published"),
    "coordinate": ("none", "published"),
}


def make(name, axes, *, own=None, **options):
    """The operator in float64, in eval mode, with weights and statistics of which none is 0 or 1."""
    operator = OPERATORS[name].telling(OWN[name] if own is None else own)
    torch.manual_seed(1)
    module = resolve(operator.factory)(CHANNELS, **operator.arguments(axes, AttentionOptions(**options))).double()
    generator = torch.Generator().manual_seed(3)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            part.running_mean.normal_(generator=generator)
            part.running_var.uniform_(0.5, 2, generator=generator)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.7, generator=generator)
    return module.eval()


def make_input(spatial):
    return torch.randn(BATCH, CHANNELS, *spatial, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def places_of(spatial):
    return list(itertools.product(*map(range, spatial)))


def mapped(module, vectors):
    """Each vector transformed by a linear map, if there is one."""
    if module is None:
        return vectors
    bias = 0 if module.bias is None else module.bias
    return [module.weight @ vector + bias for vector in vectors]


def shares(numbers):
    """Softmax of a list."""
    powers = [math.exp(number - max(numbers)) for number in numbers]
    return [power / sum(powers) for power in powers]


def batch_normed(norm, vectors):
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return [(vector - norm.running_mean) * scale + norm.bias for vector in vectors]


def layer_normed(norm, vector):
    mean = sum(vector) / len(vector)
    variance = sum((number - mean) ** 2 for number in vector) / len(vector)
    return (vector - mean) / math.sqrt(variance + norm.eps) * norm.weight + norm.bias


def by_head(heads, vectors):
    """For each head its channels of every vector."""
    size = len(vectors[0]) // heads
    return [[vector[head * size : (head + 1) * size] for vector in vectors] for head in range(heads)]


def joined(parts):
    """For each position the heads' results as one vector."""
    return [torch.cat(at_one_place) for at_one_place in zip(*parts, strict=True)]


def softmax_attention(queries, keys, values, scale):
    results = []
    for query in queries:
        weights = shares([float(query @ key) * scale for key in keys])
        results.append(sum(weight * value for weight, value in zip(weights, values, strict=True)))
    return results


def reduced(module, x, own):
    """Of one sample `(c *spatial)`: the vectors that answer, as published where it has a convolution."""
    spatial = x.shape[1:]
    if own.get("pooled"):
        count = own["pooled"]
        spans = [[(i * s // count, -(-(i + 1) * s // count)) for i in range(count)] for s in spatial]
    else:
        size = own["reduction"]
        spans = [[(i * size, (i + 1) * size) for i in range(s // size)] for s in spatial]
    vectors = []
    convolution = getattr(module.reduce, "convolution", None)
    for window in itertools.product(*spans):
        patch = x[(slice(None), *(slice(*span) for span in window))]
        if convolution is None or own.get("pooled"):
            vector = patch.flatten(1).mean(1)
            if convolution is not None:
                vector = convolution.weight.flatten(1) @ vector + convolution.bias
        else:
            vector = torch.stack([(kernel * patch).sum() for kernel in convolution.weight]) + convolution.bias
        if convolution is not None:
            vector = layer_normed(module.reduce.norm, vector)
            vector = F.gelu(vector) if own.get("pooled") else vector
        vectors.append(vector)
    return vectors


def spatial_reduction(module, x, vectors, options, own):
    answering = reduced(module, x, own) if module.reduce is not None else vectors
    parts = module.attention._modules
    q = by_head(options.heads, mapped(parts.get("query"), vectors))
    k, v = (by_head(options.heads, mapped(parts.get(name), answering)) for name in ("key", "value"))
    scale = 1 / math.sqrt(CHANNELS // options.heads) if options.scale == "sqrt" else 1
    attended = [softmax_attention(*of_a_head, scale) for of_a_head in zip(q, k, v, strict=True)]
    return mapped(parts.get("output"), joined(attended))


def linear(module, x, vectors, options, own):
    parts = module._modules
    q, k, v = (by_head(options.heads, mapped(parts.get(name), vectors)) for name in ("query", "key", "value"))
    results = []
    for queries, keys, values in zip(q, k, v, strict=True):
        of_a_head = []
        for query in queries:
            weights = [float((F.elu(query) + 1) @ (F.elu(key) + 1)) for key in keys]
            total = sum(weights) + 1e-6
            of_a_head.append(sum(weight / total * value for weight, value in zip(weights, values, strict=True)))
        results.append(of_a_head)
    return mapped(parts.get("output"), joined(results))


def efficient(module, x, vectors, options, own):
    parts = module._modules
    q, k, v = (by_head(options.heads, mapped(parts.get(name), vectors)) for name in ("query", "key", "value"))
    results = []
    for queries, keys, values in zip(q, k, v, strict=True):
        by_channel = [shares([float(key[channel]) for key in keys]) for channel in range(len(keys[0]))]
        contexts = [sum(w * value for w, value in zip(weights, values, strict=True)) for weights in by_channel]
        asked = [shares([float(number) for number in query]) for query in queries]
        results.append([sum(w * context for w, context in zip(ws, contexts, strict=True)) for ws in asked])
    output = mapped(parts.get("output"), joined(results))
    return [y + vector for y, vector in zip(output, vectors, strict=True)] if module.adds_input else output


def gc(module, x, vectors, options, own):
    weights = shares([float(module.weight.weight[0] @ vector + module.weight.bias) for vector in vectors])
    context = sum(weight * vector for weight, vector in zip(weights, vectors, strict=True))
    narrow = layer_normed(module.norm, mapped(module.narrow, [context])[0]).clamp(min=0)
    added = mapped(module.widen, [narrow])[0]
    return [vector + added for vector in vectors]


def ema(module, x, vectors, options, own):
    features = mapped(module.before, vectors) if module.published else vectors
    bases = list(module.bases[0].T)
    for _ in range(own["iterations"]):
        assigned = [shares([float(base @ vector) for base in bases]) for vector in features]
        means = [
            sum(row[k] * vector for row, vector in zip(assigned, features, strict=True))
            / (sum(row[k] for row in assigned) + 1e-6)
            for k in range(len(bases))
        ]
        bases = [mean / (mean.norm() + 1e-6) for mean in means]
    rebuilt = [sum(share * base for share, base in zip(row, bases, strict=True)) for row in assigned]
    if not module.published:
        return [y + vector for y, vector in zip(rebuilt, vectors, strict=True)]
    after = batch_normed(module.norm, mapped(module.after, [vector.clamp(min=0) for vector in rebuilt]))
    return [(y + vector).clamp(min=0) for y, vector in zip(after, vectors, strict=True)]


def coordinate(module, x, vectors, options, own):
    places = places_of(x.shape[1:])
    gates = []
    for axis, size in enumerate(x.shape[1:]):
        means = [
            torch.stack([v for v, place in zip(vectors, places, strict=True) if place[axis] == i]).mean(0)
            for i in range(size)
        ]
        hidden = [h * (h + 3).clamp(0, 6) / 6 for h in batch_normed(module.norm, mapped(module.narrow, means))]
        gates.append([vector.sigmoid() for vector in mapped(module.gates[axis], hidden)])
    return [
        vector * math.prod(gates[axis][i] for axis, i in enumerate(place))
        for vector, place in zip(vectors, places, strict=True)
    ]


REFERENCES = {
    "spatial_reduction": spatial_reduction,
    "linear": linear,
    "efficient": efficient,
    "gc": gc,
    "ema": ema,
    "coordinate": coordinate,
}


def reference(name, module, x, options, own):
    spatial, out = x.shape[2:], torch.empty_like(x)
    for sample in range(len(x)):
        vectors = [x[(sample, slice(None), *place)] for place in places_of(spatial)]
        results = REFERENCES[name](module, x[sample], vectors, options, own)
        for place, result in zip(places_of(spatial), results, strict=True):
            out[(sample, slice(None), *place)] = result
    return out


def cases():
    for name, projections in PROJECTIONS.items():
        axes = (2, 3) if name == "coordinate" else (1, 2, 3)
        for implementation in OPERATORS[name].implementations:
            for rank, projection, heads in itertools.product(axes, projections, (1, 2)):
                yield name, rank, projection, heads, implementation


EVERY = list(cases())


@pytest.mark.parametrize(("name", "rank", "projection", "heads", "implementation"), mostly_slow(EVERY, together=2))
@pytest.mark.parametrize("grad", [False, True])
def test_an_operator_agrees_with_a_loop(name, rank, projection, heads, implementation, grad):
    own = OWN[name] | (PUBLISHED_OWN.get(name, {}) if projection == "published" else {})
    told = {"heads": heads, "projection": projection, "implementation": implementation}
    module, x = make(name, rank, own=own, **told), make_input(SIZES[rank])
    options = AttentionOptions(**told).as_in("qkvo" if name == "spatial_reduction" else "none", "sqrt")
    with torch.no_grad():
        expected = reference(name, module, x, options, own)
    with torch.set_grad_enabled(grad):
        torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-10)
    assert torch.equal(x, make_input(SIZES[rank]))  # nothing is written over but what the operator made itself


@pytest.mark.parametrize("projection", ["none", "published"])
@pytest.mark.parametrize("own", [{"reduction": 1}, {"pooled": 3}, {"reduction": 3}])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_fewer_positions_answer(own, projection, rank):
    spatial = tuple(size + 1 for size in SIZES[rank])
    options = AttentionOptions(heads=2, projection=projection)
    module, x = make("spatial_reduction", rank, own=own, heads=2, projection=projection), make_input(spatial)
    with torch.no_grad():
        expected = reference("spatial_reduction", module, x, options.as_in("qkvo", "sqrt"), own)
        torch.testing.assert_close(module(x), expected, rtol=1e-10, atol=1e-10)
