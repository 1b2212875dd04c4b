"""The operators against the public modules that they were written after: same weights, same input, same output.

Run: python tests/benchmarks/bench_originals.py FOLDER [ROUNDS [NAME ...]]
FOLDER holds checkouts of the repositories that `PAIRS` names, each under its own name; none of their code is part of
kaoprof, and what is not there is left out, by name. Only the class that is needed is taken out of a file.
Prints the difference of the outputs and, from interleaved rounds, the ratio of latencies (theirs over ours, forward and
training): the median with its interval, and that of the fastest rounds; exits with 1 where outputs differ or ours is
slower. The process keeps the memory that it frees; bench_public_modules.py says why.

Both take a map `(b c h w)` and give one: what a module for tokens needs for that is part of its time, as of ours.
"""

import ast
import math
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from bench_public_modules import forward_step, keep_freed_memory, paired_seconds, training_step
from torch import nn
from torch.nn import functional as F

from kaoprof.catalog import find_operator
from kaoprof.dims import AttentionOptions
from kaoprof.stats.medians import estimate
from kaoprof.workload.building import resolve

TOLERANCE = 1e-5
ROUNDS = 20
HEADS = 8
SIZES = ((2, 64, 28, 28), (1, 64, 56, 56))


def taken(file: Path, *names: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The classes and functions of a file by name, without its imports and its decorators."""
    nodes = [node for node in ast.parse(file.read_text()).body if getattr(node, "name", None) in names]
    for node in nodes:
        node.decorator_list = []
    space: dict[str, Any] = {
        "torch": torch, "nn": nn, "F": F, "f": F, "math": math, "Module": nn.Module, "List": list, "partial": partial,
        "trunc_normal_": nn.init.trunc_normal_, "_assert": lambda *_: None, **(given or {}),
    }  # fmt: skip
    exec(compile(ast.Module(nodes, []), str(file), "exec"), space)  # noqa: S102 - what this bench is for
    return space


class OfTokens(nn.Module):
    """A module of tokens and two sizes, on a map."""

    def __init__(self, tokens: nn.Module) -> None:
        super().__init__()
        self.tokens = tokens

    def forward(self, x):
        attended = self.tokens(x.flatten(2).transpose(1, 2), *x.shape[2:])
        return attended.transpose(1, 2).reshape(x.shape)


class OfWindows(nn.Module):
    """A module of windows on a map that is partitioned, and put together again, by functions of the same project."""

    def __init__(self, windows: nn.Module, partition: Callable[..., Any], reverse: Callable[..., Any], m: Any) -> None:
        super().__init__()
        self.windows, self.partition, self.reverse, self.m = windows, partition, reverse, m

    def forward(self, x):
        tokens = self.partition(x.permute(0, 2, 3, 1), self.m).flatten(1, 2)
        side = self.m if isinstance(self.m, int) else self.m[0]
        attended = self.windows(tokens).view(-1, side, side, x.shape[1])
        return self.reverse(attended, self.m, *x.shape[2:]).permute(0, 3, 1, 2).contiguous()


class Repeated(nn.Module):
    """The same module several times, one after another."""

    def __init__(self, inner: nn.Module, times: int) -> None:
        super().__init__()
        self.inner, self.times = inner, times

    def forward(self, x):
        for _ in range(self.times):
            x = self.inner(x)
        return x


def ours(name, size, implementation="matmul", **options):
    """One of the operators as published."""
    chosen = AttentionOptions(**{"projection": "published", "heads": HEADS, "implementation": implementation} | options)
    operator = find_operator(name)
    return resolve(operator.factory)(size[1], **operator.arguments(size[2:], chosen))


def loaded(module, weights):
    """The module with these weights, each brought into its own shape."""
    own = module.state_dict()
    fitting = {key: weights[key].reshape(value.shape) if key in weights else value for key, value in own.items()}
    missing = sorted(name for name, _ in module.named_parameters() if name not in weights)
    assert not missing, missing
    module.load_state_dict(fitting)
    return module


def projections(theirs, *, split: str, prefix="attention.", output="proj"):
    """Query, key, value and output of a module that joins some of them in one matrix."""
    state = theirs.state_dict()
    names = {"qkv": ("query", "key", "value"), "kv": ("key", "value")}[split]
    weights = {}
    for kind in ("weight", "bias"):
        if f"{split}.{kind}" in state:
            parts = state[f"{split}.{kind}"].chunk(len(names))
            weights |= {f"{prefix}{name}.{kind}": part for name, part in zip(names, parts, strict=True)}
        if split == "kv" and f"q.{kind}" in state:
            weights[f"{prefix}query.{kind}"] = state[f"q.{kind}"]
        weights[f"{prefix}output.{kind}"] = state[f"{output}.{kind}"]
    return weights


def agent(folder, size, implementation, reduction=1):
    file = folder / "Agent-Attention/agent_transformer/models/agent_pvt.py"
    made = taken(file, "AgentAttention")["AgentAttention"]
    theirs = made(size[1], math.prod(size[2:]), num_heads=HEADS, qkv_bias=True, sr_ratio=reduction)
    state = theirs.state_dict()
    few = theirs.agent_num
    weights = projections(theirs, split="kv") | {
        "bias_of_keys.coarse": state["an_bias"],
        "bias_of_keys.line_0": state["ah_bias"],
        "bias_of_keys.line_1": state["aw_bias"],
        "bias_of_queries.coarse": state["na_bias"],
        "bias_of_queries.line_0": state["ha_bias"].reshape(HEADS, -1, few).mT,
        "bias_of_queries.line_1": state["wa_bias"].reshape(HEADS, -1, few).mT,
        "beside.weight": state["dwc.weight"],
        "beside.bias": state["dwc.bias"],
    }
    if reduction > 1:
        weights |= {f"reduce.convolution.{kind}": state[f"sr.{kind}"] for kind in ("weight", "bias")}
        weights |= {f"reduce.norm.{kind}": state[f"norm.{kind}"] for kind in ("weight", "bias")}
    name = f"agent(reduction={reduction})" if reduction > 1 else "agent"
    return OfTokens(theirs), loaded(ours(name, size, implementation), weights)


def spatial_reduction(folder, size, implementation, reduction=4):
    theirs = taken(folder / "PVT/classification/pvt.py", "Attention")["Attention"](
        size[1], num_heads=HEADS, sr_ratio=reduction
    )
    state = theirs.state_dict()
    weights = projections(theirs, split="kv")
    weights |= {f"reduce.convolution.{kind}": state[f"sr.{kind}"] for kind in ("weight", "bias")}
    weights |= {f"reduce.norm.{kind}": state[f"norm.{kind}"] for kind in ("weight", "bias")}
    return OfTokens(theirs), loaded(ours(f"spatial_reduction(reduction={reduction})", size, implementation), weights)


def _windowed(folder, name, size, implementation, partition, reverse, m):
    space = taken(folder / "Swin-Transformer/models/swin_transformer.py", "WindowAttention")
    theirs = space["WindowAttention"](size[1], (7, 7), HEADS)
    weights = projections(theirs, split="qkv") | {"bias.table": theirs.relative_position_bias_table.detach()}
    return OfWindows(theirs, partition, reverse, m), loaded(ours(name, size, implementation), weights)


def window(folder, size, implementation):
    space = taken(folder / "Swin-Transformer/models/swin_transformer.py", "window_partition", "window_reverse")
    return _windowed(folder, "window", size, implementation, space["window_partition"], space["window_reverse"], 7)


def grid(folder, size, implementation):
    """MaxViT's partition as timm has it, around the attention with relative biases that both share with Swin."""
    space = taken(folder / "pytorch-image-models/timm/models/maxxvit.py", "grid_partition", "grid_reverse")

    def reverse(windows, sides, *image):
        return space["grid_reverse"](windows, sides, image)

    return _windowed(folder, "grid", size, implementation, space["grid_partition"], reverse, (7, 7))


def criss_cross(folder, size, implementation, loops=1):
    del implementation
    scale = taken(folder / "mmcv/mmcv/cnn/bricks/scale.py", "Scale")["Scale"]
    given = {"Scale": scale}
    file = folder / "mmcv/mmcv/ops/cc_attention.py"
    theirs = taken(file, "CrissCrossAttention", "NEG_INF_DIAG", given=given)["CrissCrossAttention"](size[1])
    theirs.gamma.scale.data.fill_(0.5)
    state = theirs.state_dict()
    weights = {"gamma": state["gamma.scale"]}
    for name in ("query", "key", "value"):
        weights |= {f"attention.{name}.{kind}": state[f"{name}_conv.{kind}"] for kind in ("weight", "bias")}
    return Repeated(theirs, loops), loaded(ours(f"criss_cross(loops={loops})", size, heads=1), weights)


def axial(folder, size, implementation):
    file = folder / "axial-attention/axial_attention/axial_attention.py"
    names = ("AxialAttention", "SelfAttention", "PermuteToFrom", "calculate_permutations", "map_el_ind",
             "sort_and_return_indices")  # fmt: skip
    from operator import itemgetter

    space = taken(file, *names, given={"itemgetter": itemgetter})
    theirs = space["AxialAttention"](dim=size[1], dim_index=1, heads=HEADS, num_dimensions=2)
    weights = {}
    for axis, part in enumerate(theirs.axial_attentions):
        state = part.fn.state_dict()
        key, value = state["to_kv.weight"].chunk(2)
        prefix = f"along.{axis}."
        weights |= {f"{prefix}query.weight": state["to_q.weight"], f"{prefix}key.weight": key,
                    f"{prefix}value.weight": value, f"{prefix}output.weight": state["to_out.weight"],
                    f"{prefix}output.bias": state["to_out.bias"]}  # fmt: skip
    return theirs, loaded(ours("axial", size, implementation), weights)


def efficient(folder, size, implementation):
    del implementation
    file = folder / "efficient-attention/efficient_attention.py"
    theirs = taken(file, "EfficientAttention")["EfficientAttention"](size[1], 32, 4, 48)
    names = {"keys": "key", "queries": "query", "values": "value", "reprojection": "output"}
    state = theirs.state_dict()
    weights = {f"{names[key.partition('.')[0]]}.{key.partition('.')[2]}": value for key, value in state.items()}
    return theirs, loaded(ours("efficient(key_channels=32,value_channels=48)", size, heads=4), weights)


def gc(folder, size, implementation):
    del implementation
    given = {"kaiming_init": lambda *_, **__: None, "constant_init": lambda *_, **__: None}
    file = folder / "GCNet/mmdet/ops/gcb/context_block.py"
    theirs = taken(file, "ContextBlock", "last_zero_init", given=given)["ContextBlock"](size[1], 1 / 16)
    state = theirs.state_dict()
    places = {"conv_mask": "weight", "channel_add_conv.0": "narrow", "channel_add_conv.1": "norm",
              "channel_add_conv.3": "widen"}  # fmt: skip
    weights = {
        f"{own}.{kind}": state[f"{place}.{kind}"] for place, own in places.items() for kind in ("weight", "bias")
    }
    return theirs, loaded(ours("gc", size), weights)


def coordinate(folder, size, implementation):
    del implementation
    theirs = taken(folder / "CoordAttention/coordatt.py", "CoordAtt", "h_swish", "h_sigmoid")["CoordAtt"](
        *size[1:2] * 2
    )
    state = theirs.state_dict()
    places = {"conv1": "narrow", "bn1": "norm", "conv_h": "gates.0", "conv_w": "gates.1"}
    weights = {
        f"{own}.{kind}": state[f"{place}.{kind}"] for place, own in places.items() for kind in ("weight", "bias")
    }
    return theirs, loaded(ours("coordinate", size), weights)


class First(nn.Module):
    """The first of what a module gives."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)[0]


def ema(folder, size, implementation):
    del implementation
    given = {"_BatchNorm": nn.BatchNorm2d, "norm_layer": nn.BatchNorm2d}
    theirs = taken(folder / "EMANet/network.py", "EMAU", given=given)["EMAU"](size[1], 64)
    state = theirs.state_dict()
    weights = {"before.weight": state["conv1.weight"], "before.bias": state["conv1.bias"], "bases": state["mu"],
               "after.weight": state["conv2.0.weight"], "norm.weight": state["conv2.1.weight"],
               "norm.bias": state["conv2.1.bias"]}  # fmt: skip
    return First(theirs), loaded(ours("ema", size), weights)


class OfHeads(nn.Module):
    """Linear attention of one tensor as queries, keys and values, on a map."""

    class Everything:
        all_ones = True

        def __init__(self, ones):
            self.float_matrix = ones

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2).reshape(x.shape[0], -1, HEADS, x.shape[1] // HEADS)
        every = self.Everything(x.new_ones(tokens.shape[:2]))
        return self.inner(tokens, tokens, tokens, every, every, every).flatten(2).transpose(1, 2).reshape(x.shape)


def linear(folder, size, implementation):
    del implementation

    class Elu:
        def new_feature_map(self, _):
            pass

        def forward_queries(self, x):
            return F.elu(x) + 1

        forward_keys = forward_queries

    class EventDispatcher:
        get = staticmethod(lambda _: None)

    file = folder / "fast-transformers/fast_transformers/attention/linear_attention.py"
    given = {"elu_feature_map": lambda _: Elu(), "EventDispatcher": EventDispatcher}
    return OfHeads(taken(file, "LinearAttention", given=given)["LinearAttention"](8)), ours("linear", size)


PAIRS = {
    "axial": ("lucidrains/axial-attention", axial, ("matmul", "sdpa")),
    "criss_cross": ("open-mmlab/mmcv", criss_cross, ("matmul",)),
    "criss_cross, 2 loops": ("open-mmlab/mmcv", partial(criss_cross, loops=2), ("matmul",)),
    "window": ("microsoft/Swin-Transformer", window, ("matmul", "sdpa")),
    "grid": ("huggingface/pytorch-image-models", grid, ("matmul", "sdpa")),
    "agent": ("LeapLabTHU/Agent-Attention", agent, ("matmul", "sdpa")),
    "agent, reduced by 2": ("LeapLabTHU/Agent-Attention", partial(agent, reduction=2), ("matmul", "sdpa")),
    "spatial_reduction": ("whai362/PVT", spatial_reduction, ("matmul", "sdpa")),
    "linear": ("idiap/fast-transformers", linear, ("matmul",)),
    "efficient": ("cmsflash/efficient-attention", efficient, ("matmul",)),
    "gc": ("xvjiarui/GCNet", gc, ("matmul",)),
    "ema": ("XiaLiPKU/EMANet", ema, ("matmul",)),
    "coordinate": ("houqb/CoordAttention", coordinate, ("matmul",)),
}


def compare(name, make, folder, implementation, rounds):
    """Prints a line for each size; whether the outputs agree and ours is not slower."""
    well = True
    for size in SIZES:
        torch.manual_seed(0)
        theirs, own = make(folder, size, implementation)
        x = torch.randn(size)
        with torch.no_grad():
            difference = float((theirs.eval()(x) - own.eval()(x)).abs().max())
        texts, slower = [], False
        for step_of in (forward_step, training_step):
            pairs = paired_seconds(*(step_of(module.train(), x) for module in (theirs, own)), rounds)
            ratio = estimate([of_theirs / of_ours for of_theirs, of_ours in pairs])
            fastest_theirs, fastest_ours = map(min, zip(*pairs, strict=True))
            slower |= ratio.high < 1
            texts.append(
                f"{ratio.value:5.2f}x [{ratio.low:.2f}, {ratio.high:.2f}] {fastest_theirs / fastest_ours:5.2f}x"
            )
        well = well and difference <= TOLERANCE and not slower
        print(f"{name:22}{implementation:8}{' x '.join(map(str, size)):18}{difference:.0e}  {'  '.join(texts)}"
              f"{'  SLOWER' if slower else ''}", flush=True)  # fmt: skip
    return well


def main():
    """Prints the table; 1 if ours is slower anywhere or computes something else."""
    keep_freed_memory()
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS
    wanted = sys.argv[3:]
    torch.set_flush_denormal(True)
    torch.set_num_threads(1)
    print(f"theirs over ours, one thread; medians of {rounds} interleaved rounds: forward, training")
    well = True
    for name, (repository, make, implementations) in PAIRS.items():
        if wanted and name.partition(",")[0] not in wanted:
            continue
        if not (folder / repository.partition("/")[2]).is_dir():
            print(f"{name}: no checkout of {repository}, left out")
            continue
        for implementation in implementations:
            well &= compare(name, make, folder, implementation, rounds)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
