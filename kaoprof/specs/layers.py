"""The layers that a model spec may name: what each is called, its keys, their limits and defaults.

Docstrings and descriptions here are what editors show (`kaoprof schema`) and what hints quote.
"""

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from kaoprof.own_options import OwnOptions

MAX_SIZE = 2**20  # of one axis, in elements or channels: beyond it a spec is a mistake
MAX_REPEAT = 1000
MAX_SCALE = 1024
MAX_NAME = 64  # letters

Count = Annotated[int, Meta(ge=1, le=MAX_SIZE)]
Offset = Annotated[int, Meta(ge=0, le=MAX_SIZE)]
PerAxis: TypeAlias = Count | Annotated[tuple[Count, ...], Meta(min_length=1, max_length=3)]
PaddingPerAxis: TypeAlias = Offset | Annotated[tuple[Offset, ...], Meta(min_length=1, max_length=3)]
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"
Name = Annotated[
    str, Meta(pattern=NAME_PATTERN, description="letters, digits and . _ - without spaces, such as my-model")
]

Out = Annotated[Count, Meta(description="output channels, such as 32")]
Kernel = Annotated[PerAxis, Meta(description="window size: one number, or one for each spatial axis, such as [3, 3]")]
Stride = Annotated[PerAxis, Meta(description="step of the window: one number, or one for each spatial axis")]
Dilation = Annotated[PerAxis, Meta(description="spacing of the window's elements")]
Padding = Annotated[
    PaddingPerAxis | None, Meta(description="zeros on both sides, such as 1; default: dilation * (kernel - 1) // 2")
]
Norm = Annotated[Literal["batch_norm", "none"], Meta(description="normalisation after the convolution")]
ActivationName: TypeAlias = Literal[
    "relu", "relu6", "gelu", "silu", "hswish", "hsigmoid", "sigmoid", "tanh", "leaky_relu", "elu", "softplus", "mish"
]
ActivationOrNone: TypeAlias = Literal[
    "relu", "relu6", "gelu", "silu", "hswish", "hsigmoid", "sigmoid", "tanh", "leaky_relu", "elu", "softplus", "mish",
    "none",
]  # fmt: skip
ActivationAfter = Annotated[ActivationOrNone, Meta(description="activation after the normalisation")]
Bias = Annotated[bool, Meta(description="whether a bias is added: true or false")]
Repeat = Annotated[
    int, Meta(ge=1, le=MAX_REPEAT, description="how many such layers in a row; only the first has the stride")
]
OPERATOR_NAME_TEXT = "an attention operator, such as kao_qkv"
OperatorName = Annotated[str, Meta(max_length=MAX_NAME, description=OPERATOR_NAME_TEXT)]
Heads = Annotated[Count, Meta(description="attention heads; they divide the channels")]
Projection = Annotated[
    Literal["none", "value", "qkv", "qkvo", "published"],
    Meta(description="which linear transformations the operator has; published: those of its own paper"),
]
Scale = Annotated[
    Literal["none", "sqrt"], Meta(description="sqrt divides similarities by the square root of the head size")
]
Implementation = Annotated[
    Literal["matmul", "sdpa"], Meta(description="explicit products, or torch's scaled_dot_product_attention")
]


