"""Cells on a cluster of Ray: the same counts, whoever dies meanwhile, and each cell once."""

import os
import sys

import pytest
from msgspec.structs import replace
from ray_stations import Mortal, Slow, by_value, cluster
from sweeps import plan_of

from kaoprof.cli.app import run
from kaoprof.errors import MeasurementError, UsageError
from kaoprof.records.journal_reading import read_journal
from kaoprof.records.options import Options
from kaoprof.sweeping import ray_station
from kaoprof.sweeping.cells import ModelCell, OperatorCell
from kaoprof.sweeping.model_plan import model_plan
from kaoprof.sweeping.on_ray import CHUNK, KILLED, OnRay, error_rows, groups_of, on_ray
from kaoprof.sweeping.plan import sweep_plan
from kaoprof.sweeping.ray_cluster import Node, Share, check_address, resolved, share_of
from kaoprof.sweeping.run import Sweep

SHORTLY = {"samples": 2, "budget_s": 0.02, "threads": 1, "device": "cpu"}
TWO_GPUS = Node(id="1", host="gpus", cpus=16, gpus=2)
NO_GPU = Node(id="2", host="cores", cpus=4, gpus=0)


def operator_cells(plan):
    return [OperatorCell(cases=cases) for cases in plan.cells()]


def no_warning(text):
    raise AssertionError(text)


class TestWithoutRay:
    def test_models_on_one_input_stay_together_unless_they_are_only_counted(self):
        planned = model_plan(["kanet-qkv", "mobilenetv2"], size="32,64")
        cells = [ModelCell(case=case, document=planned.documents[case.model]) for case in planned.plan.corners()]
        groups = groups_of(cells, planned.plan)
        assert [[(cell.case.model, cell.case.size) for (cell,) in group] for group in groups] == [
            [("kanet-qkv", (32,)), ("mobilenetv2", (32,))], [("kanet-qkv", (64,)), ("mobilenetv2", (64,))],
        ]  # fmt: skip
        assert [len(group) for group in groups_of(cells, replace(planned.plan, measured=False))] == [1] * 4

    def test_closed_forms_travel_in_chunks(self):
        plan = plan_of(range(1, CHUNK + 3), analytic=True)
        assert [[len(batch) for batch in group] for group in groups_of(operator_cells(plan), plan)] == [[CHUNK], [2]]

    def test_who_measures_owns_its_device(self):
        assert share_of(TWO_GPUS, plan_of(device="cuda")) == Share(cpus=1, gpus=1, stations=2)
        assert share_of(TWO_GPUS, plan_of(device="cpu")) == Share(cpus=16, gpus=0, stations=1)
        assert share_of(NO_GPU, plan_of(device="cuda")).stations == 0
        assert share_of(NO_GPU, plan_of(analytic=True)) == Share(cpus=1, gpus=0, stations=4)
        assert resolved(plan_of(), [NO_GPU, TWO_GPUS]).options.device == "cuda"
        assert resolved(plan_of(), [NO_GPU]).options.device == "cpu"

    def test_other_versions_are_refused(self, monkeypatch):
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        monkeypatch.setattr(sys, "path", list(sys.path))
        wanted = replace(ray_station.versions_here(), torch="2.99.0")
        answer = ray_station.Station(plan_of(device="cpu")).open(wanted)
        assert "torch 2.99.0" in answer.reason
        assert "\n" not in answer.reason

    def test_a_cell_that_ends_its_workers_is_an_error_of_that_device(self):
        (cell, *_) = operator_cells(plan_of())
        rows = error_rows(cell, "cpu")
        assert {(row.status, row.detail, row.case.device) for row in rows} == {("error", KILLED, "cpu")}
        planned = model_plan(["kanet-qkv"])
        (case,) = planned.plan.corners()
        (row,) = error_rows(ModelCell(case=case, document=planned.documents["kanet-qkv"]), "cpu")
        assert (row.status, row.case.device) == ("error", "cpu")

    @pytest.mark.parametrize("address", ["", "rays", "http://host:1", "host", "host:port"])
    def test_no_address(self, address):
        with pytest.raises(UsageError, match="is no cluster"):
            check_address(address)

    def test_without_ray_the_extra_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(UsageError, match=r"pip install 'kaoprof\[ray\]'"):
            on_ray("ray", no_warning)

    def test_several_devices_need_it(self, capsys):
        assert run(["sweep", "--h", "3", "--device", "cuda:0,cuda:1"]) == 2
        assert "--on ray" in capsys.readouterr().err


