"""What `compare` leaves behind, and each cell of `sweep`: rows of operators with their key, closed form and counts."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from kaoprof.dims import DTYPE_BYTES, AttentionOptions, Dims
from kaoprof.records import fields
from kaoprof.records.formulas import Order, Parsed
from kaoprof.records.measured import EAGER, VARIANT, Environment, Head, Observed, Protocol
from kaoprof.records.own import OWN, OwnForm, OwnModule
from kaoprof.records.stored_rows import StoredRows


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Which operator, at which size, told what: the key of a row. `spatial` is (n,), (h, w) or (t, h, w).

    `own` is somebody's module, which has that name in place of an operator, and is told what it says itself.
    """

    operator: str
    implementation: str
    b: fields.Positive
    c: fields.Positive
    spatial: fields.Sizes
    heads: fields.Positive = 1
    projection: fields.Projection = "value"
    scale: fields.Scale = "sqrt"
    dtype: fields.Dtype = "fp32"
    device: str | None = None
    mode: fields.Mode = "forward"
    own: OwnModule | None = None

    @property
    def dims(self) -> Dims:
        """The input's sizes."""
        return Dims(b=self.b, c=self.c, spatial=self.spatial)

    @property
    def options(self) -> AttentionOptions:
        """What the operator was told."""
        implementation = self.implementation.partition(VARIANT)[0]
        told = {} if implementation == OWN else {"implementation": implementation}
        return AttentionOptions(heads=self.heads, projection=self.projection, scale=self.scale, **told)

    @property
    def variant(self) -> str:
        """How it is run: `eager`, or what `matmul+compile` and `matmul+graph` say."""
        return self.implementation.partition(VARIANT)[2] or EAGER

    @property
    def name(self) -> str:
        """Operator and implementation, as the command line names them: `nonlocal:sdpa`."""
        return f"{self.operator}:{self.implementation}"

    @property
    def cell(self) -> tuple[object, ...]:
        """Everything but the operator: rows that share it may be compared."""
        return (self.b, self.c, self.spatial, self.heads, self.projection, self.scale, self.dtype, self.mode)

    @property
    def setting(self) -> str:
        """The cell in words."""
        return ", ".join((f"{self.dims}", f"heads {self.heads}", self.dtype, self.mode))


class Analytic(Parsed, frozen=True, kw_only=True):
    """From the closed form. Counts are of one sample, bytes of the whole batch; in `train` mode of forward + backward.

    `flops_all` is None in `train` mode: the backward pass has no closed form for what is not a contraction.
    `compulsory_bytes` are input, output and parameters (trained: and their gradients), each moved once: unavoidable.
    `form` is the closed form itself where it was derived from somebody's module; that may have no coefficients.
    """

    order_time: Order
    order_memory: Order
    params: fields.Unbounded
    macs: fields.Unbounded
    flops_all: fields.Unbounded | None
    map_bytes: fields.UnboundedPositive | None
    compulsory_bytes: fields.UnboundedPositive
    form: OwnForm | None = None


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """From running the module on meta tensors, counts of one sample; and the predicted peak, of the whole batch.

    `uncounted` maps each operation without a rule to its calls; `unmodelled` names those whose kernels might hold so
    much for themselves that the peak is higher.
    """

    macs: fields.Unbounded
    flops_all: fields.Unbounded
    macs_fvcore: fields.Unbounded | None
    peak_bytes_predicted: fields.UnboundedPositive
    uncounted: dict[str, fields.Count] = msgspec.field(default_factory=dict)
    unmodelled: tuple[str, ...] = ()


class Row(Observed, frozen=True, kw_only=True):
    """One operator in one grid cell, and what was observed of it."""

    case: Case
    analytic: Analytic | None = None
    counted: Counted | None = None

    @property
    def dtype(self) -> str:
        """What it computes in."""
        return self.case.dtype

    @property
    def variant(self) -> str:
        """How it is run: `eager`, `compile` or `graph`."""
        return self.case.variant


class Record(Head, frozen=True, kw_only=True):
    """One run of `compare`."""

    kind: str = "compare"
    baseline: str
    rows: tuple[Row, ...]
    protocol: Protocol | None = None
    environment: Environment | None = None
    interrupted: bool = False

    @property
    def dtypes(self) -> set[str]:
        """What its rows compute in."""
        return {row.case.dtype for row in self.rows}

    def cells(self) -> dict[tuple[object, ...], list[Row]]:
        """The rows by grid cell, in order."""
        return by_cell(self.rows)


def each_cell(rows: Sequence[Row]) -> Iterator[tuple[tuple[object, ...], list[Row]]]:
    """Rows by grid cell, in order, one cell after another: of those that stay in their file never all at once."""
    groups = rows.groups() if isinstance(rows, StoredRows) else by_cell(rows)
    return ((cell, list(members)) for cell, members in groups.items())


def by_cell(rows: Iterable[Row]) -> dict[tuple[object, ...], list[Row]]:
    """Rows by grid cell, in order."""
    grouped: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        grouped.setdefault(row.case.cell, []).append(row)
    return grouped


def element_bytes(case: Case) -> int:
    """Bytes of one element in the case's dtype."""
    return DTYPE_BYTES[case.dtype]


def own_cases(template: Case, modules: Iterable[OwnModule]) -> list[Case]:
    """The cases of somebody's modules in the cell of another one."""
    return [replace(template, operator=own.name, implementation=OWN, own=own) for own in modules]


def with_variants(cases: Iterable[Case], variants: Sequence[str]) -> list[Case]:
    """Each case, followed by itself in each of the variants: `matmul`, `matmul+compile`."""
    return [
        replace(case, implementation=f"{case.implementation}{VARIANT}{name}") if name else case
        for case in cases
        for name in ("", *variants)
    ]