class _Layer(Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class _OwnLayer(OwnOptions, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    pass


class Conv(_Layer, tag="conv", frozen=True, kw_only=True):
    """Convolution, by default without bias and followed by batch norm and ReLU6, as in arXiv:2007.08442.

    `norm: none`, `activation: none` and `bias: true` make it a bare convolution.
    """

    out: Out
    kernel: Kernel
    stride: Stride = 1
    padding: Padding = None
    dilation: Dilation = 1
    groups: Annotated[Count, Meta(description="groups; they divide input and output channels")] = 1
    bias: Bias = False
    norm: Norm = "batch_norm"
    activation: ActivationAfter = "relu6"
    repeat: Repeat = 1


class Depthwise(_Layer, tag="depthwise", frozen=True, kw_only=True):
    """Depthwise convolution: one filter for each channel; by default followed by batch norm and ReLU6."""

    kernel: Kernel = 3
    stride: Stride = 1
    padding: Padding = None
    dilation: Dilation = 1
    bias: Bias = False
    norm: Norm = "batch_norm"
    activation: ActivationAfter = "relu6"
    repeat: Repeat = 1


class Linear(_Layer, tag="linear", frozen=True, kw_only=True):
    """Fully connected layer, after `flatten`, `global_avg_pool` or `first_position`."""

    out: Out
    bias: Bias = True


class BatchNorm(_Layer, tag="batch_norm", frozen=True, kw_only=True):
    """Batch normalisation of each channel, with scale and shift."""


class LayerNorm(_Layer, tag="layer_norm", frozen=True, kw_only=True):
    """Layer normalisation: over the channels of each position, with scale and shift."""


class PositionEmbedding(_Layer, tag="position_embedding", frozen=True, kw_only=True):
    """Adds a learned number to each channel of each position: as many weights as the map has elements."""


class ClassToken(_Layer, tag="class_token", frozen=True, kw_only=True):
    """All positions in one row, and a learned one before them: one spatial axis from then on."""


class FirstPosition(_Layer, tag="first_position", frozen=True, kw_only=True):
    """The first position alone, such as the class token; the spatial axes are gone after it."""


class SpaceToDepth(_Layer, tag="space_to_depth", frozen=True, kw_only=True):
    """The positions of each block of the map side by side as channels, as before the merging of patches."""

    block: Annotated[
        int, Meta(ge=2, le=MAX_SCALE, description="length of a block along each axis; it divides these")
    ] = 2


class Activation(_Layer, tag="activation", frozen=True, kw_only=True):
    """An activation function of each element."""

    function: Annotated[ActivationName, Meta(description="which activation, such as relu")]


class _Pool(_Layer, frozen=True, kw_only=True):
    kernel: Kernel = 2
    stride: Annotated[PerAxis | None, Meta(description="step of the window; default: the kernel")] = None
    padding: Annotated[PaddingPerAxis, Meta(description="padding on both sides, at most half the kernel")] = 0
    ceil: Annotated[bool, Meta(description="whether a window may hang over the edge: true or false")] = False


class MaxPool(_Pool, tag="max_pool", frozen=True, kw_only=True):
    """Maximum of each window."""


class AvgPool(_Pool, tag="avg_pool", frozen=True, kw_only=True):
    """Average of each window; padding counts as zeros."""


class GlobalAvgPool(_Layer, tag="global_avg_pool", frozen=True, kw_only=True):
    """Average over all positions; the spatial axes are gone after it, unless `keep: true` leaves them with size 1."""

    keep: Annotated[bool, Meta(description="keep the spatial axes, of size 1: true or false")] = False


class Dropout(_Layer, tag="dropout", frozen=True, kw_only=True):
    """Zeroes elements at random while training; costs nothing otherwise."""

    p: Annotated[float, Meta(ge=0, lt=1, description="probability, from 0 to below 1")] = 0.5


class Flatten(_Layer, tag="flatten", frozen=True, kw_only=True):
    """All positions of all channels become one row of channels."""


class Upsample(_Layer, tag="upsample", frozen=True, kw_only=True):
    """Enlarges the map: by a `scale`, to a `size`, or to the size of a named block (`like`). Exactly one of them."""

    scale: Annotated[int, Meta(ge=1, le=MAX_SCALE, description="whole factor for every axis, such as 2")] | None = None
    size: Annotated[tuple[Count, ...], Meta(min_length=1, max_length=3, description="new spatial sizes")] | None = None
    like: (
        Annotated[str, Meta(max_length=MAX_NAME, description="name of an earlier block whose size it takes")] | None
    ) = None
    mode: Annotated[Literal["nearest", "linear"], Meta(description="linear is bilinear in 2-D, trilinear in 3-D")] = (
        "nearest"
    )


class Block(_Layer, tag="block", frozen=True, kw_only=True):
    """Layers one after another. `reuse` and `upsample` can refer to the output of a block by its name."""

    layers: Annotated["tuple[Layer, ...]", Meta(min_length=1, description="the layers of the block")]
    name: Annotated[Name | None, Meta(description="what other layers call its output")] = None
    repeat: Annotated[int, Meta(ge=1, le=MAX_REPEAT, description="how many such blocks in a row")] = 1


class Residual(_Layer, tag="residual", frozen=True, kw_only=True):
    """The input plus what the layers make of it; both have the same shape."""

    layers: Annotated["tuple[Layer, ...]", Meta(min_length=1, description="the layers beside the shortcut")]
    repeat: Annotated[int, Meta(ge=1, le=MAX_REPEAT, description="how many such blocks in a row")] = 1


Branches = Annotated[
    "tuple[tuple[Layer, ...], ...]",
    Meta(min_length=2, max_length=64, description="lists of layers that all get the same input; [] passes it on"),
]


class Concat(_Layer, tag="concat", frozen=True, kw_only=True):
    """Branches that all get the same input; their outputs side by side as channels, of the same spatial size."""

    branches: Branches


class Add(_Layer, tag="add", frozen=True, kw_only=True):
    """Branches that all get the same input; the sum of their outputs, of the same shape."""

    branches: Branches


class Reuse(_Layer, tag="reuse", frozen=True, kw_only=True):
    """The output of an earlier, named block; ignores its own input. For skip connections, in a branch."""

    block: Annotated[str, Meta(max_length=MAX_NAME, description="name of an earlier block")]


class Attention(_OwnLayer, tag="attention", frozen=True, kw_only=True):
    """An attention operator, channels and size unchanged. What it leaves out is taken from the spec's `attention`."""

    operator: OperatorName | None = None
    heads: Heads | None = None
    projection: Projection | None = None
    scale: Scale | None = None
    implementation: Implementation | None = None
    repeat: Repeat = 1


class _Expanding(_Layer, frozen=True, kw_only=True):
    out: Out
    expand: Annotated[Count, Meta(description="expansion r, such as 6; 1 leaves the first convolution out")]
    stride: Stride = 1
    repeat: Repeat = 1


class Base(_Expanding, tag="base", frozen=True, kw_only=True):
    """BaseModule (MobileNetV2's inverted residual): 1x1 conv to expand * c, 3x3 depthwise, 1x1 conv to out."""


class BaseSkip(_Expanding, tag="base_skip", frozen=True, kw_only=True):
    """BaseSkipModule: 1x1 conv to (expand - 1) * c, beside the input; 3x3 depthwise; 1x1 conv to out."""


class _Attending(_OwnLayer, frozen=True, kw_only=True):
    out: Out
    expand: Annotated[int, Meta(ge=2, le=MAX_SIZE, description="expansion r, at least 2, such as 6")]
    stride: Stride = 1
    repeat: Repeat = 1
    operator: OperatorName | None = None
    heads: Heads | None = None
    projection: Projection | None = None
    scale: Scale | None = None
    implementation: Implementation | None = None


class Attn(_Attending, tag="attn", frozen=True, kw_only=True):
    """AttnModule: an attention operator beside a 1x1 conv to (expand - 1) * c and 3x3 depthwise; 1x1 conv to out."""


class AttnSkip(_Attending, tag="attn_skip", frozen=True, kw_only=True):
    """AttnSkipModule: AttnModule plus its input, where stride is 1 and the channels stay."""


Layer: TypeAlias = (
    Conv | Depthwise | Linear | BatchNorm | LayerNorm | PositionEmbedding | ClassToken | FirstPosition | SpaceToDepth
    | Activation | MaxPool | AvgPool | GlobalAvgPool | Dropout | Flatten | Upsample | Block | Residual | Concat | Add
    | Reuse | Attention | Base | BaseSkip | Attn | AttnSkip
)  # fmt: skip

AttentionLayer: TypeAlias = Attention | Attn | AttnSkip
