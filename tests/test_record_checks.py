"""What cannot have been measured is refused by row and name; what kaoprof writes never is."""

import pytest
from msgspec.structs import replace
from profile_samples import model
from profile_samples import record as profile_record
from samples import CEILINGS, analytic_record, grid_record, measured_record

from kaoprof.errors import RecordError
from kaoprof.record_checks import check_figures


@pytest.mark.parametrize(
    "record", [grid_record(), measured_record(), analytic_record(), profile_record(model("small", 0.01))]
)
def test_what_kaoprof_writes_is_accepted(record):
    check_figures(record, where="run.json")


def changed(**fields):
    record = measured_record()
    return replace(record, rows=(record.rows[0], replace(record.rows[1], **fields)))


ROW = measured_record().rows[1]


def told_of_the_system(**changes):
    return replace(ROW.latency, **({"page_faults": (8.0,) * 10, "system_shares": (0.5,) * 10} | changes))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"case": replace(ROW.case, spatial=(0, 5))}, "an input of 8 x 8 x 0 x 5"),
        ({"case": replace(ROW.case, spatial=())}, "an input of 8 x 8,"),
        ({"case": replace(ROW.case, b=-1)}, "an input of -1 x 8"),
        ({"latency": replace(ROW.latency, samples_s=(), rounds=())}, "0 samples of 0 rounds"),
        ({"latency": replace(ROW.latency, rounds=(1,))}, "10 samples of 1 rounds"),
        ({"latency": replace(ROW.latency, samples_s=(float("nan"),) * 10)}, "not positive and finite"),
        ({"latency": replace(ROW.latency, samples_s=(-1.0,) * 10)}, "not positive and finite"),
        ({"latency": replace(ROW.latency, samples_s=(1e-320,) * 10)}, "a latency of 9.99989e-321 s to"),
        ({"latency": replace(ROW.latency, samples_s=(1e308,) * 10)}, "s to 1e+308 s cannot be"),
        ({"latency": replace(ROW.latency, rounds=(1,) * 10)}, "two samples of one round"),
        ({"latency": replace(ROW.latency, launches=(1, 2))}, "10 samples of 2 launches"),
        ({"latency": replace(ROW.latency, page_faults=(1.0, 2.0))}, "10 samples of 2 page faults"),
        ({"latency": told_of_the_system(page_faults=(float("inf"),) * 10)}, "page faults that are negative or endless"),
        ({"latency": told_of_the_system(page_faults=(-1.0,) * 10)}, "page faults that are negative or endless"),
        ({"latency": told_of_the_system(page_faults=())}, "page faults without the system's shares"),
        ({"latency": told_of_the_system(system_shares=())}, "page faults without the system's shares"),
        ({"latency": replace(ROW.latency, system_shares=(0.5,))}, "10 samples of 1 system shares"),
        ({"latency": told_of_the_system(system_shares=(1.5,) * 10)}, "a share that is not between 0 and 1"),
        ({"analytic": replace(ROW.analytic, macs=0)}, "macs is too small to be"),
        ({"counted": replace(ROW.counted, peak_bytes_predicted=-4)}, "peak_bytes_predicted is too small to be"),
        ({"peak_bytes_measured": -1}, "peak_bytes_measured is too small to be"),
    ],
)
def test_what_cannot_be_is_refused_with_its_row(fields, message):
    with pytest.raises(RecordError, match=r"run\.json: row 2: ") as caught:
        check_figures(changed(**fields), where="run.json")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"budget_s": -1.0}, "budget_s of -1 cannot be"),
        ({"spent_s": 1e308}, "spent_s of 1e+308 cannot be"),
        ({"ceilings": replace(CEILINGS, launch_s=0.0)}, "ceilings that no device has"),
    ],
)
def test_a_protocol_that_cannot_be_is_refused(fields, message):
    record = measured_record()
    with pytest.raises(RecordError, match=r"^run\.json: ") as caught:
        check_figures(replace(record, protocol=replace(record.protocol, **fields)), where="run.json")
    assert message in str(caught.value)


def test_a_layer_deeper_than_any_model_is_refused():
    record = profile_record(model("small", 0.01))
    first, *others = record.models[0].layers
    deep = replace(record.models[0], layers=(first, replace(others[0], depth=2**63 - 1), *others[1:]))
    with pytest.raises(RecordError, match="inside 9223372036854775807 others"):
        check_figures(replace(record, models=(deep,)), where="run.json")
