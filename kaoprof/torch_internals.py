"""All that kaoprof uses of torch that is not public, in one place: nothing else in the package names a private part.

Every name here was seen in torch 2.11.0, 2.13.0 and 2.14.1, and a test asks for each in the torch that is installed.
One that a later torch lacks is a `MissingInternalError` where it is needed, never at an import: beside it stands what
cannot be done then. What is heavy to import is looked up when it is asked for.
"""

import logging
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast
from unittest import mock

import torch
from torch import Tensor, nn

from kaoprof.errors import KaoprofError

if TYPE_CHECKING:
    from torch._dynamo.source import ConstantSource as ConstantSource
    from torch._ops import OpOverload as OpOverload
    from torch._prims_common import suggest_memory_format as suggest_memory_format
    from torch._subclasses.fake_tensor import FakeTensor as FakeTensor
    from torch._subclasses.fake_tensor import FakeTensorMode as FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import DimDynamic as DimDynamic
    from torch.fx.experimental.symbolic_shapes import ShapeEnv as ShapeEnv
    from torch.utils._python_dispatch import TorchDispatchMode as TorchDispatchMode
    from torch.utils._pytree import tree_leaves as tree_leaves
    from torch.utils._pytree import tree_map as tree_map
    from torch.utils._pytree import tree_map_only as tree_map_only
    from torch.utils._sympy.functions import FloorDiv as FloorDiv
    from torch.utils._sympy.functions import Mod as Mod
    from torch.utils._sympy.numbers import int_oo as int_oo
    from torch.utils._sympy.value_ranges import ValueRanges as ValueRanges

PLACES = {  # name -> module
    "OpOverload": "torch._ops",  # no counts, no predicted peaks: what a dispatch mode sees
    "TorchDispatchMode": "torch.utils._python_dispatch",  # likewise
    "tree_leaves": "torch.utils._pytree",  # likewise
    "tree_map": "torch.utils._pytree",  # no recorded runs
    "tree_map_only": "torch.utils._pytree",  # no CUDA graphs
    "FakeTensor": "torch._subclasses.fake_tensor",  # no predicted peaks, no formulas
    "FakeTensorMode": "torch._subclasses.fake_tensor",  # likewise
    "suggest_memory_format": "torch._prims_common",  # no predicted peaks
    "ConstantSource": "torch._dynamo.source",  # no formulas, from here on
    "DimDynamic": "torch.fx.experimental.symbolic_shapes",
    "ShapeEnv": "torch.fx.experimental.symbolic_shapes",
    "FloorDiv": "torch.utils._sympy.functions",
    "Mod": "torch.utils._sympy.functions",
    "int_oo": "torch.utils._sympy.numbers",
    "ValueRanges": "torch.utils._sympy.value_ranges",
}
FAKE_TENSOR_LOGGER = logging.getLogger("torch._subclasses.fake_tensor")  # silent anyhow, if it is called otherwise
CONVOLUTION_CHOICE = ("conv", "torch._subclasses.fake_impls")  # function, module: else `conv` fixes sizes
FUSED_ATTENTION, FUSED_ENCODER = "_native_multi_head_attention", "_transformer_encoder_layer_fwd"  # in torch
TORCH_VERSION = tuple(map(int, torch.__version__.split(".")[:2]))
LINEAR_FIXES_SIZES = TORCH_VERSION < (2, 13)  # seen in 2.11, not in 2.13
CALL = "_call_impl"  # of a module: what every call ends in. Without it: no recorded runs
CONTROL_FLOW = {  # operator -> module, and its name there
    "cond": ("torch._higher_order_ops.cond", "cond_op"),
    "while_loop": ("torch._higher_order_ops.while_loop", "while_loop_op"),
    "map_impl": ("torch._higher_order_ops.map", "map_impl"),
    "scan": ("torch._higher_order_ops.scan", "scan_op"),
}
FLEXIBLE_CHECK = ("torch.nn.attention.flex_attention", "_validate_device")  # else no counts of it in training
CONVERT = "_apply"  # of a module: every conversion goes through it


class MissingInternalError(KaoprofError, AttributeError):
    """This torch lacks a private part that kaoprof needs."""


def symbolic_functions() -> ModuleType:
    """The functions of sizes that torch's symbols are made of. Without them: no formulas."""
    return import_module("torch.utils._sympy.functions")


