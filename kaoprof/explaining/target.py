"""A module together with *named* sizes: what formulas are derived for, and what gives one workload at each size."""

import math
from collections.abc import Mapping

import msgspec

from kaoprof.catalog import find_operator
from kaoprof.dims import PUBLISHED, SPATIAL_AXES, AttentionOptions, Size
from kaoprof.errors import UsageError
from kaoprof.own_options import LENGTHS, RATIOS, OwnValue, largest
from kaoprof.workload.size_arithmetic import SIZE_NAME, Argument, evaluate, texts_in, with_sizes
from kaoprof.workload.workload import TensorSpec, Workload

PUBLISHED_CHANNELS = 16  # at least: queries and keys of an eighth of them are then still several
HINTS = {"b": 2, "c": 8, "t": 5, "h": 14, "w": 15, "n": 17}  # pairwise different, none a product of two others


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One module, and the names of its sizes.

    Args:
        factory: `package.module:Class` (or a function) that makes the module.
        args: positional arguments of the factory; a text of size names, such as `c` or `4*c`, is a size.
        kwargs: keyword arguments of the factory, likewise.
        inputs: the shape of each input, one text for each axis: `("b", "c", "h", "w")`; a number stays fixed.
        sizes: every name with the size at which it is looked at first (the hint).
        mode: `forward`, or `train` for forward and backward.
        dtype: of inputs and parameters.
        dtypes: of each input, where they differ: `("int64", "fp32")`.
        input_grad: whether inputs require gradients in `train`, as those of an operator do; a model's do not.
    """

    factory: str
    args: tuple[Argument, ...] = ()
    kwargs: dict[str, Argument] = msgspec.field(default_factory=dict)
    inputs: tuple[tuple[str, ...], ...]
    sizes: dict[str, int]
    mode: str = "forward"
    dtype: str = "fp32"
    dtypes: tuple[str, ...] = ()
    input_grad: bool = True

    def __post_init__(self) -> None:
        for name, size in self.sizes.items():
            if size < 1:
                raise UsageError(f"must be at least 1, not {size}", where=name)
        unknown = sorted({name for axis in self.axes for name in SIZE_NAME.findall(axis)} - set(self.sizes))
        if unknown:
            raise UsageError(
                f"no size is given for {', '.join(unknown)}",
                where="at",
                hint=f"such as --at {','.join(f'{axis}=8' for axis in unknown)}",
            )

        arguments = texts_in([*self.args, *self.kwargs.values()])
        used = {name for text in (*self.axes, *arguments) for name in SIZE_NAME.findall(text)}
        if idle := sorted(set(self.sizes) - used):
            axes = "; ".join(",".join(shape) for shape in self.inputs)
            raise UsageError(f"{idle[0]} is the size of nothing", where="at", hint=f"the input is {axes}")

    @property
    def axes(self) -> tuple[str, ...]:
        """Every axis of every input, in order."""
        return tuple(axis for shape in self.inputs for axis in shape)

    def at(self, sizes: Mapping[str, Size]) -> Workload:
        """The workload at these sizes, which may be symbolic."""
        return Workload(
            factory=self.factory,
            args=tuple(with_sizes(value, sizes) for value in self.args),
            kwargs={key: with_sizes(value, sizes) for key, value in self.kwargs.items()},
            inputs=tuple(
                TensorSpec(shape=tuple(evaluate(axis, sizes) for axis in shape), dtype=dtype)
                for shape, dtype in zip(self.inputs, self.dtypes or (self.dtype,) * len(self.inputs), strict=True)
            ),
            mode=self.mode,
            param_dtype=self.dtype,
            input_grad=self.input_grad,
        )


def operator_target(
    name: str,
    options: AttentionOptions,
    *,
    ndim: int = 2,
    sizes: Mapping[str, int] | None = None,
    mode: str = "forward",
    dtype: str = "fp32",
) -> Target:
    """One of the catalog's operators on an input of `ndim` spatial axes; hints are chosen where `sizes` names none."""
    names = ("b", "c", *SPATIAL_AXES[ndim])
    operator = find_operator(name)
    hints = hinted(ndim, operator.own)
    if options.projection == PUBLISHED:
        hints["c"] = max(hints["c"], PUBLISHED_CHANNELS)
    hints |= {"c": math.lcm(hints["c"], options.heads)} | dict(sizes or {})
    return Target(
        factory=operator.factory,
        args=("c",),
        kwargs=dict(operator.arguments(SPATIAL_AXES[ndim], options)),
        inputs=(names,),
        sizes={axis: hints[axis] for axis in names},
        mode=mode,
        dtype=dtype,
    )


def hinted(ndim: int, own: Mapping[str, OwnValue]) -> dict[str, int]:
    """Sizes at which an operator that is told `own` options is looked at, as most sizes are.

    Its windows and strides fit more than once along each axis, and its ratios into the channels.
    """
    spatial = SPATIAL_AXES[ndim]
    along, among = (
        2 * max((largest(own[name]) for name in names if name in own), default=1) for names in (LENGTHS, RATIOS)
    )
    times = -(-along // min(HINTS[axis] for axis in spatial))
    return HINTS | {axis: times * HINTS[axis] for axis in spatial} | {"c": -(-among // HINTS["c"]) * HINTS["c"]}


def workload_target(workload: Workload) -> Target:
    """A workload of one input `(b, c, *spatial)` with names for its batch and its spatial sizes; the channels stay."""
    batch, channels, *spatial = workload.inputs[0].shape
    names = SPATIAL_AXES[len(spatial)]
    return Target(
        factory=workload.factory,
        args=workload.args,
        kwargs=dict(workload.kwargs),
        inputs=(("b", str(channels), *names),),
        sizes={"b": batch, **dict(zip(names, spatial, strict=True))},
        mode=workload.mode,
        input_grad=workload.input_grad,
        dtype=workload.inputs[0].dtype,
    )
