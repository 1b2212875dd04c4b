"""Whoever works on the cells may answer in any order, twice, or from several machines: the journal holds each once."""

import pytest
from msgspec.structs import replace
from sweeps import ENVIRONMENT, PROTOCOL, cell_at, plan_of

from kaoprof.errors import RecordError, UsageError
from kaoprof.records.journal_reading import read_journal
from kaoprof.sweeping.executor import Done, Opened
from kaoprof.sweeping.plan import on_every_node
from kaoprof.sweeping.run import Sweep

NODES = {name: replace(ENVIRONMENT, device_name=name) for name in ("one", "two")}


class Scripted:
    """Answers (height, node) in the order of a script, whatever it is given; remembers what that was."""

    at_once = 2
    where = "2 nodes, 2 running"

    def __init__(self, script):
        self.script, self.given, self.closed = script, [], False

    def check(self):
        pass

    def run(self, cells):
        self.given = [cell.key for cell in cells]
        try:
            yield Opened(device="cpu", environment=NODES["one"])
            for height, node in self.script:
                if height is None:
                    raise KeyboardInterrupt
                rows = cell_at(height)
                yield Done(key=rows[0].case.cell, rows=rows, spent_s=2.0, environment=NODES[node], protocol=PROTOCOL)
        finally:
            self.closed = True


@pytest.fixture
def sweep(tmp_path):
    def run(script, plan=None, **given):
        executor = Scripted(script)
        told = []
        outcome = Sweep(
            plan=plan or plan_of(), path=tmp_path / "run.jsonl", on=lambda *_: executor, watch=told.append, **given
        ).run()
        assert executor.closed
        return outcome, executor, told, read_journal(tmp_path / "run.jsonl")

    return run


def heights(record):
    return [row.case.spatial[0] for row in record.rows[::3]]


def test_cells_in_any_order_stand_in_grid_order_each_under_its_machine(sweep):
    outcome, _, told, contents = sweep([(7, "two"), (3, "one"), (5, "two")])
    assert [(record.environment.device_name, heights(record)) for record in outcome.records] == [
        ("two", [5, 7]), ("one", [3]),
    ]  # fmt: skip
    assert len(contents.launches) == 2  # one of each machine, though they took turns
    assert contents.spent_s == (4.0, 2.0)
    assert [progress.done for progress in told if progress.finished] == [1, 2, 3]


def test_a_cell_that_was_run_twice_is_kept_once(sweep, tmp_path):
    outcome, *_ = sweep([(3, "one"), (3, "two"), (5, "one"), (5, "one"), (7, "two")])
    assert (outcome.done, outcome.total) == (3, 3)
    assert (tmp_path / "run.jsonl").read_bytes().count(b'"entry":"cells"') == 3


def test_what_never_came_is_asked_for_again(sweep):
    outcome, *_ = sweep([(5, "one"), (None, "")])
    assert (outcome.done, outcome.interrupted) == (1, True)
    _, executor, *_ = sweep([(3, "one"), (7, "one")])
    assert [key[2] for key in executor.given] == [(3, 3), (7, 7)]


def test_time_left_is_shared_by_those_who_work(sweep):
    _, _, told, _ = sweep([(3, "one"), (5, "one"), (7, "two")])
    first = next(progress for progress in told if progress.finished)
    assert first.left_s == pytest.approx(2 * 2.0 / Scripted.at_once)


def test_a_machine_that_is_refused_measures_nothing(sweep):
    sweep([(3, "one")], plan_of((3,)))
    newer = replace(ENVIRONMENT, torch="2.99.0")
    NODES["one"], before = newer, NODES["one"]
    try:
        with pytest.raises(RecordError, match="the environment has changed"):
            sweep([(5, "one")], plan_of((3, 5)), strict=True)
    finally:
        NODES["one"] = before


class EveryNode(Scripted):
    """Does every cell on each of its nodes, a node after the other; the script says when it is stopped."""

    def __init__(self, nodes, cells):
        super().__init__(())
        self.nodes, self.left = nodes, cells

    def run(self, cells):
        try:
            for name in self.nodes:
                environment = replace(ENVIRONMENT, node=name)
                yield Opened(device="cpu", environment=environment)
                for cell in (replace(cell, node=name) for cell in cells if name not in cell.done_on):
                    if not self.left:
                        raise KeyboardInterrupt
                    self.left -= 1
                    self.given.append((name, cell.cases[0].spatial[0]))
                    yield Done(key=cell.key, rows=cell_at(cell.cases[0].spatial[0]), spent_s=2.0,
                               environment=environment, protocol=PROTOCOL)  # fmt: skip
        finally:
            self.closed = True


def test_nodes_that_are_compared_do_every_cell_once_each(tmp_path):
    def run(nodes, cells):
        executor, told = EveryNode(nodes, cells), []
        plan = on_every_node(plan_of(), "ray")
        outcome = Sweep(plan=plan, path=tmp_path / "run.jsonl", on=lambda *_: executor, watch=told.append).run()
        return executor.given, outcome, told

    given, outcome, told = run("ab", 4)
    assert given == [("a", 3), ("a", 5), ("a", 7), ("b", 3)]
    assert (outcome.done, outcome.total, outcome.interrupted) == (4, 6, True)
    assert told[0].total == 3  # before a second node was known
    assert told[-1].left_s == pytest.approx(2 * 2.0 / EveryNode.at_once)
    given, outcome, told = run("ba", 9)
    assert given == [("b", 5), ("b", 7)]
    assert (outcome.done, outcome.total, outcome.interrupted) == (6, 6, False)
    assert [(progress.done, progress.total) for progress in told if progress.finished] == [(5, 6), (6, 6)]
    assert [(record.environment.node, heights(record)) for record in outcome.records] == [
        ("a", [3, 5, 7]), ("b", [3, 5, 7]),
    ]  # fmt: skip
    given, outcome, _ = run("c", 9)
    assert (len(given), outcome.done, outcome.total) == (3, 9, 9)
    with pytest.raises(UsageError, match="holds a sweep with other options: here spread False, there True"):
        Sweep(plan=plan_of(), path=tmp_path / "run.jsonl", on=lambda *_: EveryNode("a", 9)).run()
