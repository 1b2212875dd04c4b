"""A record made by hand, with round figures, for everything that only renders."""

from msgspec.structs import replace

from kaoprof.comparing.run import analytic
from kaoprof.records.compare import Case, Counted, Record, Row
from kaoprof.records.measured import Ceilings, Copy, Deviation, Environment, Latency, Protocol, Traffic

ROUNDS = tuple(range(10))
CALL_S = {"nonlocal:matmul": 0.2, "nonlocal:sdpa": 0.03, "kao_kv:matmul": 0.002, "kao_qkv:matmul": 0.00015}
PEAK_BYTES = {"nonlocal:matmul": 630_210_560, "nonlocal:sdpa": 2_775_040, "kao_kv:matmul": 23_310_336}
PEAK_BYTES["kao_qkv:matmul"] = 1_662_976

TRAFFIC = {  # operations, and bytes moved
    "nonlocal:matmul": (5, 1_580_000_000), "nonlocal:sdpa": (4, 6_600_000), "kao_kv:matmul": (12, 60_000_000),
    "kao_qkv:matmul": (11, 3_300_000),
}  # fmt: skip
CEILINGS = Ceilings(
    created="2026-01-02T03:00:00+00:00",
    load=0.1,
    copies=(Copy(moved_bytes=2**20, seconds=5e-6), Copy(moved_bytes=2**28, seconds=0.010)),
    products={"fp32": 200e9},
    launch_s=1e-6,
)


def row(name):
    operator, implementation = name.split(":")
    case = Case(operator=operator, implementation=implementation, b=8, c=8, spatial=(56, 56), device="cpu")
    figures = analytic(case)
    samples = tuple(CALL_S[name] * (1 + 0.01 * number) for number in ROUNDS)
    return Row(
        case=case,
        analytic=figures,
        counted=Counted(macs=figures.macs, flops_all=figures.flops_all, macs_fvcore=figures.macs,
                        peak_bytes_predicted=PEAK_BYTES[name]),
        peak_bytes_measured=PEAK_BYTES[name],
        latency=Latency(rounds=ROUNDS, samples_s=samples, calls=1),
        traffic=Traffic(operations=TRAFFIC[name][0], moved_bytes=TRAFFIC[name][1], launch_s=20e-6),
        backend="flash" if implementation == "sdpa" else None,
        deviation=Deviation(largest=4.9e-7, rms=2.3e-7),
    )  # fmt: skip


def measured_record():
    """Four operators at the paper's largest size, one of them skipped."""
    rows = [row(name) for name in CALL_S]
    rows[0] = replace(rows[0], status="skipped", detail="predicted not to fit: needs 601 MiB", latency=None,
                      peak_bytes_measured=None, traffic=None, deviation=None)  # fmt: skip
    return Record(
        version="0.1.0",
        created="2026-01-02T03:04:05+00:00",
        baseline="nonlocal",
        rows=tuple(rows),
        environment=Environment(
            device_name="A Processor", cores=2, threads=2, memory_bytes=24 * 2**30, system="Linux", python="3.11.7",
            torch="2.13.0", backends=("mkl", "openmp"), denormals_flushed=True, load_before=0.1,
        ),
        protocol=Protocol(
            budget_s=10.0, samples=None, timeout_s=60.0, seed=0, memory_fraction=0.8, force_run=False, spent_s=9.5,
            free_bytes=20 * 2**30, throughput_flops=200e9,
            ceilings=CEILINGS, cache="warm", sdpa="auto",
        ),
    )  # fmt: skip


def analytic_record():
    """The same rows, closed forms only."""
    record = measured_record()
    rows = tuple(Row(case=replace(old.case, device=None), analytic=old.analytic) for old in record.rows)
    return replace(record, rows=rows, environment=None, protocol=None)


EXPONENTS = {"nonlocal": 4, "kao_kv": 3, "kao_qkv": 2}


def sized(name, h):
    """The row of an operator on an h x h map, everything scaled from the paper's largest size by theory's exponent."""
    large = row(name)
    factor = (h / 56) ** EXPONENTS[large.case.operator]
    case = replace(large.case, spatial=(h, h))
    figures = analytic(case)
    peak = round(large.peak_bytes_measured * factor)
    samples = tuple(seconds * factor for seconds in large.latency.samples_s)
    return replace(
        large,
        case=case,
        analytic=figures,
        counted=replace(large.counted, macs=figures.macs, flops_all=figures.flops_all, macs_fvcore=figures.macs,
                        peak_bytes_predicted=peak),
        peak_bytes_measured=peak,
        latency=replace(large.latency, samples_s=samples),
    )  # fmt: skip


def grid_record(sizes=(14, 28, 56, 112)):
    """Four operators at several sizes; at the largest one the explicit baseline was skipped."""
    rows = [sized(name, h) for h in sizes for name in CALL_S]
    last = rows.index(next(one for one in rows if one.case.spatial[0] == sizes[-1]))
    rows[last] = replace(rows[last], status="skipped", detail="predicted not to fit: needs 9.39 GiB", latency=None,
                         peak_bytes_measured=None)  # fmt: skip
    return replace(measured_record(), rows=tuple(rows))
