"""Times operators at sizes that are chosen as the results come in, all in one measuring session."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

import msgspec

from kaoprof.errors import KaoprofError
from kaoprof.fitting.exact import Setting
from kaoprof.measuring.plan import Measurement, Subject, unreached
from kaoprof.measuring.run import environment_of
from kaoprof.measuring.session import Session
from kaoprof.records.measured import Environment, Latency, Observed


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """One implementation of one operator."""

    operator: str
    implementation: str

    @property
    def name(self) -> str:
        """As the command line names it: `nonlocal:sdpa`."""
        return f"{self.operator}:{self.implementation}"


class Stopwatch(msgspec.Struct, kw_only=True):
    """What was timed so far: by contender and size. As a context it ends with its measuring process."""

    axis: str
    setting: Setting
    session: Session
    load_before: float | None = None
    interrupted: bool = False
    timed: dict[tuple[Contender, int], Measurement] = msgspec.field(default_factory=dict)

    @property
    def step(self) -> int:
        """The distance between sizes: those that the same kernels serve, so that one law can hold for all of them."""
        return self.setting.step(self.axis) * self.setting.alignment(self.axis)

    def time(self, wanted: Sequence[tuple[Contender, int]], budget_s: float) -> None:
        """Times all of these, interleaved in rounds; what cannot be timed has a status that says why.

        Raises:
            MeasurementError: the device is not there, or no measuring process can work.
            KeyboardInterrupt: passed on; `timed` holds what was measured until then.
        """
        subjects = {}
        for contender, size in dict.fromkeys(wanted):
            key = len(self.timed)
            try:
                subjects[contender, size] = self.subject(contender, size, key)
                self.timed[contender, size] = unreached()
            except (KaoprofError, OverflowError) as error:
                self.timed[contender, size] = Measurement(observed=Observed(status="unsupported", detail=str(error)))
        try:
            if subjects:
                self.session.measure_cell(list(subjects.values()), budget_s)
        finally:
            for pair, subject in subjects.items():
                self.timed[pair] = self.session.measurements.get(subject.key, self.timed[pair])

    def subject(self, contender: Contender, size: int, key: int) -> Subject:
        """What the session needs to know."""
        chosen = self.setting.with_implementation(contender.implementation)
        dims = chosen.dims(self.axis, size)
        workload = chosen.workload(contender.operator, dims)
        resident, peak = chosen.memory(contender.operator, dims)
        return Subject(
            key=key,
            label=f"{contender.name} {dims}",
            workload=workload,
            resident_bytes=resident,
            predicted_bytes=peak,
            floor_flops=2 * chosen.macs(contender.operator, dims),
        )

    def latency(self, contender: Contender, size: int) -> Latency | None:
        """The samples of one contender at one size, if it was timed."""
        measurement = self.timed.get((contender, size))
        return measurement.latency if measurement is not None and measurement.status == "ok" else None

    def latencies(self, contender: Contender) -> dict[int, Latency]:
        """The samples of one contender by size, smallest size first."""
        sizes = sorted(size for timed, size in self.timed if timed == contender)
        return {size: latency for size in sizes if (latency := self.latency(contender, size))}

    def wall(self, contender: Contender) -> tuple[int, str] | None:
        """The smallest size that could not be timed, and why."""
        failed = [
            (size, measurement.detail)
            for (who, size), measurement in self.timed.items()
            if who == contender and not measurement.samples_s
        ]
        return min(failed, default=None)

    @property
    def environment(self) -> Environment | None:
        """Where it was measured, if it came to that."""
        return environment_of(self.session, self.load_before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Ends the measuring process. Ctrl-C ends the timing alone: what was timed until then stays."""
        self.session.close()
        self.interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        return self.interrupted
