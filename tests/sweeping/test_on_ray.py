"""What of a sweep through Ray needs no Ray: which cells go together, what a station owns, and what is refused."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from sweeps import ENVIRONMENT, plan_of, swept_record

from kaoprof.cli.app import run
from kaoprof.cli.commands.sweep_run import shown_report
from kaoprof.errors import MeasurementError, UsageError
from kaoprof.sweeping import ray_station
from kaoprof.sweeping.batches import CHUNK, groups_of
from kaoprof.sweeping.cells import ModelCell, OperatorCell
from kaoprof.sweeping.executor import Opened
from kaoprof.sweeping.model_plan import model_plan
from kaoprof.sweeping.on_ray import KILLED, on_ray
from kaoprof.sweeping.ray_cluster import Node, Share, check_address, connected, python_files, resolved, share_of
from kaoprof.sweeping.workplace import error_rows

TWO_GPUS = Node(id="1", name="gpus", cpus=16, gpus=2)
NO_GPU = Node(id="2", name="cores", cpus=4, gpus=0)


def operator_cells(plan):
    return [OperatorCell(cases=cases) for cases in plan.cells()]


def no_warning(text):
    raise AssertionError(text)


def test_models_on_one_input_stay_together_unless_they_are_only_counted():
    planned = model_plan(["kanet-qkv", "mobilenetv2"], size="32,64")
    cells = [ModelCell(case=case, document=planned.documents[case.model]) for case in planned.plan.corners()]
    groups = groups_of(cells, planned.plan)
    assert [[(cell.case.model, cell.case.size) for (cell,) in group] for group in groups] == [
        [("kanet-qkv", (32,)), ("mobilenetv2", (32,))], [("kanet-qkv", (64,)), ("mobilenetv2", (64,))],
    ]  # fmt: skip
    assert [len(group) for group in groups_of(cells, replace(planned.plan, measured=False))] == [1] * 4


def test_closed_forms_travel_in_chunks():
    plan = plan_of(range(1, CHUNK + 3), analytic=True)
    assert [[len(batch) for batch in group] for group in groups_of(operator_cells(plan), plan)] == [[CHUNK], [2]]


def test_who_measures_owns_its_device():
    assert share_of(TWO_GPUS, plan_of(device="cuda")) == Share(cpus=1, gpus=1, stations=2)
    assert share_of(TWO_GPUS, plan_of(device="cpu")) == Share(cpus=16, gpus=0, stations=1)
    assert share_of(NO_GPU, plan_of(device="cuda")).stations == 0
    assert share_of(NO_GPU, plan_of(analytic=True)) == Share(cpus=1, gpus=0, stations=4)
    assert resolved(plan_of(), [NO_GPU, TWO_GPUS]).options.device == "cuda"
    assert resolved(plan_of(), [NO_GPU]).options.device == "cpu"


def test_other_versions_are_refused(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(sys, "path", list(sys.path))
    wanted = replace(ray_station.versions_here(), torch="2.99.0")
    answer = ray_station.Station(plan_of(device="cpu")).open(wanted)
    assert "torch 2.99.0" in answer.reason
    assert "\n" not in answer.reason


def test_all_gpus_of_a_node_are_one_environment():
    environments = [replace(ENVIRONMENT, settings=(f"CUDA_VISIBLE_DEVICES={gpu}", "A=1")) for gpu in (0, 1)]
    first, other = (ray_station.on_any_gpu(Opened(environment=environment)) for environment in environments)
    assert first == other
    assert first.environment.settings == ("A=1",)


def test_a_cell_that_ends_its_workers_is_an_error_of_that_device():
    (cell, *_) = operator_cells(plan_of())
    rows = error_rows(cell, "cpu", KILLED)
    assert {(row.status, row.detail, row.case.device) for row in rows} == {("error", KILLED, "cpu")}
    planned = model_plan(["kanet-qkv"])
    (case,) = planned.plan.corners()
    (row,) = error_rows(ModelCell(case=case, document=planned.documents["kanet-qkv"]), "cpu", KILLED)
    assert (row.status, row.case.device) == ("error", "cpu")


@pytest.mark.parametrize("address", ["", "rays", "http://host:1", "host", "host:port"])
def test_no_address(address):
    with pytest.raises(UsageError, match="is no cluster"):
        check_address(address)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'kaoprof\[ray\]'"):
        on_ray("ray", no_warning)


def test_a_cluster_that_is_not_there_is_told_in_one_line(monkeypatch):
    def init(**_):
        raise ConnectionError("Initialization failure from server:\nTraceback\n  lines\nno such cluster")

    closed = []
    ray = SimpleNamespace(is_initialized=lambda: False, init=init, shutdown=lambda: closed.append(True))
    monkeypatch.setitem(sys.modules, "ray", ray)
    with pytest.raises(MeasurementError) as caught, connected("ray://a:1", plan_of()):
        raise AssertionError
    message = "ray://a:1: the cluster cannot be reached: Initialization failure from server: no such cluster"
    assert str(caught.value) == f"{message} (is it running?)"
    assert closed


def test_several_devices_need_it(capsys):
    assert run(["sweep", "--h", "3", "--device", "cuda:0,cuda:1"]) == 2
    assert "--on ray" in capsys.readouterr().err


def test_python_files_travel_and_nothing_else(tmp_path):
    mine = ["net.py", "parts/head.py"]
    for name in (*mine, "data.bin", ".git/hook.py", "venv/lib/theirs.py", "parts/__pycache__/old.py", "parts/notes.md"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "round").symlink_to(tmp_path)
    assert sorted(python_files(tmp_path)) == [tmp_path / Path(name) for name in mine]


@pytest.mark.parametrize(("words", "hint"), [((), "--on ray"), (("--on", "ray", "--analytic"), "leave out --analytic")])
def test_a_spread_needs_nodes_that_could_differ(words, hint, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run(["sweep", "--h", "3", "--spread", *words]) == 2
    assert hint in capsys.readouterr().err


def test_rows_of_every_kind_of_node_are_shown():
    records = [replace(swept_record(), environment=replace(ENVIRONMENT, device_name=name)) for name in ("A", "B")]
    shown = shown_report(records, Path("run.jsonl"), on_cluster=True)
    assert [run.name for run in shown.runs] == ["#1 A", "#2 B"]
    assert shown_report(records, Path("run.jsonl"), on_cluster=False).runs[0].record is records[1]
