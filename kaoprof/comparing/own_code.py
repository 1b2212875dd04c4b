"""Somebody's modules beside the operators: their closed forms and counts, found in a process of its own.

Their code may exit, crash, print or hang there: it becomes a row that says so.
"""

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from msgspec.structs import replace

from kaoprof.dims import Dims, axes_in
from kaoprof.errors import KaoprofError, UsageError
from kaoprof.findings.own_cost import cost_of
from kaoprof.records.compare import Analytic, Case, Row, element_bytes
from kaoprof.records.options import Options
from kaoprof.records.own import OwnForm, OwnModule
from kaoprof.workload.own_module import sizes_of
from kaoprof.workload.size_arithmetic import evaluate
from kaoprof.workload.workload import TensorSpec, Workload

if TYPE_CHECKING:
    from kaoprof.measuring.child import Child
    from kaoprof.measuring.messages import CountWhole, DeriveForm, FindNeeded, Formula, Needed, Whole

OVERFLOW = "OverflowError: "
GRACE_S = 120.0  # beside the timeout of a call: what is counted may import and build for long
DERIVATION_LIMIT_S = 300.0  # formulas of what runs in a second may take a minute
WRONG_USAGE, NOT_ANALYSABLE = "UsageError: ", "NotAnalysableError: "  # how a child begins to tell of an error


class OwnCode:
    """The process in which somebody's modules are looked at; it begins when it is first asked, and again if it died."""

    def __init__(self, device: str, options: Options) -> None:
        self.device, self.options = device, options
        self.child: Child | None = None

    def ask(self, request: "DeriveForm | CountWhole | FindNeeded", *, timeout_s: float) -> Any:
        """Its answer.

        Raises:
            UsageError: the module cannot be made without being told more.
            KaoprofError: it failed, or took the process with it.
        """
        from kaoprof.measuring.child import Child, ChildLost, SubjectFailed
        from kaoprof.measuring.connection import START_LIMIT_S
        from kaoprof.measuring.messages import preparation

        try:
            if self.child is None:
                self.child = Child()
                plan = self.options
                self.child.ask(
                    preparation(self.device, threads=plan.threads_wanted, sdpa=plan.sdpa), timeout_s=START_LIMIT_S
                )
            return self.child.ask(request, timeout_s=timeout_s)
        except SubjectFailed as failure:
            wrong = failure.message.removeprefix(WRONG_USAGE)
            if wrong != failure.message:
                raise UsageError(wrong) from None
            raise KaoprofError(failure.message.removeprefix(NOT_ANALYSABLE)) from None
        except ChildLost:
            self.close()
            raise

    def form(self, own: OwnModule, sizes: Sequence[Dims], dtype: str, mode: str) -> "Formula":
        """How the module takes its input, and its closed form with the sizes at which that holds.

        Raises:
            KaoprofError: it runs at none of them.
        """
        from kaoprof.measuring.messages import DeriveForm

        request = DeriveForm(own=own, sizes=tuple(sizes), dtype=dtype, mode=mode, seed=self.options.seed)
        answer: Formula = self.ask(request, timeout_s=DERIVATION_LIMIT_S)
        return answer

    def count(self, workload: Workload) -> "Whole":
        """What is counted and predicted of a workload.

        Raises:
            KaoprofError: it cannot be.
        """
        from kaoprof.measuring.messages import CountWhole

        answer: Whole = self.ask(CountWhole(workload=workload), timeout_s=self.options.timeout_s + GRACE_S)
        return answer

    def needed(
        self, workload: Workload, *, device: str, threads: int, sdpa: str, batch: int = 1,
        size: tuple[int, ...] | None = None,
    ) -> "Needed":  # fmt: skip
        """Bytes that must be there for a workload to run on `device`.

        Where it says no inputs, on those of its own config: `batch` samples, of `size` if there is one.

        Raises:
            OverflowError: a tensor would be larger than 64 bits can say.
            KaoprofError: it does not run.
        """
        from kaoprof.measuring.messages import FindNeeded

        request = FindNeeded(
            workload=workload, device=device, threads=threads, sdpa=sdpa, batch=batch, size=size
        )  # fmt: skip
        try:
            answer: Needed = self.ask(request, timeout_s=self.options.timeout_s + GRACE_S)
        except KaoprofError as error:
            if error.message.startswith(OVERFLOW):
                raise OverflowError(error.message) from None
            raise
        return answer

    def close(self) -> None:
        """Ends the process."""
        if self.child is not None:
            self.child.kill()
            self.child = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def own_workload(own: OwnModule, dims: Dims, *, dtype: str, mode: str, seed: int) -> Workload:
    """What runs: the module, on one input of that size in its layout; a map where none is known to be right."""
    sizes = {"b": dims.b, "c": dims.c, **dict(zip(dims.axes, dims.spatial, strict=True))}
    told = {name: evaluate(text, sizes) for name, text in sizes_of(dims.axes).items()}
    shape = tuple(evaluate(axis, sizes) for axis in axes_in(own.layout or "map", dims.axes))
    return Workload(
        factory="kaoprof.workload.own_module:own_module",
        kwargs={"code": own.code, "arguments": own.arguments, "call": own.call, "saved": own.saved, **told},
        inputs=(TensorSpec(shape=shape, dtype=dtype),),
        mode=mode,
        seed=seed,
    )


