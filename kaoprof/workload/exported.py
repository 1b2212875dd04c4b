"""Models that `torch.export.save` left in a file."""

from typing import TYPE_CHECKING, Any

from kaoprof.errors import UsageError, first_line
from kaoprof.workload.workload import TORCH_DTYPES

if TYPE_CHECKING:
    from torch import nn

SUFFIX = ".pt2"


def exported_model(path: str) -> "nn.Module":
    """The program in a file as a module, which remembers what it was exported with as `own_inputs`.

    Raises:
        UsageError: the file holds none.
    """
    import torch

    try:
        program = torch.export.load(path)
    except Exception as error:
        raise UsageError(
            f"cannot be loaded: {first_line(error)}", where=path, hint="torch.export.save writes such a file"
        ) from error
    module: nn.Module = program.module()
    if program.example_inputs is not None:
        args, kwargs = program.example_inputs
        vars(module)["own_inputs"] = _pattern({"*": list(args), **kwargs} if kwargs else list(args))
    return module


def _pattern(value: Any) -> Any:
    """What stands for a value among a spec's inputs."""
    import torch

    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, dict):
        return {key: _pattern(inner) for key, inner in value.items()}
    return [_pattern(inner) for inner in value] if isinstance(value, list | tuple) else value


def _tensor(tensor: Any) -> dict[str, Any]:
    name = str(tensor.dtype).removeprefix("torch.")
    dtype = next((ours for ours, theirs in TORCH_DTYPES.items() if theirs == name), None)
    if dtype is None:
        raise UsageError(f"it was exported with an input of {name}", hint="export it with another dtype")
    described = {"shape": list(tensor.shape), "dtype": dtype}
    if tensor.is_floating_point() or not tensor.numel():
        return described
    return described | {"low": int(tensor.min()), "high": int(tensor.max()) + 1}
