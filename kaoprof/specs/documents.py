"""The kinds of spec: a model, a single operator, a grid of operators or of models, and code to import."""

from typing import Annotated, Any, Literal, TypeAlias

from msgspec import Meta, Struct

from kaoprof.own_options import OwnOptions
from kaoprof.specs.layers import Count, Heads, Implementation, Layer, Name, OperatorName, Projection, Scale

Counts: TypeAlias = Count | Annotated[tuple[Count, ...], Meta(min_length=1, max_length=1000)]
Schema = Annotated[Literal[1], Meta(description="version of this format: 1")]
Source = Annotated[str, Meta(max_length=500, description="where it comes from, such as a paper")]
Description = Annotated[str, Meta(max_length=500, description="one line that says what it is")]
FloatType = Annotated[Literal["fp64", "fp32", "tf32", "bf16", "fp16"], Meta(description="dtype of inputs and weights")]
Mode = Annotated[Literal["forward", "train"], Meta(description="forward, or train for forward and backward")]
Few = Meta(min_length=1, max_length=10)
FloatTypes = Annotated[FloatType | Annotated[tuple[FloatType, ...], Few], Meta(description="one dtype or several")]
Modes = Annotated[
    Mode | Annotated[tuple[Mode, ...], Few], Meta(description="forward, train, or both: [forward, train]")
]


class Part(Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping inside a spec."""


class Input(Part, frozen=True, kw_only=True):
    """What goes in: `batch` samples of `channels` channels with one to three spatial axes."""

    channels: Annotated[Count, Meta(description="channels of the input, such as 3")]
    size: Annotated[
        tuple[Count, ...],
        Meta(min_length=1, max_length=3, description="spatial sizes: [n], [h, w] or [t, h, w], such as [224, 224]"),
    ]
    batch: Annotated[Count, Meta(description="samples at once")] = 1


class _Named(Part, frozen=True, kw_only=True):
    schema: Schema
    name: Name
    source: Source = ""
    description: Description = ""


Given = Annotated[Input, Meta(description="what goes in, such as {channels: 3, size: [224, 224]}")]


class AttentionDefaults(OwnOptions, frozen=True, kw_only=True):
    """An attention operator and its options, with those that only single operators have."""

    type: OperatorName
    heads: Heads = 1
    projection: Projection = "value"
    scale: Scale = "sqrt"
    implementation: Implementation = "matmul"


class ModelSpec(_Named, frozen=True, kw_only=True):
    """A network, layer by layer."""

    input: Given
    attention: Annotated[
        AttentionDefaults | None,
        Meta(description="the operator of attention layers that name none, such as {type: kao_qkv}"),
    ] = None
    layers: Annotated[tuple[Layer, ...], Meta(min_length=1, description="the layers, from input to output")]


class OperatorSpec(_Named, frozen=True, kw_only=True):
    """One attention operator on one input."""

    input: Given
    operator: Annotated[AttentionDefaults, Meta(description="the operator, such as {type: kao_qkv}")]


class Sizes(Part, frozen=True, kw_only=True):
    """Sizes to combine, each a number or a list: `n`; or `h` and `w` (default: as h), with `t` for video."""

    c: Annotated[Counts, Meta(description="channels: a number or a list of numbers")]
    h: Annotated[Counts | None, Meta(description="heights: a number or a list of numbers")] = None
    w: Annotated[Counts | None, Meta(description="widths; default: as h")] = None
    t: Annotated[Counts | None, Meta(description="numbers of frames")] = None
    n: Annotated[Counts | None, Meta(description="lengths of a single spatial axis")] = None
    batch: Annotated[Counts, Meta(description="batch sizes")] = 1
    heads: Annotated[Counts, Meta(description="numbers of heads")] = 1


class GridSpec(_Named, frozen=True, kw_only=True):
    """Operators side by side on a grid of sizes."""

    grid: Sizes
    operators: Annotated[
        tuple[OperatorName, ...], Meta(description="operators to compare, or a group of them: paper, h3, h2, all")
    ] = ()
    projection: Projection = "value"
    scale: Scale = "sqrt"
    dtype: FloatTypes = "fp32"
    mode: Modes = "forward"


class ModelSizes(Part, frozen=True, kw_only=True):
    """Inputs to combine, each a value or a list: spatial sizes, and samples at once."""

    size: Annotated[
        Count | str | tuple[Count | str, ...] | None,
        Meta(description="224, 192x256 or a list of such; without it each model has its own"),
    ] = None
    batch: Annotated[Counts, Meta(description="batch sizes")] = 1


class ModelGridSpec(_Named, frozen=True, kw_only=True):
    """Whole models on a grid of inputs."""

    models: Annotated[
        tuple[str, ...],
        Meta(min_length=1, max_length=1000, description="specs by name or file, and code such as timm:resnet50"),
    ]
    grid: ModelSizes = ModelSizes()
    dtype: FloatTypes = "fp32"
    mode: Modes = "forward"


class TensorInput(Part, frozen=True, kw_only=True):
    """A tensor that a module is called with."""

    shape: Annotated[tuple[Count, ...], Meta(max_length=8, description="sizes, batch first, such as [1, 3, 224, 224]")]
    dtype: Annotated[
        Literal["fp64", "fp32", "tf32", "bf16", "fp16", "int64", "int32", "bool"] | None,
        Meta(description="dtype, such as int64; without one it is what --dtype says"),
    ] = None
    high: Annotated[int, Meta(ge=-(2**31), le=2**31, description="whole numbers are drawn from low to below this")] = 2
    low: Annotated[int, Meta(ge=-(2**31), le=2**31, description="the least of whole numbers")] = 0
    values: Annotated[
        Literal["drawn", "ones", "zeros"], Meta(description="drawn at random, or all alike: ones, such as of a mask")
    ] = "drawn"


class CodeSpec(_Named, frozen=True, kw_only=True):
    """A module that code makes. Importing runs that code, so it needs permission when it is used."""

    module: Annotated[str, Meta(max_length=300, description="package.module:factory, such as my_models:build")]
    args: Annotated[tuple[Any, ...], Meta(description="positional arguments of the factory")] = ()
    kwargs: Annotated[dict[str, Any], Meta(description="keyword arguments of the factory")] = {}
    inputs: Annotated[
        list[Any] | dict[str, Any] | None,
        Meta(
            description="what the module is called with: a list (positional) or a mapping (by keyword; '*': a list of "
            "those without one) of tensors {shape, dtype}, plain values, and lists or mappings of them; without it, "
            "as the model's own config says; for compare --with none, or [x, h, w]",
        ),
    ] = None
    layout: Annotated[
        Literal["map", "tokens", "last"] | None,
        Meta(description="for compare --with: map (b, c, h, w), tokens (b, h w, c) or last (b, h, w, c)"),
    ] = None


Spec: TypeAlias = ModelSpec | OperatorSpec | GridSpec | ModelGridSpec | CodeSpec

KINDS: dict[str, type[Spec]] = {
    "layers": ModelSpec, "operator": OperatorSpec, "models": ModelGridSpec, "grid": GridSpec, "module": CodeSpec,
}  # fmt: skip
KIND_NAMES = {"layers": "model", "operator": "operator", "models": "grid", "grid": "grid", "module": "code"}
