"""What `profile` leaves behind: one record with a tree of layers per model; JSON and back."""

import msgspec

from kaoprof.records import fields
from kaoprof.records.measured import EAGER, VARIANT, Environment, Head, Observed, Protocol, Traffic

TIMED_RUNS = 9  # with timers around layers; the median of each layer counts
IN_HAND = "in hand"  # the source of a model that was not made from a spec
OWN = "(itself)"  # the last part of the path of what a module computes between the modules inside it


class LayerRow(msgspec.Struct, frozen=True, kw_only=True):
    """One layer. Counts are of one sample; of a layer that holds others (`leaf` is False) they are their sum.

    Args:
        layer: dotted path; the whole model is "".
        type: what kind of layer; of a named block its name.
        depth: how many layers are around it.
        leaf: whether it holds no others: the leaves' sum is the whole.
        output_shape: of the whole batch, as it ran; of one sample where nothing ran; None if it never answers a tensor.
        params: weights without those of batch norm, which papers leave out.
        params_norm: scale and shift of batch norm.
        macs_analytic: from closed forms; None for code.
        macs_counted: from a recorded run.
        macs_batch: the same of the whole batch, exactly.
        macs_fvcore: fvcore's opinion.
        flops_all: all arithmetic.
        uncounted: operations without a rule, with their calls.
        peak_bytes_predicted: the most that is alive while the layer runs, above what was resident before the model ran.
        peak_bytes_measured: the same, from the allocator.
        held_at_peak_bytes: of what is alive at the model's predicted peak, what operations of this layer made.
        operations_recorded: how many operations it launches, from the recorded run.
        moved_bytes_recorded: what these read and write.
        timed_s: seconds of one forward pass, from timers around the layers in runs of their own, which are slower.
        latency_share: of what the timers of all leaves add up to; of the model's latency it is the layer's part.
        compulsory_bytes: what one call must move: its input, its output and the parameters that it reads (trained: and
            their gradients), each once.
        traffic: what one call of the layer launched and moved; of the whole model without anything around its layers.
    """

    layer: str
    type: str
    depth: fields.Depth
    leaf: bool
    output_shape: tuple[fields.Count, ...] | None = None
    params: fields.Unbounded = 0
    params_norm: fields.Unbounded = 0
    macs_analytic: fields.Unbounded | None = None
    macs_counted: fields.Unbounded | None = None
    macs_batch: fields.Unbounded | None = None
    macs_fvcore: fields.Unbounded | None = None
    flops_all: fields.Unbounded | None = None
    uncounted: dict[str, fields.Count] = msgspec.field(default_factory=dict)
    peak_bytes_predicted: fields.Unbounded | None = None
    peak_bytes_measured: fields.SignedBytes | None = None  # a layer may give back more than it takes
    timed_s: fields.Seconds | None = None
    latency_share: fields.Share | None = None
    compulsory_bytes: fields.Unbounded | None = None
    traffic: Traffic | None = None
    held_at_peak_bytes: fields.Unbounded | None = None
    operations_recorded: fields.Count | None = None
    moved_bytes_recorded: fields.Unbounded | None = None

    @property
    def known(self) -> bool:
        """Whether anything counted it: code that cannot be counted, or was not, has no weights to tell of."""
        return self.macs_analytic is not None or self.macs_counted is not None


class PassCount(msgspec.Struct, frozen=True, kw_only=True):
    """What one pass of a call computes in all: MACs, and all arithmetic."""

    macs: fields.Unbounded
    flops_all: fields.Unbounded


class StepMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in memory at the fullest moment of a training step, predicted, in bytes; input and buffers apart.

    Args:
        optimizer: as it was asked for: `adamw`, `sgd:momentum=0.9`.
        implementation: how torch goes through the parameters: `for-loop`, `foreach` or `fused`.
        parameters: all of them, frozen ones too.
        gradients: of parameters.
        optimizer_states: kept from step to step.
        activations: what the forward pass leaves for the backward pass, the answer among it.
        temporaries: all else, such as gradients of activations, and what kernels hold for themselves.
        fullest_pass: when that is: forward, backward, or optimizer.
        unmodelled: operations whose kernels might raise it.
    """

    optimizer: str
    implementation: str
    parameters: fields.Unbounded
    gradients: fields.Unbounded
    optimizer_states: fields.Unbounded
    activations: fields.Unbounded
    temporaries: fields.Unbounded
    fullest_pass: str
    unmodelled: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, int]:
        """What it is made of, by what it is."""
        return {name.replace("_", " "): getattr(self, name) for name in PARTS}

    @property
    def total(self) -> int:
        """The peak."""
        return sum(self.parts.values())

    @property
    def above_parameters(self) -> int:
        """The peak above what is there before the first step, as the allocator measures it."""
        return self.total - self.parameters


AT = "@"  # between a model's name and the size that it stands at, among several
PARTS = ("parameters", "gradients", "optimizer_states", "activations", "temporaries")


class ModelProfile(Observed, frozen=True, kw_only=True):
    """One model, and what was observed of it. `layers` begins with the whole, which also stands in the tables.

    Its `latency` is measured without timers around layers. `inside` is where the layers' paths begin in the module that
    ran: somebody's code is called through a wrapper. `model` is its name, and how it ran if not eagerly:
    `kanet-qkv+compile`, which has no layers. `dtype` is what it computes in. For `unmodelled` see `records.Counted`.
    `recorded` is how its operations were: on tensors without data (`fake`), or on `real` ones; `value_reads` is how
    often values of its input decided what ran; `written_out` are multiply-adds of the batch that its code writes as
    products and sums, which stand among the FLOPs and not among the MACs. `batch` is None where counts are of the call
    as a whole; `sequence_first` is the layer for the sake of which that is so, if nobody asked for it. `passes` are
    what each pass computes of the call: forward, backward, recomputed, optimizer; empty where there is only one.
    With a `training_step`, a call ends with its optimizer's, and peaks are above parameters, inputs and buffers only.
    `training` is whether a model that was in hand was in training mode, where that matters.
    """

    model: str
    source: str
    inside: str = ""
    batch: fields.Count | None
    input_shapes: tuple[tuple[fields.Count, ...], ...]
    layers: tuple[LayerRow, ...]
    dtype: fields.Dtype | None = None
    unmodelled: tuple[str, ...] = ()
    recorded: str | None = None
    value_reads: fields.Count = 0
    written_out: fields.Unbounded = 0
    sequence_first: str = ""
    passes: dict[str, PassCount] = msgspec.field(default_factory=dict)
    training_step: StepMemory | None = None
    training: bool | None = None

    @property
    def variant(self) -> str:
        """How it ran: eagerly, compiled, or as a graph that is replayed."""
        return self.model.partition(VARIANT)[2] or EAGER

    def module_name(self, layer: str) -> str:
        """The name of a layer's module in the module that ran."""
        return ".".join(filter(None, (self.inside, layer)))

    @property
    def total(self) -> LayerRow:
        """The whole model."""
        return self.layers[0]


class ProfileRecord(Head, frozen=True, kw_only=True):
    """One run of `profile`, of one model or several side by side."""

    kind: str = "profile"
    mode: fields.Mode
    dtype: fields.Dtype
    device: str | None
    models: tuple[ModelProfile, ...]
    protocol: Protocol | None = None
    environment: Environment | None = None
    interrupted: bool = False

    @property
    def dtypes(self) -> set[str]:
        """What its models compute in."""
        return {model.dtype or self.dtype for model in self.models}
