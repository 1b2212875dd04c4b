"""What cannot have been measured is refused by file and field; what kaoprof writes never is."""

import json

import pytest
from msgspec.structs import replace
from profile_samples import model
from profile_samples import record as profile_record
from samples import CEILINGS, analytic_record, grid_record, measured_record

from kaoprof.comparing.cases import LARGEST_SIZE
from kaoprof.comparing.run import compare
from kaoprof.dims import DTYPE_BYTES
from kaoprof.errors import RecordError
from kaoprof.records.fields import STATUSES
from kaoprof.records.measured import Conditions, dumps
from kaoprof.records.options import Options
from kaoprof.records.reading import load_records

ROW = measured_record().rows[1]


def loaded(tmp_path, record):
    path = tmp_path / "run.json"
    path.write_text(record if isinstance(record, str) else dumps(record), encoding="utf-8")
    return load_records(path)[-1]


def changed(**fields):
    record = measured_record()
    return replace(record, rows=(record.rows[0], replace(ROW, **fields)))


def told_of_the_system(**changes):
    return replace(ROW.latency, **({"page_faults": (8.0,) * 10, "system_shares": (0.5,) * 10} | changes))


def full_record():
    """With a figure in every field that can hold one."""
    record = changed(
        peak_bytes_reserved=2**22, denormal_fraction=0.049, compile_s=12.0, energy_j=0.5, graph_breaks=2,
        counted=replace(ROW.counted, uncounted={"aten.x": 3}),
        latency=told_of_the_system(launches=(1,) * 10),
    )  # fmt: skip
    moment = Conditions(clock_hz=2e9, temperature_c=45.0, throttled=3, cores_taken=0.25)
    cold = replace(CEILINGS, cold_copies=CEILINGS.copies)
    return replace(
        record,
        environment=replace(record.environment, affinity=(0, 1), machine_cores=8),
        protocol=replace(record.protocol, samples=10, before=moment, after=moment, ceilings=cold),
    )


@pytest.mark.parametrize(
    "record", [full_record(), grid_record(), analytic_record(), profile_record(model("small", 0.01))]
)
def test_what_kaoprof_writes_is_accepted(record, tmp_path):
    assert loaded(tmp_path, record) == record


def test_the_largest_closed_forms_are_accepted(tmp_path):
    most = LARGEST_SIZE
    record = compare(t=most, h=most, c=most, batch=most, heads=most, mode="train", options=Options(analytic=True))
    assert max(row.analytic.map_bytes for row in record.rows) > 2**64
    assert loaded(tmp_path, record) == record


def numbers(node, path=()):
    """Where numbers stand in JSON, as paths of keys."""
    if isinstance(node, dict | list):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            yield from numbers(inner, (*path, key))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield path


def put(node, path, value):
    """The JSON text with another value there."""
    text = json.loads(json.dumps(node))
    inner = text
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return json.dumps(text)


MAY_BE_NEGATIVE = {"temperature_c", "free_bytes"}  # frost; a control group that holds more than it may


def test_no_figure_can_be_negative_or_endless(tmp_path):
    plain = json.loads(dumps(full_record()))
    paths = [path for path in numbers(plain) if path[-1] not in MAY_BE_NEGATIVE]
    assert len(paths) > 100
    for path in paths:
        for value in (-1, -(10**400), 10**400):
            with pytest.raises(RecordError, match=r"run\.json: "):
                loaded(tmp_path, put(plain, path, value))


@pytest.mark.parametrize("name", ["status", "dtype", "mode", "projection", "scale", "cache", "sdpa"])
def test_a_word_that_there_is_not_is_refused_with_those_that_there_are(name, tmp_path):
    text = dumps(full_record())
    there = json.loads(text)["rows"][1] | json.loads(text)["rows"][1]["case"] | json.loads(text)["protocol"]
    with pytest.raises(RecordError, match=rf"{there[name]}.* - at `\$\..*\.{name}`$"):
        loaded(tmp_path, text.replace(f'"{name}": "{there[name]}"', f'"{name}": "zzz"'))


