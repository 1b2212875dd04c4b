"""Somebody's modules beside the operators: counted, predicted and measured in the same rounds, whatever they do."""

import pytest
import somebodys
import torch
from msgspec.structs import replace

from kaoprof.comparing.run import compare
from kaoprof.findings.growth import growths
from kaoprof.records.measured import dumps
from kaoprof.records.options import Options
from kaoprof.records.reading import load_runs
from kaoprof.reporting.columns.compare import COLUMNS, views
from kaoprof.reporting.repeat import compare_commands
from kaoprof.reporting.tables.grid import NamedRun, narrowed

QUICK = Options(samples=6, budget_s=0.2, device="cpu", threads=1, baseline="TokenAttention")


@pytest.mark.slow
@pytest.mark.usefixtures("quick_measuring")
def test_modules_stand_in_the_same_rounds(tmp_path):
    with_ = [somebodys.TokenAttention, somebodys.Gate(4)]
    record = compare(h=5, c=4, operators=["kao_qkv:matmul"], with_=with_, options=QUICK)
    by_name = {row.case.name: row for row in record.rows}
    own = by_name["TokenAttention:own"]
    assert own.analytic.macs == own.counted.macs == own.counted.macs_fvcore == 4 * 25 * 16 + 2 * 25**2 * 4
    assert own.counted.peak_bytes_predicted == pytest.approx(own.peak_bytes_measured, rel=0.01)
    assert own.latency.rounds == by_name["kao_qkv:matmul"].latency.rounds
    gate = by_name["Gate:own"]
    assert (gate.analytic.macs, gate.counted.macs, gate.status) == (0, 0, "ok")
    assert gate.case.own.saved == "handed over"
    values = {view.row.case.name: COLUMNS["closed_form"](view) for view in views(record)}
    assert values == {"kao_qkv:matmul": "formula", "TokenAttention:own": "derivation", "Gate:own": "derivation"}
    (tmp_path / "run.json").write_text(dumps(record))
    again = load_runs(tmp_path / "run.json")[0].record
    assert again == record
    assert "--with TokenAttention=somebodys:TokenAttention" in compare_commands(again)[0]


@pytest.mark.usefixtures("quick_measuring")
def test_growth_of_a_module_is_held_against_its_derived_form_without_importing_it():
    with_ = [somebodys.TokenAttention, "other=somebodys:TokenAttention(6)"]
    record = compare(h=(3, 4, 6), c=4, operators=[], with_=with_, allow_import=True,
                     options=replace(QUICK, analytic=True))  # fmt: skip
    others = [row for row in record.rows if row.case.operator == "other"]
    assert {(row.status, row.analytic) for row in others} == {("unsupported", None)}
    assert "it runs neither as (b, c, h, w)" in others[0].detail
    growth = next(growth for growth in growths(record.rows) if growth.line.tied)
    assert {name: law.theory for name, law in growth.laws.items()} == {"products": 4, "macs": 4, "map": 4}
    chosen = narrowed(NamedRun(name="run", record=record), {"operator": frozenset({"TokenAttention"})})
    assert len(chosen.record.rows) == 3


@pytest.mark.usefixtures("quick_measuring")
def test_what_was_random_before_stays():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    compare(h=3, c=4, operators=[], with_=somebodys.Gate, options=replace(QUICK, baseline="Gate", analytic=True))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.slow
@pytest.mark.usefixtures("quick_measuring")
def test_a_module_that_takes_its_process_with_it_is_a_row_and_its_neighbours_are_measured():
    record = compare(h=3, c=4, operators=["kao_qkv:matmul"], with_="late=somebodys:LateExit", allow_import=True,
                     options=replace(QUICK, baseline="kao_qkv"))  # fmt: skip
    neighbour, late = record.rows
    assert (neighbour.status, late.status) == ("ok", "error")
    assert late.analytic.macs == 0
    assert "ended with code 3" in late.detail