def with_forms(cases: Iterable[Case], code: OwnCode) -> dict[Case, Row]:
    """A row for each case of somebody's module: with its closed form, or with what keeps it from having one.

    Raises:
        UsageError: a module cannot be made without being told more.
    """
    groups: dict[tuple[object, ...], list[Case]] = {}
    for case in cases:
        if case.own is not None:
            groups.setdefault((case.own, len(case.spatial), case.dtype, case.mode), []).append(case)
    return {case: row for group in groups.values() for case, row in _group(group, code)}


def _group(cases: Sequence[Case], code: OwnCode) -> Iterable[tuple[Case, Row]]:
    """Rows of one module, in one number of axes; a form whose channels are fixed is derived for each of these."""
    open_cases = list(cases)
    while open_cases:
        sizes = list(dict.fromkeys(case.dims for case in open_cases))
        first = open_cases[0]
        try:
            answer = code.form(_own(first), sizes, first.dtype, first.mode)
        except UsageError:
            raise
        except KaoprofError as error:
            yield from ((case, Row(case=case, status="unsupported", detail=error.message)) for case in open_cases)
            return
        held = {sizes[position] for position in answer.holds}
        channels = {dims.c for dims in held} or {first.c}
        now = [case for case in open_cases if case.dims in held or case.c in channels]
        yield from ((case, _row(case, answer, holds=case.dims in held)) for case in now)
        open_cases = [case for case in open_cases if case not in now]


def _own(case: Case) -> OwnModule:
    if case.own is None:
        raise KaoprofError(f"{case.name} is no module of somebody's own", hint="this is a fault of kaoprof")
    return case.own


def _row(case: Case, answer: "Formula", *, holds: bool) -> Row:
    known = replace(case, own=replace(_own(case), layout=answer.layout))
    if answer.form is None:
        return Row(case=known, detail=f"no closed form: {answer.objection}")
    if not holds:
        return Row(case=known, detail="no closed form at this size: what was derived for others does not hold here")
    return Row(case=known, analytic=derived(known, answer.form))


def derived(case: Case, form: OwnForm) -> Analytic:
    """The figures of a derived form for one case."""
    cost = cost_of(form, case.dims)
    width, training = element_bytes(case), case.mode == "train"
    elements = (2 * case.b * case.c * case.dims.positions + cost.params) * (2 if training else 1)
    return Analytic(
        order_time=form.order_time,
        order_memory=form.order_memory or "O(1)",  # it has no coefficients, as `map_bytes` says
        params=cost.params,
        macs=cost.macs,
        flops_all=None if training else cost.flops_all,
        map_bytes=case.b * cost.map_entries * width or None,
        compulsory_bytes=elements * width,
        form=form,
    )
