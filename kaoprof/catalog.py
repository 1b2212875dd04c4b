"""The one table of operators: what each is called, what it costs, which module runs it, and where it comes from."""

from collections.abc import Iterable
from functools import cache

import msgspec
from msgspec.structs import asdict

from kaoprof.costs.cost import Cost, CostFunction, order
from kaoprof.costs.kronecker import kao_kv, kao_qkv
from kaoprof.costs.non_local import nonlocal_attention, nonlocal_pooled_attention
from kaoprof.dims import (
    IMPLEMENTATIONS,
    AttentionOptions,
    Dims,
    one_of,
)
from kaoprof.errors import UsageError, did_you_mean
from kaoprof.workload.workload import TensorSpec, Workload

PAPER = "arXiv:2007.08442"


class Operator(msgspec.Struct, frozen=True, kw_only=True):
    """An attention operator.

    Args:
        name: what users type and tables print.
        title: one line that says what it does.
        cost: its closed form.
        factory: its module, `package.file:Class`, imported only when it is built.
        source: where its definition comes from.
    """

    name: str
    title: str
    cost: CostFunction
    factory: str
    source: str = PAPER
    implementations: tuple[str, ...] = IMPLEMENTATIONS

    def orders(self, axes: tuple[str, ...], options: AttentionOptions) -> tuple[str, str]:
        """How MACs and coefficients grow when all spatial sizes grow together: `("O(h^4 c)", "O(h^4)")`."""
        return _orders(self.cost, axes, options)


@cache
def _orders(cost: CostFunction, axes: tuple[str, ...], options: AttentionOptions) -> tuple[str, str]:
    """They do not depend on the sizes, and a sweep asks for them in every row."""
    size_name = "h" if "h" in axes else axes[0]

    def at(size: int, channels: int) -> Cost:
        return cost(Dims(b=1, c=channels, spatial=(size,) * len(axes)), options)

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
            cost=nonlocal_attention,
            factory="kaoprof.operators.non_local:NonLocalAttention",
        ),
        Operator(
            name="nonlocal_pool",
            title="attention whose keys and values are max-pooled, 2 per axis",
            cost=nonlocal_pooled_attention,
            factory="kaoprof.operators.non_local:NonLocalPooledAttention",
        ),
        Operator(
            name="kao_kv",
            title="Kronecker attention: positions attend to row and column averages",
            cost=kao_kv,
            factory="kaoprof.operators.kronecker:KroneckerAttentionKV",
        ),
        Operator(
            name="kao_qkv",
            title="Kronecker attention: the averages attend to each other, then an outer sum",
            cost=kao_qkv,
            factory="kaoprof.operators.kronecker:KroneckerAttentionQKV",
        ),
    )
}


def find_operator(name: str, *, where: str = "operators") -> Operator:
    """The operator called `name`; `where` is the option that named it.

    Raises:
        UsageError: there is none; with the nearest name as the hint.
    """
    if name not in OPERATORS:
        raise UsageError(f"unknown operator {name!r}", where=where, hint=did_you_mean(name, OPERATORS))
    return OPERATORS[name]


def chosen_operators(names: Iterable[str] | None) -> list[tuple[str, str]]:
    """`(operator, implementation)` for each name: `kao_kv` means all its implementations, `kao_kv:sdpa` that one.

    Raises:
        UsageError: an unknown name, with the nearest known one.
    """
    chosen: list[tuple[str, str]] = []
    for name in OPERATORS if names is None else names:
        operator_name, colon, implementation = name.partition(":")
        if operator_name not in OPERATORS and colon and implementation not in IMPLEMENTATIONS:
            hint = f"code is measured by: kaoprof profile {name} --input SHAPE --allow-import"
            raise UsageError(f"{name!r} is no operator", where="operators", hint=hint)
        operator = find_operator(operator_name)
        if colon:
            one_of("implementation", implementation, operator.implementations)
        chosen += [(operator_name, known) for known in operator.implementations if implementation in ("", known)]
    if not chosen:
        raise UsageError("none is named", where="operators", hint=f"one or more of: {', '.join(OPERATORS)}")
    return list(dict.fromkeys(chosen))


def operator_workload(
    name: str, dims: Dims, options: AttentionOptions, *, dtype: str, mode: str, seed: int
) -> Workload:
    """The workload of one attention operator on one input of size `dims`."""
    return Workload(
        factory=find_operator(name).factory,
        args=(dims.c,),
        kwargs=asdict(options),
        inputs=(TensorSpec(shape=dims.shape, dtype=dtype),),
        mode=mode,
        seed=seed,
    )
