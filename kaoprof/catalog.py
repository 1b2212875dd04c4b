"""The one table of operators: what each is called, what it costs, which module runs it, and where it comes from."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from kaoprof.costs.agent import agent
from kaoprof.costs.axial import axial
from kaoprof.costs.coordinate import coordinate_attention
from kaoprof.costs.cost import Cost, CostFunction, degree, order
from kaoprof.costs.criss_cross import criss_cross
from kaoprof.costs.expectation_maximization import expectation_maximization
from kaoprof.costs.global_context import global_context
from kaoprof.costs.kronecker import kao_kv, kao_qkv
from kaoprof.costs.linear import efficient_attention, linear_attention
from kaoprof.costs.neighborhood import neighborhood
from kaoprof.costs.non_local import nonlocal_attention, nonlocal_pooled_attention
from kaoprof.costs.spatial_reduction import spatial_reduction
from kaoprof.costs.windows import grid_attention, window_attention
from kaoprof.dims import (
    FLEXIBLE,
    IMPLEMENTATIONS,
    PUBLISHED,
    AttentionOptions,
    Dims,
    one_of,
    written,
)
from kaoprof.errors import UsageError, did_you_mean
from kaoprof.own_options import OwnOptions, OwnValue, value_of
from kaoprof.workload.workload import TensorSpec, Workload

PAPER = "arXiv:2007.08442"
OPTION = "--option"  # where the command line tells an operator what only it can be told


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """An attention operator.

    Args:
        name: what users type and tables print.
        title: one line that says what it does.
        formula: its closed form, of dims and options; its keywords are what only this operator can be told, and their
            defaults the published ones.
        factory: its module, `package.file:Class`, imported only when it is built; it takes the same keywords.
        source: where its definition comes from.
        implementations: the ways in which it can be computed.
        on_request: further ones, for which they have to be named: `neighborhood:flex`.
        ranked: whether its weights depend on the number of axes, so that the module is told it as `axes`.
        sized: whether it has, as published or in an implementation on request, weights or masks of the input's size, so
            that the module is told it as `spatial`.
        takes_values: whether it has values that `projection` can transform; without, it runs as `none`.
        remark: what a reader of its measured figures must know.
        told: what it was told, where that is not what is published.
    """

    name: str
    title: str
    formula: CostFunction
    factory: str
    source: str = PAPER
    implementations: tuple[str, ...] = IMPLEMENTATIONS
    on_request: tuple[str, ...] = ()
    ranked: bool = False
    sized: bool = False
    takes_values: bool = True
    remark: str = ""
    told: tuple[tuple[str, OwnValue], ...] = ()

    @property
    def published(self) -> dict[str, OwnValue]:
        """What only this operator can be told, as its paper has it."""
        return dict(getattr(self.formula, "__kwdefaults__", None) or {})

    @property
    def own(self) -> dict[str, OwnValue]:
        """The same, as it was told."""
        return self.published | dict(self.told)

    @property
    def full_name(self) -> str:
        """Its name, and what of it is not as published: `window(window=8,shift=4)`."""
        words = ",".join(f"{name}={written(value)}" for name, value in self.told)
        return f"{self.name}({words})" if words else self.name

    def telling(self, own: Mapping[str, OwnValue], *, where: str = OPTION) -> "Operator":
        """The same operator, told this.

        Raises:
            UsageError: it has no such option, or the option no such value.
        """
        published = self.published
        for name, value in own.items():
            if name not in published:
                hint = f"{did_you_mean(name, published)}" if published else "it takes none of its own"
                raise UsageError(f"{self.name} has no option {name!r}", where=where, hint=hint)
            _check_option(name, value, where)
        both = self.own | dict(own)
        told = tuple((name, value) for name, value in both.items() if value != published[name])
        return replace(self, told=told)

    def cost(self, dims: Dims, options: AttentionOptions) -> Cost:
        """What one sample costs.

        Raises:
            UndefinedError: it has no meaning on so many axes.
        """
        return self.formula(dims, options, **self.own)

    def orders(self, axes: tuple[str, ...], options: AttentionOptions) -> tuple[str, str]:
        """How MACs and coefficients grow when all spatial sizes grow together: `("O(h^4 c)", "O(h^4)")`."""
        if options.implementation in self.on_request:  # which computes more pairs, but as many for each position
            options = replace(options, implementation=self.implementations[0])
        return _orders(self, axes, options)

    def arguments(self, spatial: Sequence[Any], options: AttentionOptions) -> dict[str, Any]:
        """The keywords of its module, for an input of these spatial sizes, which may be names of sizes."""
        needed = options.projection == PUBLISHED or options.implementation in self.on_request
        sizes = {"spatial": tuple(spatial)} if self.sized and needed else {}
        return asdict(options) | self.own | ({"axes": len(spatial)} if self.ranked else {}) | sizes


def _check_option(name: str, value: object, where: str) -> None:
    """Raises a UsageError if the option cannot have this value."""
    try:
        msgspec.convert({name: value}, OwnOptions)
    except msgspec.ValidationError as error:
        wanted = str(error).partition(" - at ")[0].replace("`", "").replace("Expected int", "must be a whole number")
        wanted = wanted.replace("Expected array of length", "numbers must be")
        given = written(value) if isinstance(value, int | tuple) else value
        raise UsageError(f"{wanted}, not {given}", where=f"{where} {name}") from None


@cache
def _orders(operator: Operator, axes: tuple[str, ...], options: AttentionOptions) -> tuple[str, str]:
    """They do not depend on the sizes, and a sweep asks for them in every row."""
    size_name = "h" if "h" in axes else axes[0]

    def at(size: int, channels: int) -> Cost:
        return operator.cost(Dims(b=1, c=channels, spatial=(size,) * len(axes)), options)

    return (
        order(lambda size, channels: int(at(size, channels).macs), size_name),
        order(lambda size, channels: int(at(size, channels).map_entries), size_name),
    )


OPERATORS = {
    operator.name: operator
    for operator in (
        Operator(
            name="nonlocal",
            title="regular attention: every position attends to every position",
            formula=nonlocal_attention,
            factory="kaoprof.operators.non_local:NonLocalAttention",
        ),
        Operator(
            name="nonlocal_pool",
            title="attention whose keys and values are max-pooled, 2 per axis",
            formula=nonlocal_pooled_attention,
            factory="kaoprof.operators.non_local:NonLocalPooledAttention",
        ),
        Operator(
            name="kao_kv",
            title="Kronecker attention: positions attend to row and column averages",
            formula=kao_kv,
            factory="kaoprof.operators.kronecker:KroneckerAttentionKV",
        ),
        Operator(
            name="kao_qkv",
            title="Kronecker attention: the averages attend to each other, then an outer sum",
            formula=kao_qkv,
            factory="kaoprof.operators.kronecker:KroneckerAttentionQKV",
        ),
        Operator(
            name="axial",
            title="attention along each axis for itself, and the sum of the axes",
            formula=axial,
            factory="kaoprof.operators.axial:AxialAttention",
            source="arXiv:1912.12180",
            ranked=True,
        ),
        Operator(
            name="criss_cross",
            title="attention to the position's row and column, with one softmax over both",
            formula=criss_cross,
            factory="kaoprof.operators.criss_cross:CrissCrossAttention",
            source="arXiv:1811.11721",
            implementations=("matmul",),
        ),
        Operator(
            name="window",
            title="attention within windows, shifted or not",
            formula=window_attention,
            factory="kaoprof.operators.windows:WindowAttention",
            source="arXiv:2103.14030",
            ranked=True,
        ),
        Operator(
            name="grid",
            title="attention among positions at equal distances all over the map",
            formula=grid_attention,
            factory="kaoprof.operators.windows:GridAttention",
            source="arXiv:2204.01697",
            ranked=True,
        ),
        Operator(
            name="neighborhood",
            title="attention to the positions around each position, gathered",
            formula=neighborhood,
            factory="kaoprof.operators.neighborhood:NeighborhoodAttention",
            source="arXiv:2204.07143",
            implementations=("matmul",),
            on_request=(FLEXIBLE,),
            sized=True,
            ranked=True,
            remark=(
                "matmul gathers keys and values of all neighbourhoods, N k^d c of each, which NATTEN never holds; flex "
                "computes whole blocks of 128 x 128 pairs"
            ),
        ),
        Operator(
            name="agent",
            title="a few averages of the queries attend to all positions, and all positions to these few",
            formula=agent,
            factory="kaoprof.operators.agent:AgentAttention",
            source="arXiv:2312.08874",
            ranked=True,
            sized=True,
        ),
        Operator(
            name="spatial_reduction",
            title="positions attend to what the input is reduced to, R per axis",
            formula=spatial_reduction,
            factory="kaoprof.operators.spatial_reduction:SpatialReductionAttention",
            source="arXiv:2102.12122",
            ranked=True,
        ),
        Operator(
            name="linear",
            title="linear attention: weights are products of features, elu + 1",
            formula=linear_attention,
            factory="kaoprof.operators.linear:LinearAttention",
            source="arXiv:2006.16236",
            implementations=("matmul",),
        ),
        Operator(
            name="efficient",
            title="efficient attention: softmax of the keys over positions, of the queries over channels",
            formula=efficient_attention,
            factory="kaoprof.operators.linear:EfficientAttention",
            source="arXiv:1812.01243",
            implementations=("matmul",),
        ),
        Operator(
            name="gc",
            title="global context: one weighted mean of all positions, added to each",
            formula=global_context,
            factory="kaoprof.operators.global_context:GlobalContext",
            source="arXiv:1904.11492",
            implementations=("matmul",),
            takes_values=False,
        ),
        Operator(
            name="ema",
            title="expectation maximization: positions are rebuilt of a few bases found by iteration",
            formula=expectation_maximization,
            factory="kaoprof.operators.expectation_maximization:ExpectationMaximization",
            source="arXiv:1907.13426",
            implementations=("matmul",),
            takes_values=False,
        ),
        Operator(
            name="coordinate",
            title="coordinate attention: gates for each axis, made of averages over the others",
            formula=coordinate_attention,
            factory="kaoprof.operators.coordinate:CoordinateAttention",
            source="arXiv:2103.02907",
            implementations=("matmul",),
            ranked=True,
            takes_values=False,
        ),
    )
}


GROUPS = ("paper", "h3", "h2", "all")
"""Operators by one word: those of the KAO paper; those whose MACs grow on images with h^3; with h^2 or less; all."""


def group(name: str) -> list[str]:
    """The operators of a group, in the catalogue's order."""
    if name == "paper":
        return [operator.name for operator in OPERATORS.values() if operator.source == PAPER]
    powers = {"h3": (3,), "h2": (0, 1, 2)}.get(name)
    return [name for name in OPERATORS if powers is None or _image_power(name) in powers]


