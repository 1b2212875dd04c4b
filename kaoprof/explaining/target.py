"""A module together with *named* sizes: what formulas are derived for, and what gives one workload at each size."""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kaoprof.catalog import find_operator
from kaoprof.dims import SPATIAL_AXES, AttentionOptions, Size
from kaoprof.errors import UsageError
from kaoprof.workload.building import TensorSpec, Workload

HINTS = {"b": 2, "c": 8, "t": 5, "h": 14, "w": 15, "n": 17}  # pairwise different, none a product of two others
SIZE_NAME = re.compile(r"[A-Za-z_]\w*")
ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
}

WORDS: dict[str, bool | None] = {"true": True, "false": False, "none": None}

Argument = bool | int | float | str | tuple[Any, ...] | None


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
    """

    factory: str
    args: tuple[Argument, ...] = ()
    kwargs: dict[str, Argument] = msgspec.field(default_factory=dict)
    inputs: tuple[tuple[str, ...], ...]
    sizes: dict[str, int]
    mode: str = "forward"
    dtype: str = "fp32"
    dtypes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, size in self.sizes.items():
            if size < 1:
                raise UsageError(f"must be at least 1, not {size}", where=name)
        unknown = sorted({name for axis in self.axes for name in SIZE_NAME.findall(axis)} - set(self.sizes))
        if unknown:
            raise UsageError(
                f"no size is given for {', '.join(unknown)}", where="at", hint=f"add for example {unknown[0]}=8"
            )

        arguments = [value for value in (*self.args, *self.kwargs.values()) if isinstance(value, str)]
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
            args=tuple(self._argument(value, sizes) for value in self.args),
            kwargs={key: self._argument(value, sizes) for key, value in self.kwargs.items()},
            inputs=tuple(
                TensorSpec(shape=tuple(evaluate(axis, sizes) for axis in shape), dtype=dtype)
                for shape, dtype in zip(self.inputs, self.dtypes or (self.dtype,) * len(self.inputs), strict=True)
            ),
            mode=self.mode,
            param_dtype=self.dtype,
        )

    def _argument(self, value: Argument, sizes: Mapping[str, Size]) -> Any:
        return evaluate(value, sizes) if isinstance(value, str) and is_size(value, self.sizes) else value


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
    hints = HINTS | {"c": HINTS["c"] * options.heads // _common(HINTS["c"], options.heads)} | dict(sizes or {})
    return Target(
        factory=find_operator(name).factory,
        args=("c",),
        kwargs={
            "heads": options.heads,
            "projection": options.projection,
            "scale": options.scale,
            "implementation": options.implementation,
        },
        inputs=(names,),
        sizes={axis: hints[axis] for axis in names},
        mode=mode,
        dtype=dtype,
    )


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
        dtype=workload.inputs[0].dtype,
    )


def _common(left: int, right: int) -> int:
    return left if not right else _common(right, left % right)


def parse_pattern(pattern: str) -> tuple[str, ...]:
    """The axes of `"b,c,h,w"`.

    Raises:
        UsageError: an axis is empty, or is neither a number nor arithmetic of names.
    """
    axes = tuple(axis.strip() for axis in pattern.split(","))
    for axis in axes:
        _parsed(axis, where=f"input {pattern!r}")
    return axes


def parse_sizes(text: str) -> dict[str, int]:
    """The sizes of `"b=2,c=8,h=14"`.

    Raises:
        UsageError: it is not written like that.
    """
    sizes = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in item.partition("="))
        if not equals or not SIZE_NAME.fullmatch(name) or not value.isdecimal():
            raise UsageError(f"{item!r} is not a named size", where="at", hint="write for example b=2,c=8,h=14,w=15")
        sizes[name] = int(value)
    return sizes


def parse_argument(text: str) -> Argument:
    """A constructor's argument: a number, `true`, `none`, `(3, 3)`, else the text, so that `4*c` stays a size."""
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    return tuple(value) if isinstance(value, list) else value if isinstance(value, bool | int | float | tuple) else text


def parse_keyword(text: str) -> tuple[str, Argument]:
    """The name and the value of `name=value`.

    Raises:
        UsageError: it is not written like that.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name.isidentifier():
        raise UsageError(f"{text!r} is no keyword argument", where="kwarg", hint="write name=value")
    return name, parse_argument(value)


def is_size(text: str, names: Mapping[str, object]) -> bool:
    """Whether `text` is arithmetic of size names only: `c` and `4*c` are, `value` and `relu` are not."""
    try:
        used = {node.id for node in ast.walk(_parsed(text, where="argument")) if isinstance(node, ast.Name)}
    except UsageError:
        return False
    return bool(used) and used <= set(names)


def evaluate(text: str, sizes: Mapping[str, Size]) -> Size:
    """The value of arithmetic such as `4*c` or `h//2`, generic over ints and symbols.

    Raises:
        UsageError: it is something else, or names a size that is not there.
    """
    return _value(_parsed(text, where="size"), sizes, text)


def _parsed(text: str, *, where: str) -> ast.expr:
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"{text!r} is not a size", where=where, hint="write a number, a name, or 4*c") from error
    for node in ast.walk(tree):
        if not isinstance(node, (ast.BinOp, ast.Name, ast.Constant, *ARITHMETIC, ast.expr_context)) or (
            isinstance(node, ast.Constant) and type(node.value) is not int
        ):
            raise UsageError(f"{text!r} is not a size", where=where, hint="write a number, a name, or 4*c")
    return tree


def _value(node: ast.expr, sizes: Mapping[str, Size], text: str) -> Size:
    if isinstance(node, ast.BinOp):
        combine = ARITHMETIC[type(node.op)]
        return combine(_value(node.left, sizes, text), _value(node.right, sizes, text))
    if isinstance(node, ast.Name):
        if node.id not in sizes:
            raise UsageError(f"{text!r} names {node.id!r}, which has no size", where="at")
        return sizes[node.id]
    return node.value  # type: ignore[attr-defined]
