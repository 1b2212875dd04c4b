"""Cells on a cluster of Ray: the same counts, whoever dies meanwhile, and each cell once. One cluster serves all."""

import pytest
from msgspec.structs import replace
from ray_stations import NAMES, SLOWER, Mortal, Other, Quick, Slow, Uneven, by_value, cluster, node_args
from sweeps import cell_at, plan_of

from kaoprof.cli.local_code import importable
from kaoprof.comparing.own_modules import own_modules
from kaoprof.errors import MeasurementError
from kaoprof.records.journal_reading import read_journal
from kaoprof.records.options import Options
from kaoprof.reporting.reported import report
from kaoprof.sweeping.batches import CHUNK
from kaoprof.sweeping.model_plan import model_plan
from kaoprof.sweeping.on_ray import KILLED, OnRay, on_ray
from kaoprof.sweeping.plan import on_every_node, sweep_plan
from kaoprof.sweeping.run import Sweep
from kaoprof.units import format_ratio

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.filterwarnings("default")]  # Ray's own warnings
SHORTLY = {"samples": 2, "budget_s": 0.02, "threads": 1, "device": "cpu"}
MINE = """
from torch import nn

class Net(nn.Sequential):
    default_cfg = {"input_size": (3, 8, 8)}

    def __init__(self):
        super().__init__(nn.Conv2d(3, 5, 3), nn.AdaptiveAvgPool2d(1))

class Mix(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.mix = nn.Linear(dim, dim)

    def forward(self, x):
        return self.mix(x)
"""


@pytest.fixture(scope="session")
def nodes():
    pytest.importorskip("ray", reason="needs Ray: pip install -e '.[ray]'")
    by_value()
    with cluster() as started:
        yield started