def test_all_words_are_accepted(tmp_path):
    for status in STATUSES:
        assert loaded(tmp_path, changed(status=status)).rows[1].status == status
    for dtype in DTYPE_BYTES:
        assert loaded(tmp_path, changed(case=replace(ROW.case, dtype=dtype))).dtypes == {"fp32", dtype}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"case": replace(ROW.case, spatial=(0, 5))}, "Expected `int` >= 1 - at `$.rows[1].case.spatial[0]`"),
        ({"case": replace(ROW.case, spatial=())}, "Expected `array` of length >= 1 - at `$.rows[1].case.spatial`"),
        ({"case": replace(ROW.case, spatial=(2,) * 4)}, "of length <= 3 - at `$.rows[1].case.spatial`"),
        ({"case": replace(ROW.case, b=0)}, "Expected `int` >= 1 - at `$.rows[1].case.b`"),
        ({"latency": replace(ROW.latency, samples_s=(), rounds=())}, "row 2: 0 samples of 0 rounds"),
        ({"latency": replace(ROW.latency, rounds=(1,))}, "row 2: 10 samples of 1 rounds"),
        ({"latency": replace(ROW.latency, samples_s=(float("nan"),) * 10)}, "at `$.rows[1].latency.samples_s[0]`"),
        ({"latency": replace(ROW.latency, samples_s=(0.0,) * 10)}, "Expected `float` >= 1e-12 - at"),
        ({"latency": replace(ROW.latency, samples_s=(1e-320,) * 10)}, "Expected `float` >= 1e-12 - at"),
        ({"latency": replace(ROW.latency, samples_s=(1e308,) * 10)}, "Expected `float` <= 1000000000.0 - at"),
        ({"latency": replace(ROW.latency, rounds=(1,) * 10)}, "two samples of one round"),
        ({"latency": replace(ROW.latency, calls=0)}, "Expected `int` >= 1 - at `$.rows[1].latency.calls`"),
        ({"latency": replace(ROW.latency, launches=(1, 2))}, "10 samples of 2 launches"),
        ({"latency": replace(ROW.latency, page_faults=(1.0, 2.0))}, "10 samples of 2 page faults"),
        ({"latency": told_of_the_system(page_faults=(1e13,) * 10)}, "at `$.rows[1].latency.page_faults[0]`"),
        ({"latency": told_of_the_system(page_faults=())}, "page faults without the system's shares"),
        ({"latency": told_of_the_system(system_shares=())}, "page faults without the system's shares"),
        ({"latency": replace(ROW.latency, system_shares=(0.5,))}, "10 samples of 1 system shares"),
        ({"latency": told_of_the_system(system_shares=(1.5,) * 10)}, "at `$.rows[1].latency.system_shares[0]`"),
        ({"analytic": replace(ROW.analytic, macs=-1)}, "Expected `int` >= 0 - at `$.rows[1].analytic.macs`"),
        ({"analytic": replace(ROW.analytic, flops_all=10**81)}, "row 2: flops_all is too large to be"),
        ({"counted": replace(ROW.counted, macs=10**81)}, "row 2: macs is too large to be"),
        ({"counted": replace(ROW.counted, peak_bytes_predicted=0)}, "at `$.rows[1].counted.peak_bytes_predicted`"),
        ({"energy_j": 1e308}, "at `$.rows[1].energy_j`"),
        ({"compile_s": 1e308}, "at `$.rows[1].compile_s`"),
        ({"denormal_fraction": 1.5}, "at `$.rows[1].denormal_fraction`"),
    ],
)
def test_what_cannot_be_is_refused_with_its_field(fields, message, tmp_path):
    with pytest.raises(RecordError, match=r"run\.json: ") as caught:
        loaded(tmp_path, changed(**fields))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"spent_s": 1e308}, "at `$.protocol.spent_s`"),
        ({"throughput_flops": 1e-320}, "at `$.protocol.throughput_flops`"),
        ({"ceilings": replace(CEILINGS, launch_s=0.0)}, "at `$.protocol.ceilings.launch_s`"),
        ({"ceilings": replace(CEILINGS, copies=CEILINGS.copies[::-1])}, "ceilings that no device has"),
        ({"ceilings": replace(CEILINGS, copies=())}, "ceilings that no device has"),
        ({"ceilings": replace(CEILINGS, created="\x1b[2J")}, "ceilings that no device has"),
    ],
)
def test_a_protocol_that_cannot_be_is_refused(fields, message, tmp_path):
    record = measured_record()
    with pytest.raises(RecordError, match=r"run\.json: ") as caught:
        loaded(tmp_path, replace(record, protocol=replace(record.protocol, **fields)))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depth": 1001}, "Expected `int` <= 1000"),
        ({"macs_counted": 10**81}, "small: stem: macs_counted is too large to be"),
    ],
)
def test_a_layer_that_cannot_be_is_refused(fields, message, tmp_path):
    record = profile_record(model("small", 0.01))
    first, second, *others = record.models[0].layers
    layers = (first, replace(second, **fields), *others)
    with pytest.raises(RecordError, match=message):
        loaded(tmp_path, replace(record, models=(replace(record.models[0], layers=layers),)))
