"""Works on a sweep's cells on the nodes of a Ray cluster: the driver's side, which hands out, waits and tries again.

Ray places processes, tells of their death and carries what they answer. Which cells go where is decided here: those of
one comparison stay on one node, since a ratio across machines is none; where nodes are compared, each does all. The
journal stays with the sweep.
"""

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from kaoprof.errors import MeasurementError, UsageError
from kaoprof.measuring.run import ProgressCallback
from kaoprof.records.sweep import CellKey, Plan
from kaoprof.sweeping import ray_cluster
from kaoprof.sweeping.batches import Batch, Group, groups_of
from kaoprof.sweeping.cells import Cell
from kaoprof.sweeping.executor import Done, Event, Executor, Opened
from kaoprof.sweeping.ray_cluster import Node
from kaoprof.sweeping.ray_station import Refused, Station, versions_here
from kaoprof.sweeping.workplace import error_rows
from kaoprof.units import counted

LOOK_S = 2.0  # how often nodes that came or went are looked for
STRIKES = 2  # a cell that ended so many workers becomes an error
STARTS = 3  # that may fail on a node, one after the other, before it is left out
KILLED = f"ended the process that worked on it {STRIKES} times"

ANYWHERE = ""  # instead of a node


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
    cells: Sequence[Cell] = ()
    waiting: dict[str, deque[Group]] = field(default_factory=lambda: defaultdict(deque))  # by node where these compare
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
        self.cells = cells
        if not self.plan.spread:
            self.waiting[ANYWHERE].extend(groups_of(cells, self.plan))
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
            if (
                self.waiting
                and not any(self.waiting.values())
                and not any(held.batch or held.suspects for held in self.asked.values())
            ):
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
            stations = ray_cluster.share_of(node, self.plan).stations
            for _ in range(stations):
                self._open(node)
            if stations and self.plan.spread and node.name not in self.waiting:
                own = [replace(cell, node=node.name) for cell in self.cells if node.name not in cell.done_on]
                self.waiting[node.name].extend(groups_of(own, self.plan))

    def _open(self, node: Node, **before: Any) -> None:
        """Starts a station; `before` is what another one there has left."""
        actor = ray_cluster.start(node, ray_cluster.share_of(node, self.plan), self.plan, self.station)
        self.asked[actor.open.remote(versions_here())] = Held(node=node, actor=actor, **before)

    def _hand_out(self) -> None:
        """Gives every station that is free its next batch: of its own group, or else of one that waits."""
        free, self.idle = self.idle, []
        for held in free:
            waiting = self._waiting_for(held)
            if not held.group and waiting:
                held.group = waiting.popleft()
            if held.group:
                held.batch = held.group.popleft()
                self.asked[held.actor.finish.remote(held.batch)] = held
            else:
                self.idle.append(held)

    def _waiting_for(self, held: Held) -> deque[Group]:
        """What may go to it."""
        return self.waiting[held.node.name if self.plan.spread else ANYWHERE]

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
                if held.opened is None:  # it would be compared with the others, and cannot
                    self.waiting.pop(held.node.name, None)
            elif isinstance(answer, Opened):
                yield from self._ready(held, answer)
            else:
                held.batch = []
                self.idle.append(held)
                self._hand_out()  # before anybody writes down what is finished
                yield from answer

    def _ready(self, held: Held, opened: Opened) -> Generator[Event, None, None]:
        """A station is open; if it follows one that died, the node was not the reason."""
        self.failed_starts.pop(held.node.id, None)
        held.opened = opened = self._placed(opened, held.node)
        suspects, held.suspects = held.suspects, []
        self.strikes.update(cell.key for cell in suspects if self._alone(suspects, cell))
        guilty = [cell for cell in suspects if self.strikes[cell.key] >= STRIKES]
        held.group.extendleft([cell] for cell in reversed(suspects) if cell not in guilty)
        self.idle.append(held)
        yield opened
        for cell in guilty:
            yield Done(key=cell.key, rows=error_rows(cell, opened.device, KILLED), environment=opened.environment)

    def _placed(self, opened: Opened, node: Node) -> Opened:
        """With the node's name where nodes are compared."""
        if opened.environment is None or not self.plan.spread:
            return opened
        return replace(opened, environment=replace(opened.environment, node=node.name))

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
            self._waiting_for(held).appendleft(held.group)
        reason = f"{held.node.name}: {reason.strip().splitlines()[-1].strip()[:300]}"
        if reason not in self.reasons:
            self.reasons.append(reason)
            self.warn(f"left out: {reason}")