@pytest.fixture
def code_here(tmp_path, monkeypatch):
    """The current folder holds a module that no worker finds in its own."""
    (tmp_path / "mine_alone.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    with importable(allowed=True):
        yield


def no_warning(text):
    raise AssertionError(text)


def swept(plan, path, address, *, station=None, warn=no_warning, **given):
    """A sweep on the cluster, by stations of another kind if that is asked for."""
    executor = OnRay(plan=plan, on=address, warn=warn, **({"station": station} if station else {}))
    return Sweep(plan=plan, path=path, on=lambda *_: executor, **given).run()


def lines(path):
    return path.read_bytes().count(b'"entry":"cells"')


@pytest.mark.usefixtures("code_here")
def test_operators_and_own_modules_have_the_same_counts_as_here(nodes, tmp_path, request):
    own = own_modules(["Mine=mine_alone:Mix"], layout="", allow_import=True)
    plan = sweep_plan(
        spatial=[(h, h) for h in range(2, 8)], c=4, operators=["kao_qkv:matmul", "nonlocal:matmul"], own=own,
        options=Options(**SHORTLY),
    )  # fmt: skip
    told = []
    there = swept(plan, tmp_path / "there.jsonl", nodes.address, station=Quick, watch=told.append)
    request.getfixturevalue("quick_measuring")
    here = Sweep(plan=plan, path=tmp_path / "here.jsonl").run()
    assert (there.done, there.total) == (6, 6)
    (far,), (near,) = there.records, here.records
    assert [(row.case, row.counted, row.status) for row in far.rows] == [
        (row.case, row.counted, row.status) for row in near.rows
    ]
    assert len(far.rows) == 18
    assert all(row.latency is not None for row in far.rows)
    assert far.environment.threads == near.environment.threads == 1
    assert far.protocol.setup_s > 0.1  # a process began, and imported torch
    assert far.protocol.setup_s < far.protocol.spent_s
    assert any(progress.where == "2 nodes, 2 running" and progress.left_s is not None for progress in told)


@pytest.mark.usefixtures("code_here")
@pytest.mark.parametrize("measured", [False, True])
def test_models_through_a_client_are_counted_as_by_hand(measured, nodes, tmp_path):
    """A convolution of 3 x 3 from 3 to 5 channels, without padding: 135 MACs for each of 6 x 6 or 10 x 10 places."""
    planned = model_plan(
        ["mine_alone:Net"], size="8,12", measured=measured, options=Options(**SHORTLY), allow_import=True
    )
    path = tmp_path / "run.jsonl"
    outcome = swept(planned.plan, path, nodes.client, station=Quick, documents=planned.documents)
    (record,) = outcome.records
    assert [row.profile.detail for row in record.rows] == ["", ""]
    assert [row.profile.total.macs_counted for row in record.rows] == [135 * 6 * 6, 135 * 10 * 10]
    assert [row.profile.latency is not None for row in record.rows] == [measured] * 2


def test_closed_forms_are_the_same(nodes, tmp_path):
    plan = plan_of(range(1, 2 * CHUNK), analytic=True)
    there = Sweep(plan=plan, path=tmp_path / "there.jsonl", on=on_ray(nodes.address, no_warning)).run()
    here = Sweep(plan=plan, path=tmp_path / "here.jsonl").run()
    assert there.records[0].rows == here.records[0].rows


def test_a_cell_that_ends_its_worker_twice_is_an_error(nodes, tmp_path):
    plan = replace(plan_of(range(1, 9), device="cpu"), name=str(tmp_path))
    outcome = swept(plan, tmp_path / "run.jsonl", nodes.address, station=Mortal)
    assert outcome.done == 8
    cells = read_journal(tmp_path / "run.jsonl").cells.values()
    failed = {cell.rows[0].case.spatial[0]: {row.detail for row in cell.rows if row.status != "ok"} for cell in cells}
    assert failed.pop(3) == {KILLED}
    assert failed == {height: set() for height in (1, 2, 4, 5, 6, 7, 8)}
    assert lines(tmp_path / "run.jsonl") == 8


def test_nodes_are_compared(nodes, tmp_path):
    plan = on_every_node(plan_of((32, 64), device="cpu"), "ray")
    outcome = swept(plan, tmp_path / "run.jsonl", nodes.address, station=Uneven)
    assert (outcome.done, outcome.total) == (4, 4)
    assert {record.environment.node for record in outcome.records} == {*NAMES}
    for record in outcome.records:
        assert [row.counted for row in record.rows] == [row.counted for h in (32, 64) for row in cell_at(h)]
    larger = on_every_node(plan_of((32, 64, 96), device="cpu"), "ray")
    told = []
    outcome = swept(larger, tmp_path / "run.jsonl", nodes.address, station=Uneven, watch=told.append)
    assert [(progress.done, progress.total) for progress in told if progress.finished] == [(5, 6), (6, 6)]
    assert lines(tmp_path / "run.jsonl") == 6
    text = str(report(tmp_path / "run.jsonl"))
    first = outcome.records[0].environment.node
    assert "2 nodes: counts are equal" in text
    assert f" {format_ratio(SLOWER if first == NAMES[0] else 1 / SLOWER)} " in text  # either may be the first to end


def test_other_versions_are_refused_with_one_line_each(nodes, tmp_path):
    warnings = []
    with pytest.raises(MeasurementError, match=r"no node can work on the cells: .*: has kaoprof 0\.0\.1"):
        swept(plan_of(device="cpu"), tmp_path / "run.jsonl", nodes.address, station=Other, warn=warnings.append)
    assert sorted(warning.split()[2] for warning in warnings) == [f"{name}:" for name in NAMES]
    assert all("has kaoprof 0.0.1 and torch" in warning and "\n" not in warning for warning in warnings)


def test_nobody_can_work(nodes, tmp_path):
    for plan in (plan_of(device="cuda"), on_every_node(plan_of(device="cuda"), "ray")):
        with pytest.raises(MeasurementError, match="no node can work on the cells"):
            Sweep(plan=plan, path=tmp_path / "run.jsonl", on=on_ray(nodes.address, no_warning)).run()


def test_a_node_dies(nodes, tmp_path):
    """Last: it joins the cluster, and leaves it dead."""
    plan = plan_of(range(1, 13), device="cpu", budget_s=0.5)
    warnings, victim = [], nodes.add_node(**node_args("victim"))

    def kill_node(progress):
        if progress.where.startswith("3 nodes, 3") and victim in nodes.list_all_nodes():
            nodes.remove_node(victim, allow_graceful=False)

    outcome = swept(plan, tmp_path / "run.jsonl", nodes.address, station=Slow, warn=warnings.append, watch=kill_node)
    assert outcome.done == 12
    assert all(row.status == "ok" for row in outcome.records[0].rows)
    assert lines(tmp_path / "run.jsonl") == 12
    assert warnings == ["left out: victim: is gone"]
