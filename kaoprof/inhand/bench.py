"""The bench in the caller's own process: the same handlers as the measuring process has, on what is there already.

Nothing is set that the caller has set otherwise: threads, precision, denormals and modes are as they are.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from kaoprof.bench.energy import energy_meter
from kaoprof.bench.environment import environment_of
from kaoprof.bench.flags import Flags
from kaoprof.bench.handlers import HANDLERS
from kaoprof.bench.workbench import Bench, Subject, drop_gradients
from kaoprof.errors import MeasurementError, encodable
from kaoprof.inhand.module import CalledInHand
from kaoprof.measuring.child import SubjectFailed
from kaoprof.measuring.messages import AnyAnswer, AnyRequest, Load, Loaded, Look, Prepare, Prepared, Seen
from kaoprof.records.measured import Deviation, Observed
from kaoprof.workload.building import step_of

ABSENT = frozenset({"denormals"})  # quantities that would need another process, or a change of this one


class BenchInHand(Bench):
    """Holds one call that is ready.

    Args:
        module: the call.
        inputs: its tensors, which nobody else holds.
        copyable: whether a copy of the module computes without the original: a function's does not.
    """

    def __init__(self, module: CalledInHand, inputs: tuple[Tensor, ...], *, copyable: bool) -> None:
        super().__init__()
        self.module = module
        self.tensors = inputs
        self.copyable = copyable

    def prepare(self, request: Prepare) -> Prepared:
        """Takes the meters of the device; of the process only the threads that were asked for."""
        self.device, self.sdpa = request.device, request.sdpa
        if request.threads:
            torch.set_num_threads(request.threads)
        self.meters = self.meters_with(request.cache)
        self.energy_meter = energy_meter(self.device)
        source = self.energy_meter.source if self.energy_meter else None
        return Prepared(environment=environment_of(self.device, denormals_flushed=False, energy_source=source))

    def load(self, request: Load) -> Loaded:
        """The call stands ready; on a GPU it runs once, as everywhere."""
        step = step_of(request.workload, self.module, self.tensors)
        if self.meters.kind == "cuda":
            step()
            self.meters.synchronize()
            drop_gradients(self.module, self.tensors)
        self.subjects[request.subject] = Subject(
            request.workload, self.module, self.tensors, step, request.variant, Flags()
        )
        return Loaded()

    def choose_precision(self, dtype: str) -> None:
        """It is the caller's choice."""

    def subject(self, number: int) -> Subject:
        """The call, as it is: no other one shares its inputs."""
        subject = self.subjects[number]
        subject.flags.apply()
        return subject

    def clear(self) -> None:
        """Forgets what was ready; the inputs stay, for there may be another round."""
        self.subjects.clear()
        self.meters.give_back()


HERE: dict[type[AnyRequest], Callable[[Any, Any], AnyAnswer]] = {
    **HANDLERS, Prepare: BenchInHand.prepare, Load: BenchInHand.load
}  # fmt: skip


class InProcess:
    """Answers requests in this process.

    Args:
        bench: with what is measured.
    """

    def __init__(self, bench: BenchInHand) -> None:
        self.bench = bench

    def ask(self, request: AnyRequest, *, timeout_s: float) -> Any:
        """Answers; in this process nothing can be stopped that takes too long.

        Raises:
            SubjectFailed: the call failed; the text says how.
            MeasurementError: the device is of no use any more.
        """
        del timeout_s
        if isinstance(request, Look) and (request.quantity in ABSENT or request.alone):
            return Seen()
        if isinstance(request, Look) and request.quantity == "deviation" and not self.bench.copyable:
            return Seen(observed=Observed(deviation=Deviation.unknown("a function cannot be copied into fp64")))
        try:
            return HERE[type(request)](self.bench, request)
        except Exception as error:  # noqa: BLE001 - whatever a model does wrong becomes a row
            detail = encodable(self.bench.explain(error))
            try:
                status = self.bench.status_of(error)
            except SystemExit as end:
                raise MeasurementError(f"the device is of no use any more: {end}") from None
            raise SubjectFailed(status, detail) from None

    def kill(self) -> None:
        """Forgets what was ready."""
        self.bench.subjects.clear()