def _image_power(name: str) -> int:
    """The power of h with which the MACs of the bare operator grow on images."""
    operator = OPERATORS[name]
    options = AttentionOptions(projection="none")
    return degree(lambda size: int(operator.cost(Dims(b=1, c=1, spatial=(size, size)), options).macs))


NAME = re.compile(r"(?P<name>[^(]+)(?:\((?P<told>[^()]*)\))?")


@cache
def find_operator(name: str, *, where: str = "operators") -> Operator:
    """The operator called `name`, told what stands behind it in parentheses; `where` is the option that named it.

    Raises:
        UsageError: there is none, with the nearest name as the hint; or it cannot be told that.
    """
    match = NAME.fullmatch(name)
    if match is None or match["name"] not in OPERATORS:
        raise UsageError(f"unknown operator {name!r}", where=where, hint=did_you_mean(name, OPERATORS))
    operator = OPERATORS[match["name"]]
    if match["told"] is None:
        return operator
    return operator.telling(dict(_pair(word, name, where) for word in match["told"].split(",")), where=where)


def _pair(word: str, name: str, where: str) -> tuple[str, OwnValue]:
    option, _, text = word.strip().partition("=")
    value = value_of(option.strip(), text)
    if value is None:
        raise UsageError(
            f"{name!r} does not say what the operator is told", where=where, hint="write window(window=8,shift=4)"
        )
    return option.strip(), value