@pytest.fixture(scope="class")
def address():
    pytest.importorskip("ray", reason="needs Ray: pip install -e '.[ray]'")
    with cluster() as nodes:
        yield nodes.address


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Ray's own
class TestOnTwoNodes:
    def test_the_same_counts_as_here(self, address, tmp_path, request):
        plan = sweep_plan(
            spatial=[(h, h) for h in range(2, 8)], c=4, operators=["kao_qkv:matmul", "nonlocal:matmul"],
            options=Options(**SHORTLY),
        )  # fmt: skip
        told = []
        there = Sweep(plan=plan, path=tmp_path / "there.jsonl", on=on_ray(address, no_warning), watch=told.append).run()
        request.getfixturevalue("quick_measuring")
        here = Sweep(plan=plan, path=tmp_path / "here.jsonl").run()
        assert (there.done, there.total) == (6, 6)
        (far,), (near,) = there.records, here.records
        assert [(row.case, row.counted, row.status) for row in far.rows] == [
            (row.case, row.counted, row.status) for row in near.rows
        ]
        assert all(row.latency is not None for row in far.rows)
        assert far.environment.threads == near.environment.threads == 1
        assert any(progress.where == "2 nodes, 1 running" for progress in told)

    def test_closed_forms_are_the_same(self, address, tmp_path):
        plan = plan_of(range(1, 2 * CHUNK), analytic=True)
        there = Sweep(plan=plan, path=tmp_path / "there.jsonl", on=on_ray(address, no_warning)).run()
        here = Sweep(plan=plan, path=tmp_path / "here.jsonl").run()
        assert there.records[0].rows == here.records[0].rows

    def test_a_worker_dies(self, address, tmp_path):
        by_value()
        plan = replace(plan_of(range(1, 9), device="cpu"), name=str(tmp_path))
        executor = OnRay(plan=plan, on=address, warn=no_warning, station=Mortal)
        outcome = Sweep(plan=plan, path=tmp_path / "run.jsonl", on=lambda *_: executor).run()
        assert outcome.done == 8
        cells = read_journal(tmp_path / "run.jsonl").cells.values()
        failed = {
            cell.rows[0].case.spatial[0]: {row.detail for row in cell.rows if row.status != "ok"} for cell in cells
        }
        assert failed.pop(3) == {KILLED}
        assert failed == {height: set() for height in (1, 2, 4, 5, 6, 7, 8)}
        assert (tmp_path / "run.jsonl").read_bytes().count(b'"entry":"cells"') == 8

    def test_nobody_can_work(self, address, tmp_path):
        plan = plan_of(device="cuda")
        with pytest.raises(MeasurementError, match="no node can work on the cells"):
            Sweep(plan=plan, path=tmp_path / "run.jsonl", on=on_ray(address, no_warning)).run()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_node_dies(tmp_path):
    pytest.importorskip("ray", reason="needs Ray: pip install -e '.[ray]'")
    by_value()
    plan = plan_of(range(1, 13), device="cpu", budget_s=0.5)
    warnings = []
    with cluster() as nodes:
        victim = nodes.list_all_nodes()[-1]

        def kill_node(progress):
            if progress.where == "2 nodes, 1 running" and victim in nodes.list_all_nodes():
                nodes.remove_node(victim, allow_graceful=False)

        executor = OnRay(plan=plan, on=nodes.address, warn=warnings.append, station=Slow)
        outcome = Sweep(plan=plan, path=tmp_path / "run.jsonl", on=lambda *_: executor, watch=kill_node).run()
    assert outcome.done == 12
    assert all(row.status == "ok" for row in outcome.records[0].rows)
    assert (tmp_path / "run.jsonl").read_bytes().count(b'"entry":"cells"') == 12
    assert len(warnings) == 1, os.linesep.join(warnings)
