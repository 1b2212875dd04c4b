"""One set of samples has one interval, whichever command took it, and whichever table or column shows it."""

import csv
import io
import math
from statistics import median

from msgspec.structs import replace
from profile_samples import model
from profile_samples import record as profile_record
from samples import measured_record

from kaoprof.findings.growth import _timed
from kaoprof.findings.models import model_standings
from kaoprof.findings.operators import standings
from kaoprof.fitting.exact import Setting
from kaoprof.fitting.stopwatch import Contender, Stopwatch
from kaoprof.fitting.timed import timed_sizes
from kaoprof.measuring.plan import Measurement
from kaoprof.records.measured import Latency
from kaoprof.reporting.columns.profile import LAYER_COLUMNS, layer_views
from kaoprof.reporting.kinds import report_of, written

PROCESSES = (1.0, 1.2, 1.1)  # how long a call takes in each: where memory lies differs
SAMPLES = tuple(level * (1 + 0.001 * number) for level in PROCESSES for number in range(10))
LAUNCHES = tuple(launch for launch in (1, 2, 3) for _ in range(10))
ROUNDS = tuple(range(30))
LATENCY = Latency(rounds=ROUNDS, samples_s=SAMPLES, calls=1, launches=LAUNCHES)


def by_hand():
    """Student's t over the logarithms of the three fastest, 95 %, as if two more had differed as is expected: 2.776445.

    Expected is 2 %, or a tenth of the way from quiet to typical time. Wider by how much runs differ where no
    reference was timed: 1.5 %, or a fifth of that way.
    """
    logs = [math.log(level) for level in PROCESSES]
    mean = sum(logs) / 3
    gap = math.log(median(SAMPLES)) - mean
    variance = (sum((value - mean) ** 2 for value in logs) + 2 * max(0.02, gap / 10) ** 2) / 4
    half = math.hypot(2.776445 * math.sqrt(variance / 3), 1.959964 * max(0.015, gap / 5))
    return math.exp(mean - half), math.exp(mean + half)


def close(interval, expected):
    return all(math.isclose(figure, wanted, rel_tol=1e-6) for figure, wanted in zip(interval, expected, strict=True))


def test_compare_profile_fit_and_growth_find_the_same_interval():
    low, high = by_hand()
    assert low < 0.99 * min(SAMPLES)  # wider than any order statistic
    assert high > max(SAMPLES)

    row = replace(measured_record().rows[3], latency=LATENCY)
    compared = replace(measured_record(), rows=(row,))
    ((standing,),) = standings(compared).values()
    assert close((standing.latency.low, standing.latency.high), (low, high))
    (line,) = csv.DictReader(io.StringIO(written(report_of(compared), "csv")))
    assert close((float(line["quiet_low_s"]), float(line["quiet_high_s"])), (low, high))

    profiled = profile_record(replace(model("m", 1.0), latency=LATENCY))
    (seen,) = model_standings(profiled)
    assert close((seen.latency.low, seen.latency.high), (low, high))
    whole = next(view for view in layer_views(profiled) if view.whole)
    assert close((LAYER_COLUMNS["quiet_low_s"](whole), LAYER_COLUMNS["quiet_high_s"](whole)), (low, high))

    contender = Contender(operator="kao_qkv", implementation="matmul")
    measurement = Measurement(rounds=list(ROUNDS), samples_s=list(SAMPLES), launches=list(LAUNCHES))
    watch = Stopwatch(axis="h", setting=Setting(sizes={"c": 8}), session=None, timed={(contender, 14): measurement})
    (size,) = timed_sizes(contender, watch)
    assert close((size.low_s, size.high_s), (low, high))

    assert math.isclose(_timed(LATENCY).half_width, (high - low) / 2 / size.seconds, rel_tol=1e-6)
