"""Works on a sweep's cells on the nodes of a Ray cluster: the driver's side, which hands out, waits and tries again.

Ray places processes, tells of their death and carries what they answer. Which cells go where is decided here: those of
one comparison stay on one node, since a ratio across machines is none. The journal stays with the sweep.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from kaoprof.errors import MeasurementError, UsageError
from kaoprof.measuring.run import ProgressCallback
from kaoprof.records.journal import AnyRow
from kaoprof.records.sweep import CellKey, ModelPlan, Plan
from kaoprof.records.swept_models import ModelRow, whole_of
from kaoprof.sweeping import ray_cluster
from kaoprof.sweeping.cells import Cell, ModelCell
from kaoprof.sweeping.executor import Done, Event, Executor, Opened
from kaoprof.sweeping.ray_cluster import Node
from kaoprof.sweeping.ray_station import Refused, Station, versions_here
from kaoprof.sweeping.workplace import failed_model
from kaoprof.units import counted

CHUNK = 250  # closed forms that travel together: some milliseconds of work against one of travelling
LOOK_S = 2.0  # how often nodes that came or went are looked for
STRIKES = 2  # a cell that ended so many workers becomes an error
STARTS = 3  # that may fail on a node, one after the other, before it is left out
KILLED = f"ended the process that worked on it {STRIKES} times"

Batch = list[Cell]  # what is handed out at once
Group = deque[Batch]  # what stays on one node


def on_ray(on: str, warn: Callable[[str], None]) -> Callable[[Plan, ProgressCallback, Callable[[], float]], Executor]:
    """Who makes the executor of a sweep on that cluster: `ray`, `ray://host:port` or `host:port`.

    Args:
        on: the cluster.
        warn: told, in a sentence, of nodes that are left out.

    Raises:
        UsageError: that is no address, or Ray is not installed.
    """
    ray_cluster.check_address(on)
    return lambda plan, _notify, clock: OnRay(plan=plan, on=on, warn=warn, clock=clock)


@dataclass(kw_only=True, eq=False)
class Held:
    """The driver's end of a station.

    Args:
        node: where it is pinned.
        actor: Ray's handle.
        opened: what it said of its device, once it is ready.
        batch: what it works on.
        group: what must follow it there.
        suspects: what its predecessor worked on when it died: to blame, if the node still lives.
    """

    node: Node
    actor: Any
    opened: Opened | None = None
    batch: Batch = field(default_factory=list)
    group: Group = field(default_factory=deque)
    suspects: Batch = field(default_factory=list)


@dataclass(kw_only=True)
class OnRay:
    """An executor, see there. A sweep's end, by whatever, ends all its actors, and these their measuring processes.

    Args:
        plan: what is swept.
        on: the cluster.
        warn: told of nodes that are left out.
        clock: for when to look for nodes.
        station: what runs on the nodes.
    """

    plan: Plan
    on: str
    warn: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    station: type = Station
    asked: dict[Any, Held] = field(default_factory=dict)  # by the reference of the answer that is waited for
    idle: list[Held] = field(default_factory=list)
    waiting: deque[Group] = field(default_factory=deque)
    strikes: Counter[CellKey] = field(default_factory=Counter)
    failed_starts: Counter[str] = field(default_factory=Counter)  # by node
    known: set[str] = field(default_factory=set)
    looked: float = float("-inf")
    reasons: list[str] = field(default_factory=list)

    @property
    def at_once(self) -> int:
        """How many stations are ready."""
        return max(1, sum(held.opened is not None for held in self._stations()))

    @property
    def where(self) -> str:
        """How many nodes there are, and how many cells are being worked on."""
        stations = self._stations()
        running = sum(len(held.batch) for held in stations)
        return f"{counted(len({held.node.id for held in stations}), 'node')}, {running} running"

    def _stations(self) -> list[Held]:
        return [*self.asked.values(), *self.idle]

    def check(self) -> None:
        """Refuses a cluster without Ray, and a GPU by its number: Ray gives them away.

        Raises:
            UsageError: it is one of these.
        """
        ray_cluster.check_address(self.on)
        if ":" in self.plan.options.device:
            raise UsageError(
                f"Ray chooses the GPU of each cell, not {self.plan.options.device}", where="device",
                hint="--device cuda takes every GPU of the cluster",
            )  # fmt: skip

    def run(self, cells: Sequence[Cell]) -> Generator[Event, None, None]:
        """As they are finished, on whatever node.

        Raises:
            MeasurementError: the cluster cannot be reached, or has no node that could go on.
        """
        import ray

        self.check()
        self.waiting.extend(groups_of(cells, self.plan))
        with ray_cluster.connected(self.on, self.plan):
            self.plan = ray_cluster.resolved(self.plan, ray_cluster.nodes())
            try:
                yield from self._work()
            finally:
                for held in self._stations():
                    ray.kill(held.actor)

    def _work(self) -> Generator[Event, None, None]:
        """Hands out, waits, hands out again."""
        import ray

        while True:
            self._look_for_nodes()
            self._hand_out()
            if not self.waiting and not any(held.batch or held.suspects for held in self.asked.values()):
                return
            if not self.asked:
                why = f": {self.reasons[-1]}" if self.reasons else ", or none that Ray gives away"
                raise MeasurementError(f"no node can work on the cells{why}", where=self.on)
            ready, _ = ray.wait(list(self.asked), timeout=LOOK_S)
            for reference in ready:
                yield from self._heard(reference, self.asked.pop(reference))

    def _look_for_nodes(self) -> None:
        """Starts stations on nodes that are new, also while it runs."""
        if self.clock() - self.looked < LOOK_S:
            return
        self.looked = self.clock()
        for node in ray_cluster.nodes():
            if node.id in self.known:
                continue
            self.known.add(node.id)
            for _ in range(ray_cluster.share_of(node, self.plan).stations):
                self._open(node)

    def _open(self, node: Node, **before: Any) -> None:
        """Starts a station; `before` is what another one there has left."""
        actor = ray_cluster.start(node, ray_cluster.share_of(node, self.plan), self.plan, self.station)
        self.asked[actor.open.remote(versions_here())] = Held(node=node, actor=actor, **before)

    def _hand_out(self) -> None:
        """Gives every station that is free its next batch: of its own group, or else of one that waits."""
        free, self.idle = self.idle, []
        for held in free:
            if not held.group and self.waiting:
                held.group = self.waiting.popleft()
            if held.group:
                held.batch = held.group.popleft()
                self.asked[held.actor.finish.remote(held.batch)] = held
            else:
                self.idle.append(held)

    def _heard(self, reference: Any, held: Held) -> Generator[Event, None, None]:
        """What became of a request."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            answer = ray.get(reference)
        except RayTaskError as error:
            if held.opened is not None:
                raise  # a fault of kaoprof, which would end a sweep on one machine, too
            self._lost(held, str(error.cause))
        except RayError as error:
            self._lost(held, str(error))
        else:
            if isinstance(answer, Refused):
                self._leave_out(held, answer.reason)
            elif isinstance(answer, Opened):
                yield from self._ready(held, answer)
            else:
                held.batch = []
                self.idle.append(held)
                yield from answer

    def _ready(self, held: Held, opened: Opened) -> Generator[Event, None, None]:
        """A station is open; if it follows one that died, the node was not the reason."""
        self.failed_starts.pop(held.node.id, None)
        held.opened = opened
        suspects, held.suspects = held.suspects, []
        self.strikes.update(cell.key for cell in suspects if self._alone(suspects, cell))
        guilty = [cell for cell in suspects if self.strikes[cell.key] >= STRIKES]
        held.group.extendleft([cell] for cell in reversed(suspects) if cell not in guilty)
        self.idle.append(held)
        yield opened
        for cell in guilty:
            yield Done(key=cell.key, rows=error_rows(cell, opened.device), environment=opened.environment)

    @staticmethod
    def _alone(suspects: Batch, cell: Cell) -> bool:
        """Whether it was this cell: of several each is tried alone before it is blamed."""
        return suspects == [cell]

    def _lost(self, held: Held, reason: str) -> None:
        """A worker is gone, or its whole node: another one is started there, which tells."""
        import ray

        ray.kill(held.actor)
        if held.opened is None:
            self.failed_starts[held.node.id] += 1
        alive = any(node.id == held.node.id for node in ray_cluster.nodes())
        if alive and self.failed_starts[held.node.id] < STARTS:
            self._open(held.node, group=held.group, suspects=[*held.suspects, *held.batch])
        else:
            self._leave_out(held, reason if alive else "is gone")

    def _leave_out(self, held: Held, reason: str) -> None:
        """A node, or one station of it, does nothing more; its cells go elsewhere."""
        import ray

        ray.kill(held.actor)
        held.group.extendleft([cell] for cell in reversed([*held.suspects, *held.batch]))
        if held.group:
            self.waiting.appendleft(held.group)
        reason = f"{held.node.host}: {reason.strip().splitlines()[-1].strip()[:300]}"
        if reason not in self.reasons:
            self.reasons.append(reason)
            self.warn(f"left out: {reason}")


def groups_of(cells: Iterable[Cell], plan: Plan) -> list[Group]:
    """Cells by where they must be together, each group in batches that are handed out at once.

    Cells of one comparison are measured on one node, one at a time; what is only counted may be anywhere, and closed
    forms travel in chunks.
    """
    cells = list(cells)
    if plan.options.analytic:
        return [deque([cells[start : start + CHUNK]]) for start in range(0, len(cells), CHUNK)]
    if isinstance(plan, ModelPlan) and not plan.measured:
        return [deque([[cell]]) for cell in cells]
    groups: dict[tuple[object, ...], Group] = {}
    for cell in cells:
        groups.setdefault(cell.comparison, deque()).append([cell])
    return list(groups.values())


def error_rows(cell: Cell, device: str | None) -> tuple[AnyRow, ...]:
    """The rows of a cell that ends whoever works on it."""
    if isinstance(cell, ModelCell):
        profile = whole_of(failed_model(cell, MeasurementError(KILLED)))
        return (ModelRow(case=replace(cell.case, device=device), profile=profile),)
    return tuple(
        replace(row, case=replace(row.case, device=device), **(
            {"status": "error", "detail": KILLED} if row.status == "ok" else {}))
        for row in cell.blank_rows()
    )  # fmt: skip
