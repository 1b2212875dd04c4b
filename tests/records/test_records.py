import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from samples import CALL_S, analytic_record, measured_record

from kaoprof.records.compare import Case, Record, Row
from kaoprof.records.measured import Latency, dumps
from kaoprof.records.reading import load_records


@pytest.mark.parametrize("record", [measured_record(), analytic_record()], ids=["measured", "analytic"])
def test_a_record_survives_json(record):
    assert msgspec.json.decode(dumps(record), type=Record) == record


@given(
    spatial=st.lists(st.integers(1, 2**24), min_size=1, max_size=3).map(tuple),
    samples=st.lists(st.floats(min_value=1e-9, max_value=1e9), min_size=1, max_size=5),
    detail=st.text(),
)
def test_any_row_survives_json(spatial, samples, detail):
    row = Row(
        case=Case(operator="nonlocal", implementation="sdpa", b=1, c=2, spatial=spatial),
        detail=detail,
        latency=Latency(rounds=tuple(range(len(samples))), samples_s=tuple(samples), calls=3),
    )
    record = Record(version="1", created="now", baseline="nonlocal", rows=(row,))
    assert msgspec.json.decode(dumps(record), type=Record) == record


def test_unknown_is_null_and_never_zero():
    rows = json.loads(dumps(analytic_record()))["rows"]
    assert rows[0]["peak_bytes_measured"] is None
    assert rows[0]["latency"] is None


def test_a_file_is_read_back(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(dumps(measured_record()))
    assert load_records(path)[-1] == measured_record()


def test_rows_of_one_cell_share_everything_but_the_operator():
    record = measured_record()
    other = replace(record.rows[0], case=replace(record.rows[0].case, c=16))
    cells = replace(record, rows=(*record.rows, other)).cells()
    assert [len(rows) for rows in cells.values()] == [4, 1]


def test_a_record_from_before_a_field_was_added_is_still_read():
    record = load_records(Path(__file__).parents[1] / "golden" / "record-of-old.json")[-1]
    assert record.rows[3].latency.samples_s[0] == CALL_S["kao_qkv:matmul"]
    assert (record.rows[3].traffic, record.rows[3].backend, record.rows[3].energy_j) == (None, None, None)
    assert (record.protocol.ceilings, record.protocol.cache, record.environment.affinity) == (None, None, None)


def test_how_a_row_was_run_is_told_by_its_implementation():
    compiled = Case(operator="nonlocal", implementation="sdpa+compile", b=1, c=2, spatial=(3, 5))
    assert (compiled.variant, compiled.options.implementation) == ("compile", "sdpa")
    assert replace(compiled, implementation="sdpa").variant == "eager"