def part_of_torch(path: str) -> Any:
    """What stands at `path`, such as `_C._is_tracing`, in torch.

    Raises:
        MissingInternalError: nothing does.
    """
    where: Any = torch
    for name in path.split("."):
        try:
            where = getattr(where, name)
        except AttributeError as error:
            raise _missing(f"torch.{path}") from error
    return where


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(PLACES[name]), name)
    except (ImportError, AttributeError) as error:
        raise _missing(f"{PLACES[name]}.{name}") from error


def _missing(what: str) -> MissingInternalError:
    return MissingInternalError(f"torch {torch.__version__} has no {what}", hint="use a torch from 2.11 to 2.14")


def storage_identity(tensor: Tensor) -> int:
    """By which torch tells storages apart. Without it: no predicted peaks."""
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001


def storage_key(storage: Any) -> int:
    """As `storage_identity`, of the storage itself."""
    return int(storage._cdata)  # noqa: SLF001


def is_higher_order(operation: Any) -> bool:
    """Whether it runs functions that it is given, such as flexible attention; it has no overloads, schema or tags."""
    return not hasattr(operation, "overloadpacket")


def control_flow_classes() -> dict[str, type]:
    """The classes of the operators that branch, loop, map and scan, by their names. Without them: uncounted."""
    found = {}
    for name, (module, operator) in CONTROL_FLOW.items():
        try:
            found[name] = type(getattr(import_module(module), operator))
        except (ImportError, AttributeError) as error:
            raise _missing(f"{module}.{operator}") from error
    return found


def nested_sizes(tensor: Tensor) -> list[list[int]]:
    """The sizes of each part of a nested tensor that is no subclass. Without it: such tensors are not recorded."""
    return cast("list[list[int]]", tensor._nested_tensor_size().tolist())  # noqa: SLF001


def stored_elements(tensor: Tensor) -> int:
    """How many elements a sparse tensor stores. Without it: sparse products are not counted."""
    values = tensor._values() if tensor.layout is torch.sparse_coo else tensor.values()  # noqa: SLF001
    return int(values.numel())


def is_composite(operation: Any) -> bool:
    """Whether torch takes the operation apart, which happens unseen except in inference mode. Without it: uncounted."""
    has_kernel = part_of_torch("_C._dispatch_has_kernel_for_dispatch_key")
    return bool(has_kernel(operation.name(), "CompositeImplicitAutograd"))


def base_operations(operation: Any) -> list[Any]:
    """The operation, and those that do the same to a new tensor: torch marks not all of them. Without it: uncounted."""
    packets = [operation.overloadpacket]
    if operation.namespace == "aten":
        twin = getattr(torch.ops.aten, operation.overloadpacket.__name__.removesuffix("_"), None)
        packets += [] if twin is None else [twin]
    return [getattr(packet, overload) for packet in packets for overload in packet.overloads()]


def written_arguments(operation: Any) -> tuple[int, ...]:
    """The positions of arguments that the operation writes to. Without it: no recorded runs."""
    arguments = operation._schema.arguments if operation._schema.is_mutable else ()  # noqa: SLF001
    return tuple(
        position
        for position, argument in enumerate(arguments)
        if argument.alias_info is not None and argument.alias_info.is_write
    )


def is_view(tensor: Tensor) -> bool:
    """Whether it shares its storage with the tensor that it was made of. Without it: no predicted peaks in training."""
    return tensor._is_view()  # noqa: SLF001


def in_backward() -> bool:
    """Whether the autograd engine is at work. Without it: no predicted peaks."""
    return bool(part_of_torch("_C._current_graph_task_id")() != -1)


def running_node() -> Any:
    """The node whose gradient is being computed; None in a forward pass. Without it: no counts of layers."""
    return part_of_torch("_C._current_autograd_node")()


def sequence_number(node: Any) -> int:
    """Of an autograd node, in the order in which they were made. Without it: no itemised formulas in training."""
    return int(node._sequence_nr())  # noqa: SLF001


def last_sequence_number() -> int:
    """That of the node that was made last. Without it: no itemised formulas in training."""
    return int(part_of_torch("_C._autograd._get_sequence_nr")()) - 1


def changes_of(tensor: Tensor) -> int:
    """How often the tensor was changed in place. Without it: it is not noticed that a module changes its input."""
    return int(tensor._version)  # noqa: SLF001


