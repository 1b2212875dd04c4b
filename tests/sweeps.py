"""Sweeps by hand: rows along laws that are known, plans, and a measuring session that takes no time."""

import os
import signal
import sys
from pathlib import Path

from msgspec.structs import replace
from samples import measured_record

from kaoprof.comparing.run import analytic
from kaoprof.measuring.messages import Figure
from kaoprof.measuring.plan import Measurement
from kaoprof.records.compare import Case, Counted, Row
from kaoprof.records.measured import Latency, Observed
from kaoprof.records.options import Options
from kaoprof.sweeping.plan import sweep_plan

ENVIRONMENT = measured_record().environment
PROTOCOL = replace(measured_record().protocol, spent_s=0.0)
LAWS = {  # seconds of a call at height h
    "nonlocal:matmul": lambda h: 2e-9 * h**4,
    "kao_kv:matmul": lambda h: 1e-8 * h**3 + 1e-6,
    "kao_qkv:matmul": lambda h: 3e-8 * h**2 + 40e-6,
}


def row_at(name, h, c=8, **case):
    operator, implementation = name.split(":")
    case = Case(operator=operator, implementation=implementation, b=2, c=c, spatial=(h, h), device="cpu", **case)
    figures = analytic(case)
    samples = tuple(LAWS[name](h) * (1 + 0.002 * number) for number in range(10))
    return Row(
        case=case,
        analytic=figures,
        counted=Counted(macs=figures.macs, flops_all=figures.flops_all or 1, macs_fvcore=figures.macs,
                        peak_bytes_predicted=figures.map_bytes + 4 * 2 * c * h * h),
        peak_bytes_measured=figures.map_bytes + 4 * 2 * c * h * h,
        latency=Latency(rounds=tuple(range(10)), samples_s=samples, calls=1),
    )  # fmt: skip


def cell_at(h, c=8, **case):
    return tuple(row_at(name, h, c, **case) for name in LAWS)


def swept_record():
    """Five heights, two widths of channels; the largest non-local attention did not fit."""
    rows = [row for c in (8, 64) for h in (16, 32, 64, 128, 256) for row in cell_at(h, c)]
    rows = [
        replace(row, status="skipped", detail="predicted not to fit", latency=None, peak_bytes_measured=None)
        if row.case.operator == "nonlocal" and row.case.spatial[0] == 256
        else row
        for row in rows
    ]
    plain = measured_record()
    return replace(plain, kind="sweep", rows=tuple(rows))


def closed_record():
    """The same without measuring."""
    record = swept_record()
    rows = tuple(Row(case=replace(row.case, device=None), analytic=row.analytic) for row in record.rows)
    return replace(record, rows=rows, environment=None, protocol=None)


def plan_of(heights=(3, 5, 7), c=(8,), **options):
    return sweep_plan(spatial=[(h, h) for h in heights], c=c, batch=2, operators=list(LAWS), options=Options(**options))


class FakeConnection:
    """Tells where it measures, and that there is memory."""

    def __init__(self, environment):
        self.environment = environment

    def ask_device(self, _request):
        return Figure(value=2**30)


class FakeSession:
    """Measures by the laws above, at once. `script(subject)` may raise, or name a status."""

    def __init__(self, environment=None, script=lambda _: "ok"):
        self.script = script
        self.connection = FakeConnection(environment or ENVIRONMENT)
        self.measurements, self.throughput_flops, self.closed = {}, None, False
        self.ceilings = None
        self.measured, self.shares_s = [], []

    def measure_cell(self, subjects, budget_s):
        self.throughput_flops = self.throughput_flops or 1e11
        self.shares_s.append(budget_s)
        for subject in subjects:
            name, sizes = subject.label.split(" ", 1)
            status = self.script(subject)
            seconds = LAWS[name](int(sizes.split(" x ")[-1]))
            self.measured.append(subject.label)
            self.measurements[subject.key] = Measurement(
                observed=Observed(
                    status=status, detail="" if status == "ok" else "as told", peak_bytes_measured=1000
                ),
                rounds=list(range(10)), samples_s=[seconds] * 10,
            )  # fmt: skip

    def close(self):
        self.closed = True


def counted_by_formula(record, device, _options, _notify, _code):
    """Instead of running modules on meta, which would import torch."""
    rows = [
        replace(
            row,
            case=replace(row.case, device=device),
            counted=Counted(
                macs=row.analytic.macs, flops_all=row.analytic.flops_all, macs_fvcore=None, peak_bytes_predicted=1000
            ),
        )
        for row in record.rows
    ]
    return replace(record, rows=tuple(rows))


def fake_measuring(patch, session):
    """Lets sweeps measure with a fake session: `patch(name, value)` sets an attribute of `sweeping.workplace`."""
    patch("open_session", lambda *_: session)
    patch("protocol_of", lambda *_, **__: replace(PROTOCOL, throughput_flops=session.throughput_flops))
    patch("find_device", lambda name: "cpu" if name == "auto" else name)
    patch("count_rows", counted_by_formula)


def allowed(_subject):
    """Measures a row for each byte on standard input, and all that are left when that is closed."""
    os.read(0, 1)
    return "ok"


def sweep_in_a_process(journal, heights):
    """What the process that is killed at random moments runs: a real sweep, a fake session."""
    from kaoprof.sweeping import workplace
    from kaoprof.sweeping.run import Sweep

    fake_measuring(lambda name, value: setattr(workplace, name, value), FakeSession(script=allowed))
    return Sweep(plan=plan_of(tuple(range(1, heights + 1))), path=journal).run()


def command_with_a_fake_session():
    """The whole command line, with a fake session: `python -c ... sweep --h 3,5`."""
    from kaoprof.cli.app import main
    from kaoprof.sweeping import workplace

    fake_measuring(lambda name, value: setattr(workplace, name, value), FakeSession(script=allowed))
    main()


def command_that_waits():
    """The whole command line, `python -c ... JOURNAL CELLS sweep ...`: stands still amid a cell after so many."""
    from kaoprof.cli.app import main
    from kaoprof.measuring.child import Child

    (journal, cells), sys.argv[1:] = sys.argv[1:3], sys.argv[3:]
    ask = Child.ask

    def waiting(child, request, **limits):
        if finished_cells(Path(journal)) >= int(cells) and getattr(request, "subject", None) is not None:
            signal.pause()
        return ask(child, request, **limits)

    Child.ask = waiting
    main()


def finished_cells(path):
    """How many cells a journal holds."""
    return path.read_bytes().count(b'"entry":"cells"') if path.exists() else 0
