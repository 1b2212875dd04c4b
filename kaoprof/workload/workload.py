"""What runs, as data: a module's factory, its arguments and its inputs. Torch-free, and goes through JSON."""

import msgspec

from kaoprof.dims import FLEXIBLE

FLOAT_DTYPES = {"fp64": "float64", "fp32": "float32", "tf32": "float32", "bf16": "bfloat16", "fp16": "float16"}
TORCH_DTYPES = FLOAT_DTYPES | {"int64": "int64", "int32": "int32", "bool": "bool"}


class TensorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """An input: its shape and its dtype: `fp32`, ... drawn from N(0, 1), or `int64`, ... from `low` to below `high`.

    Where `values` is `ones` or `zeros`, nothing is drawn.
    """

    shape: tuple[int, ...]
    dtype: str
    high: int = 2
    low: int = 0
    values: str = "drawn"


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """One module, its inputs, and what is done with them.

    Args:
        factory: `package.module:Class` (or a function) that makes the module.
        args: positional arguments of the factory.
        kwargs: keyword arguments of the factory.
        inputs: what the module is called with.
        mode: `forward`, or `train` for forward and backward.
        seed: of the weights and the inputs.
        param_dtype: of the parameters, where no input tells: all are whole numbers.
        input_grad: whether inputs require gradients in `train`, as inside a network; a network's own input does not.
        optimizer: in `train`, whose step ends the call, such as `adamw`; "" for none.
        batch_axis: of the first input that has axes; None: figures are of a call, whatever samples it holds.
    """

    factory: str
    args: tuple[int, ...] = ()
    kwargs: dict[str, int | str | tuple[int, ...]] = msgspec.field(default_factory=dict)
    inputs: tuple[TensorSpec, ...]
    mode: str = "forward"
    seed: int = 0
    param_dtype: str = "fp32"
    input_grad: bool = True
    batch_axis: int | None = 0
    optimizer: str = ""

    @property
    def dtype(self) -> str:
        """What its parameters are, and what it computes in: as its first input of floats."""
        return next((spec.dtype for spec in self.inputs if spec.dtype in FLOAT_DTYPES), self.param_dtype)

    @property
    def compiles_itself(self) -> bool:
        """Whether its first call compiles what it runs."""
        return self.kwargs.get("implementation") == FLEXIBLE

    @property
    def batch(self) -> int:
        """How many samples the first input that has axes holds; 1 if none has, or nobody knows which."""
        shape = next((spec.shape for spec in self.inputs if spec.shape), ())
        return shape[self.batch_axis] if self.batch_axis is not None and self.batch_axis < len(shape) else 1