def held_tensors(module: nn.Module) -> tuple[dict[str, Any], dict[str, Any]]:
    """The module's own parameters and buffers, to be replaced: nothing else replaces both."""
    return cast("tuple[dict[str, Any], dict[str, Any]]", (module._parameters, module._buffers))  # noqa: SLF001


def submodules(module: nn.Module) -> dict[str, nn.Module | None]:
    """The modules right inside, each under every name that it has: `named_children` tells but one."""
    return module._modules  # noqa: SLF001


def forward_hooks(module: nn.Module) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Its hooks before and after a forward pass: what fvcore leaves there must go, and there is no public list."""
    return module._forward_pre_hooks, module._forward_hooks  # noqa: SLF001


def convert(module: nn.Module, change: Any) -> None:
    """Converts every tensor of the module; recurrent layers do it in a way of their own."""
    module._apply(change)  # noqa: SLF001


def parsed_conversion(*args: Any, **kwargs: Any) -> tuple[Any, Any, Any, Any]:
    """Device, dtype, whether to wait, and memory format that `nn.Module.to` reads off its arguments."""
    return cast("tuple[Any, Any, Any, Any]", part_of_torch("_C._nn._parse_to")(*args, **kwargs))


def mark_as_parameter(tensor: Tensor, *, is_parameter: bool) -> None:
    """So that torch takes a tensor without data for a parameter. Without it: it is none to `named_parameters`."""
    tensor._is_param = is_parameter  # noqa: SLF001


def batch_norm_class() -> type[nn.Module]:
    """torch's common class of all batch norms. Without it: their parameters are not told apart."""
    return cast("type[nn.Module]", part_of_torch("nn.modules.batchnorm._BatchNorm"))


def strides_as_real() -> Any:
    """A context in which fake views lie in memory as real ones do, also along axes of size 1."""
    return import_module("torch.fx.experimental._config").patch(backed_size_oblivious=True)


def is_transformed(tensor: Tensor) -> bool:
    """Whether anything but a plain forward pass looks at the tensor: directional derivatives, `make_fx`, a trace, vmap.

    Without what it asks: operators cannot run.
    """
    return (
        part_of_torch("autograd.forward_ad._current_level") >= 0
        or part_of_torch("_C._get_dispatch_mode")(part_of_torch("_C._TorchDispatchModeKey.PROXY")) is not None
        or part_of_torch("_C._is_tracing")()  # as `torch.jit.is_tracing`, which has no types
        or bool(part_of_torch("_C._functorch.is_functorch_wrapped_tensor")(tensor))
    )


def changes_in_place(operation: Any) -> bool:
    """Whether it writes into an argument. Without it: no measured traffic."""
    return bool(operation._schema.is_mutable)  # noqa: SLF001


def compiler_settings() -> Any:
    """Of `torch.compile`'s inductor. Without them: nothing is compiled."""
    return import_module("torch._inductor.config")


def compiler_counters() -> Any:
    """What `torch.compile` counts of frames, graphs and breaks. Without them: nothing is compiled."""
    return import_module("torch._dynamo.utils").counters


def onednn_takes_bfloat16() -> bool:
    """Whether this processor lets oneDNN compute in bfloat16. Without it: no predicted peaks in that."""
    return bool(part_of_torch("ops.mkldnn._is_mkldnn_bf16_supported")())


def onednn_takes_float16() -> bool:
    """The same in float16."""
    return bool(part_of_torch("ops.mkldnn._is_mkldnn_fp16_supported")())


def shapes_of_interpolation() -> Any:
    """A context in which fake tensors of symbolic sizes can be interpolated: else torch takes that apart, and fails.

    Without what it replaces: no formulas of what interpolates.
    """
    table = import_module("torch._decomp").decomposition_table
    names = ("upsample_linear1d", "upsample_bilinear2d", "upsample_trilinear3d")
    own = {getattr(operation(name), overload): _enlarged for name in names for overload in ("vec", "default")}
    return mock.patch.dict(table, own)


def _enlarged(x: Tensor, size: Any, *_: object, **__: object) -> Tensor:
    return x.new_empty((*x.shape[:2], *size))


def operation(name: str) -> Any:
    """One of torch's operations by its real name, which its public functions choose among.

    Without it: no predicted peaks of the modules that would call it.
    """
    return part_of_torch(f"ops.aten.{name}")
