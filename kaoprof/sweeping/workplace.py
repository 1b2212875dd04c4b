"""One place at which cells are worked on: a device, its measuring process, and what was learnt there. Never prints.

Whoever runs a sweep elsewhere makes a `Workplace` of the plan there, for one cell or many.
"""

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from kaoprof.comparing.own_code import OwnCode
from kaoprof.comparing.run import ahead_of, count_rows, measured, subject_of
from kaoprof.errors import KaoprofError, MeasurementError
from kaoprof.measuring.devices import check_wishes, find_device, load_average
from kaoprof.measuring.messages import ReadFree
from kaoprof.measuring.outlook import Outlook
from kaoprof.measuring.run import ProgressCallback, environment_of, open_session, protocol_of
from kaoprof.profiling.run import ModelOptions
from kaoprof.profiling.single import closed_form, profile_single
from kaoprof.records.compare import Record, Row
from kaoprof.records.journal import AnyRow
from kaoprof.records.profile import LayerRow, ModelProfile
from kaoprof.records.sweep import ModelPlan, Plan
from kaoprof.records.swept_models import ModelCase, ModelRow, whole_of
from kaoprof.sweeping.cells import Cell, ModelCell, OperatorCell
from kaoprof.sweeping.executor import Done, Opened
from kaoprof.version import __version__

if TYPE_CHECKING:
    from kaoprof.measuring.session import Session


class Workplace:
    """Works on cells of a plan, one after the other, and is ended by `with`.

    Args:
        plan: whose options say how to measure.
        notify: told of every step.
        clock: of what a cell took.
    """

    def __init__(self, plan: Plan, notify: ProgressCallback, clock: Callable[[], float] = time.monotonic) -> None:
        self.plan, self.notify, self.clock = plan, notify, clock
        self.device = self.check()
        self.load = load_average()
        self.session: Session = open_session(self.device, plan.options, notify)
        self.opened_s = 0.0  # what starting took, until the first cell tells it
        self.code = OwnCode(self.device, plan.options)
        self.rates: dict[str, float | None] = {}  # of a large product, by dtype

    def check(self) -> str:
        """The device to measure on.

        Raises:
            MeasurementError: it is not there.
            UsageError: it cannot do what is asked for.
        """
        return checked_device(self.plan)

    def open(self) -> Opened:
        """Starts the measuring process, which says where it is.

        Raises:
            MeasurementError: it cannot work.
        """
        started = self.clock()
        self.session.connection.ask_device(ReadFree())
        self.opened_s = self.clock() - started
        return Opened(device=self.device, environment=environment_of(self.session, self.load))

    def foresee(self, cells: Sequence[Cell]) -> None:
        """Tells the session what lies ahead, as far as closed forms say, so that it can warn before it begins.

        The rate of another dtype than the first is not known then: rows of it only count as rows.
        """
        operators = [cell.blank_rows() if isinstance(cell, OperatorCell) else [] for cell in cells]
        first = next((row.case.dtype for rows in operators for row in rows), None)
        ahead = ([ahead_of(row, timed=row.case.dtype == first) for row in rows] for rows in operators)
        self.session.outlook = Outlook(cells=tuple(map(tuple, ahead)), share_s=self.share_s)

    def finish(self, cell: Cell) -> Done:
        """Counts and measures a cell.

        Raises:
            MeasurementError: nothing can be measured here any more.
        """
        started, session = self.clock() - self.opened_s, self.session
        session.setup_s, self.opened_s = self.opened_s, 0.0
        dtype = (cell.case if isinstance(cell, ModelCell) else cell.cases[0]).dtype
        session.throughput_flops = self.rates.get(dtype)
        rows = self._model_rows(cell) if isinstance(cell, ModelCell) else self._operator_rows(cell)
        self.rates[dtype] = session.throughput_flops
        environment = environment_of(session, self.load)
        return Done(
            key=cell.key, rows=rows, spent_s=self.clock() - started, setup_s=session.setup_s,
            environment=replace(environment, node=cell.node or None) if environment else None,
            protocol=replace(protocol_of(session, self.plan.options, spent_s=0.0), setup_s=None),
        )  # fmt: skip

    @property
    def share_s(self) -> float:
        """An equal part of the whole budget, also after a resume."""
        return self.plan.options.budget_s / len(self.plan)

    def _operator_rows(self, cell: OperatorCell) -> tuple[Row, ...]:
        """Closed forms, counts, then whatever can be measured."""
        options = self.plan.options
        blank = Record(version=__version__, created="", baseline=options.baseline, rows=tuple(cell.blank_rows()))
        rows = count_rows(blank, self.device, options, self.notify, self.code).rows
        subjects = [subject_of(row, key, options.seed) for key, row in enumerate(rows) if row.status == "ok"]
        self.session.measurements.clear()
        if subjects:
            self.session.measure_cell(subjects, self.share_s)
        return tuple(measured(row, self.session.measurements.get(key)) for key, row in enumerate(rows))

    def _model_rows(self, cell: ModelCell) -> tuple[ModelRow, ...]:
        """The model, eagerly and in each variant; what it cannot be is a row."""
        case, asked = replace(cell.case, device=self.device), model_options(self.plan, cell.case)
        try:
            models = profile_single(
                self.session, cell.document, asked, self.plan.options, self.notify, budget_s=self.share_s
            )
        except MeasurementError:
            raise
        except KaoprofError as error:
            models = (failed_model(cell, error),)
        return tuple(ModelRow(case=case, profile=whole_of(model)) for model in models)

    def close(self) -> None:
        """Ends all processes."""
        self.session.close()
        self.code.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def checked_device(plan: Plan) -> str:
    """The device that a plan means here.

    Raises:
        MeasurementError: it is not there.
        UsageError: it cannot do what is asked for.
    """
    device = find_device(plan.options.device)
    for dtype in plan.dtypes:
        check_wishes(device, dtype, plan.options)
    return device