def is_operator(name: str) -> bool:
    """Whether the name is one of the catalogue's, whatever it is told."""
    return name.partition("(")[0] in OPERATORS


def own_options_of(name: str) -> str:
    """What only this operator was told, defaults included: `window=8 shift=0`; nothing of what is not of the table."""
    own = find_operator(name).own if is_operator(name) else {}
    return " ".join(f"{option}={written(value)}" for option, value in own.items())


def chosen_operators(names: str | Iterable[str] | None) -> list[tuple[str, str]]:
    """`(operator, implementation)` for each name: `kao_kv` means all its implementations, `kao_kv:sdpa` that one.

    A text may hold several, with commas between them.

    A group, such as `all`, stands for its operators; without names those of the paper are meant.

    Raises:
        UsageError: an unknown name, with the nearest known one.
    """
    if names is not None and not isinstance(names, Iterable):
        names = [names]  # which is refused below
    chosen: list[tuple[str, str]] = []
    for name in expanded(("paper",) if names is None else listed(names)):
        if not isinstance(name, str):
            hint = "a module of your own: kaoprof.profile(model, x)"
            raise UsageError(f"a {type(name).__name__} is no operator's name", where="operators", hint=hint)
        operator_name, colon, implementation = name.partition(":")
        if not is_operator(operator_name) and colon and implementation not in (*IMPLEMENTATIONS, FLEXIBLE):
            hint = f"code is measured by: kaoprof profile {name} --input SHAPE --allow-import"
            raise UsageError(f"{name!r} is no operator", where="operators", hint=hint)
        operator = find_operator(operator_name)
        if colon:
            one_of("implementation", implementation, (*operator.implementations, *operator.on_request))
        wanted = (implementation,) if colon else operator.implementations
        chosen += [(operator.full_name, known) for known in wanted]
    if not chosen:
        raise UsageError("none is named", where="operators", hint=f"one or more of: {', '.join(OPERATORS)}")
    return list(dict.fromkeys(chosen))


def listed(names: str | Iterable[str]) -> list[str]:
    """The names one by one; a text may hold several, with commas between them."""
    return [name.strip() for name in names.split(",") if name.strip()] if isinstance(names, str) else list(names)


def expanded(names: Iterable[str]) -> list[str]:
    """The names, with the operators of each group in its place."""
    return [member for name in names for member in (group(name) if name in GROUPS else (name,))]


def operator_workload(
    name: str, dims: Dims, options: AttentionOptions, *, dtype: str, mode: str, seed: int
) -> Workload:
    """The workload of one attention operator on one input of size `dims`."""
    operator = find_operator(name)
    return Workload(
        factory=operator.factory,
        args=(dims.c,),
        kwargs=operator.arguments(dims.spatial, options),
        inputs=(TensorSpec(shape=dims.shape, dtype=dtype),),
        mode=mode,
        seed=seed,
    )
