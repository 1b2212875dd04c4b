"""Predictions with fused attention forced to one backend: against the allocator, and where the backend is missing."""

import pytest
import torch
from msgspec.structs import replace
from torch.nn.attention import SDPBackend, sdpa_kernel

from kaoprof.bench.meters import CpuMeters
from kaoprof.catalog import group, operator_workload
from kaoprof.comparing.cases import cases_of
from kaoprof.comparing.census import count
from kaoprof.comparing.run import analytic, compare, count_rows
from kaoprof.dims import MODES, AttentionOptions, Dims
from kaoprof.explaining.expressions import value_at
from kaoprof.explaining.peak_formula import derive_peak
from kaoprof.explaining.target import operator_target
from kaoprof.fitting.run import FitRequest, run_fit
from kaoprof.memory.live_bytes import predict_peak_bytes
from kaoprof.networks import network_workload
from kaoprof.profiling.taking import take_census
from kaoprof.records.compare import Record, Row
from kaoprof.records.options import Options
from kaoprof.specs import load_spec
from kaoprof.torch_internals import LINEAR_FIXES_SIZES
from kaoprof.workload.attention_backend import UnservedError, forced_attention
from kaoprof.workload.building import build_inputs, build_module, step_of

FUSED = AttentionOptions(implementation="sdpa")
NOT_SERVED = "the attention backend 'efficient' cannot serve this on cpu: no such kernel here"
MIB = 2**20


def work(name="nonlocal", *, spatial=(20, 14), c=16, dtype="fp32", mode="forward", options=FUSED):
    return operator_workload(name, Dims(b=2, c=c, spatial=spatial), options, dtype=dtype, mode=mode, seed=0)


def measured(workload, backend):
    with forced_attention(backend):
        module, inputs = build_module(workload, device="cpu"), build_inputs(workload, device="cpu")
        return CpuMeters().peak(step_of(workload, module, inputs))["allocated"]


def predicted(workload, backend):
    return predict_peak_bytes(workload, device="cpu", threads=torch.get_num_threads(), sdpa=backend)


@pytest.mark.parametrize("name", ["nonlocal", *(pytest.param(name, marks=pytest.mark.slow) for name in group("paper"))])
@pytest.mark.parametrize("backend", ["auto", "flash", "math"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("heads", "projection", "spatial"), [
    (1, "value", (28, 20)), pytest.param(4, "qkvo", (3, 9, 7), marks=pytest.mark.slow),
])  # fmt: skip
def test_every_operator_is_predicted_with_each_backend(name, backend, mode, heads, projection, spatial):
    options = AttentionOptions(heads=heads, projection=projection, implementation="sdpa")
    workload = work(name, spatial=spatial, mode=mode, options=options)
    assert predicted(workload, backend) == pytest.approx(measured(workload, backend), rel=0.005)


def test_the_plain_form_holds_two_maps_and_a_mask():
    b, n = 2, 20 * 14  # similarities and coefficients in fp32, and a byte for each that may be masked
    assert predicted(work(), "math") > b * n * n * (4 + 4 + 1)
    assert predicted(work(), "flash") < b * n * n * 4  # not even one map


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "mode"), [("flash", "train"), ("math", "forward")])
def test_a_model_with_fused_attention(backend, mode):  # all of them: tests/benchmarks/bench_prediction.py
    document = load_spec("kanet-kv")
    attention = replace(document.spec.attention, implementation="sdpa")
    fused = replace(document, spec=replace(document.spec, attention=attention))
    workload = network_workload(fused, mode=mode)
    assert predicted(workload, backend) == pytest.approx(measured(workload, backend), rel=0.01)


@pytest.mark.parametrize("backend", ["flash", "math"])
def test_the_formula_is_that_of_the_backend(backend):
    target = operator_target("nonlocal", FUSED, mode="train")
    derived = derive_peak(target, device="cpu", threads=2, sdpa=backend)
    assert not derived.specialisations or LINEAR_FIXES_SIZES
    if derived.specialisations:
        pytest.skip("this torch (2.11) fixes sizes in the plain form, so that explain shows no formula of its peak")
    peak = derived.peak_bytes
    for sizes in ({"b": 2, "c": 8, "h": 14, "w": 15}, {"b": 3, "c": 20, "h": 31, "w": 7}):
        assert value_at(peak, sizes) == predict_peak_bytes(target.at(sizes), device="cpu", threads=2, sdpa=backend)