def closed_rows(cell: Cell, plan: Plan) -> tuple[Row, ...] | tuple[ModelRow, ...]:
    """The rows of a cell on paper: nothing runs, and torch is not imported."""
    if isinstance(cell, OperatorCell):
        return tuple(cell.blank_rows())
    try:
        model = closed_form(cell.document, model_options(plan, cell.case))
    except KaoprofError as error:
        model = failed_model(cell, error)
    return (ModelRow(case=cell.case, profile=whole_of(model)),)


def model_options(plan: Plan, case: ModelCase) -> ModelOptions:
    """What `profile` would be asked for one case."""
    allowed, runs = (plan.allow_import, plan.measured) if isinstance(plan, ModelPlan) else (False, True)
    return ModelOptions(
        batch=case.b, size=case.size, dtype=case.dtype, mode=case.mode, allow_import=allowed, measured=runs
    )


def error_rows(cell: Cell, device: str | None, detail: str) -> tuple[AnyRow, ...]:
    """The rows of a cell that cannot be worked on."""
    if isinstance(cell, ModelCell):
        profile = whole_of(failed_model(cell, MeasurementError(detail)))
        return (ModelRow(case=replace(cell.case, device=device), profile=profile),)
    failed = {"status": "error", "detail": detail}
    return tuple(
        replace(row, case=replace(row.case, device=device), **(failed if row.status == "ok" else {}))
        for row in cell.blank_rows()
    )


def failed_model(cell: ModelCell, error: KaoprofError) -> ModelProfile:
    """The row of a model that cannot run on such an input, with the reason."""
    spec = cell.document.spec
    return ModelProfile(
        model=spec.name, source=spec.source, batch=cell.case.b, input_shapes=(), status="error", detail=str(error),
        layers=(LayerRow(layer="", type="", depth=0, leaf=True),),
    )  # fmt: skip
