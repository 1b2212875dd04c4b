"""A spec -> a module, and a `Workload` that carries the spec itself to wherever the module is built."""

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from kaoprof.errors import UsageError
from kaoprof.networks.checking import network_cost, spec_with_layers
from kaoprof.specs import Document
from kaoprof.specs.code import input_tensors
from kaoprof.specs.documents import CodeSpec, ModelSpec, OperatorSpec
from kaoprof.specs.places import Places
from kaoprof.workload.building import resolve
from kaoprof.workload.workload import TensorSpec, Workload

INSIDE = "module"  # the path of somebody's module in the one that calls it

if TYPE_CHECKING:
    from torch import nn


def build_network(document: Document) -> "nn.Module":
    """The network `(b, c, *spatial) -> ...` of a model or an operator; its modules are called as in `network_cost`.

    Raises:
        UsageError: the spec is of another kind.
        SpecError: a layer does not fit its input.
    """
    from kaoprof.models.network import Network
    from kaoprof.networks.builders import modules_of

    return Network(modules_of(network_cost(document).children))


def network_workload(
    document: Document, *, dtype: str = "fp32", mode: str = "forward", seed: int = 0, input_grad: bool = False
) -> Workload:
    """The workload of a model or an operator on one input of the size and batch that its spec says.

    In `train` a model's input requires a gradient if `input_grad`; an operator's always, for it stands inside of one.
    """
    given = spec_with_layers(document).input
    return Workload(
        factory="kaoprof.networks.workloads:network_from_json",
        kwargs={"spec": _as_json(document), "kind": document.kind},
        inputs=(TensorSpec(shape=(given.batch, given.channels, *given.size), dtype=dtype),),
        mode=mode,
        seed=seed,
        input_grad=input_grad or document.kind == "operator",
    )


def _as_json(document: Document) -> str:
    return msgspec.json.encode(document.spec).decode()


def network_from_json(spec: str, kind: str) -> "nn.Module":
    """The factory that a network's workload names."""
    kinds: dict[str, type[ModelSpec | OperatorSpec]] = {"model": ModelSpec, "operator": OperatorSpec}
    decoded = msgspec.json.decode(spec, type=kinds[kind])
    return build_network(Document(spec=decoded, places=Places(file=decoded.name)))


def code_workload(
    document: Document,
    *,
    allow_import: bool,
    dtype: str = "fp32",
    mode: str = "forward",
    seed: int = 0,
    input_grad: bool = False,
    batch_axis: int | None = 0,
) -> Workload:
    """The workload of a module that code makes, called with what the spec says, computing in `dtype`.

    In `train` it is a whole model's step, whose input requires no gradient unless `input_grad`.

    Raises:
        UsageError: the spec is of another kind, says another dtype, or importing is not allowed.
    """
    spec = document.spec
    if not isinstance(spec, CodeSpec):
        raise UsageError(f"a {document.kind} spec names no code", where=document.places.file)
    if not allow_import:
        raise UsageError(
            f"{spec.module!r} is not imported: importing runs its code, and a spec may come from anywhere",
            where=document.places.where("module"),
            hint="if you trust it, add --allow-import",
        )
    if spec.inputs and not input_tensors(spec):
        hint = "add for example {shape: [1, 3, 224, 224]}; kaoprof compare --with takes it as it is"
        raise UsageError("no tensor among the inputs", where=document.places.where("inputs"), hint=hint)
    workload = Workload(
        factory="kaoprof.networks.workloads:module_from_json",
        inputs=(),
        mode=mode,
        seed=seed,
        param_dtype=dtype,
        input_grad=input_grad,
        batch_axis=batch_axis,
    )
    return with_inputs(workload, spec, where=document.places.where("inputs"))


def with_inputs(workload: Workload, spec: CodeSpec, *, where: str | None = None) -> Workload:
    """The workload of the code that a spec names, on the inputs that it says.

    Raises:
        UsageError: they are of another dtype than the workload computes in.
    """
    dtype = workload.param_dtype
    inputs = tuple(
        TensorSpec(
            shape=tensor.shape, dtype=tensor.dtype or dtype, high=tensor.high, low=tensor.low, values=tensor.values
        )
        for tensor in input_tensors(spec)
    )
    workload = replace(workload, kwargs={"spec": msgspec.json.encode(spec).decode()}, inputs=inputs)
    if workload.dtype != dtype:
        raise UsageError(
            f"is called with {workload.dtype}, but {dtype} is asked for",
            where=where or spec.module,
            hint=f"leave the dtype out there, or add --dtype {workload.dtype}",
        )
    return workload


def module_from_json(spec: str) -> "nn.Module":
    """The factory that a code spec's workload names: the module, called with one tensor after another.

    Imports what the spec names; so a workload is only made where that was allowed.
    """
    from kaoprof.workload.called import CalledModule

    decoded = msgspec.json.decode(spec, type=CodeSpec)
    return CalledModule(own_module(decoded), decoded.inputs or [])


def own_module(spec: CodeSpec) -> "nn.Module":
    """The module that a code spec names, as its factory makes it."""
    return resolve(spec.module)(*spec.args, **spec.kwargs)