def test_what_the_caller_allows_changes_no_prediction():
    alone = predicted(work(), "auto")
    with sdpa_kernel([SDPBackend.MATH]):
        assert predicted(work(), "auto") == alone
        assert torch.backends.cuda.math_sdp_enabled()
        assert not torch.backends.cuda.flash_sdp_enabled()


@pytest.mark.parametrize("backend", ["efficient", "cudnn"])
def test_a_backend_that_the_cpu_lacks_has_no_prediction(backend):
    message = f"the attention backend '{backend}' cannot serve this on cpu: no such kernel here"
    for predict in (predict_peak_bytes, count):
        with pytest.raises(UnservedError, match=message):
            predict(work(), device="cpu", threads=1, sdpa=backend)
    with pytest.raises(UnservedError, match=message):
        take_census(work(), None, device="cpu", threads=1, sdpa=backend)
    with pytest.raises(UnservedError, match=message):
        derive_peak(operator_target("nonlocal", FUSED), device="cpu", threads=1, sdpa=backend)
    explicit = work(options=AttentionOptions())
    assert predicted(explicit, backend) == predicted(explicit, "auto")
    assert torch.backends.cuda.math_sdp_enabled()


def rows_counted(backend, operators=("nonlocal:matmul", "nonlocal:sdpa")):
    cases = cases_of([(9, 9)], c=8, batch=1, operators=operators, heads=1, projection="value", scale="sqrt",
                     dtype="fp32", mode="forward", device=None)  # fmt: skip
    blank = Record(version="", created="", baseline="nonlocal",
                   rows=tuple(Row(case=case, analytic=analytic(case)) for case in cases))  # fmt: skip
    return count_rows(blank, "cpu", Options(sdpa=backend), lambda _: None).rows


def test_rows_that_no_kernel_serves_say_so_and_have_no_figures_of_another_one():
    matmul, sdpa = rows_counted("efficient")
    assert (matmul.status, matmul.counted.peak_bytes_predicted > 0) == ("ok", True)
    assert (sdpa.status, sdpa.detail, sdpa.counted) == ("unsupported", NOT_SERVED, None)
    assert sdpa.analytic == analytic(sdpa.case)


def test_rows_are_predicted_with_the_backend_that_is_asked_for():
    peaks = {backend: rows_counted(backend)[1].counted.peak_bytes_predicted for backend in ("auto", "flash", "math")}
    assert peaks["auto"] == peaks["flash"] < peaks["math"]


@pytest.mark.slow
def test_what_is_compared_is_measured_as_it_was_predicted():
    record = compare(h=20, c=16, operators=["nonlocal:sdpa", "kao_kv:sdpa"],
                     options=Options(device="cpu", sdpa="math", samples=1, budget_s=0.1))  # fmt: skip
    assert record.protocol.sdpa == "math"
    for row in record.rows:
        assert row.status == "ok"
        assert row.counted.peak_bytes_predicted == pytest.approx(row.peak_bytes_measured, rel=0.02)
    unserved = compare(h=20, c=16, operators=["nonlocal:sdpa"],
                       options=Options(device="cpu", sdpa="efficient", samples=1, budget_s=0.1))  # fmt: skip
    assert [(row.status, row.detail, row.counted) for row in unserved.rows] == [("unsupported", NOT_SERVED, None)]


def fitted(backend, name):
    request = FitRequest(axis="h", sizes={"c": 16}, options=Options(device="cpu", sdpa=backend, threads=1))
    (row,) = run_fit(request, "memory", 4 * MIB, [name], lambda _: None).rows
    return row


@pytest.mark.slow
def test_the_largest_size_is_that_of_the_backend():
    assert fitted("math", "nonlocal:sdpa").largest < fitted("flash", "nonlocal:sdpa").largest
    assert fitted("math", "nonlocal:matmul") == fitted("flash", "nonlocal:matmul")
    row = fitted("efficient", "nonlocal:sdpa")
    assert (row.status, row.detail, row.largest) == ("error", NOT_SERVED, None)
