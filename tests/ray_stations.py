"""A cluster of two nodes on this machine, and stations that answer at once, refuse, die, or take their time."""

import os
import signal
import socket
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from msgspec.structs import replace
from samples import CEILINGS
from sweeps import ENVIRONMENT, PROTOCOL, cell_at

from kaoprof.dims import DTYPE_BYTES
from kaoprof.sweeping.executor import Done, Opened
from kaoprof.sweeping.ray_station import Refused, Station

STORE_BYTES = 80 * 2**20
NAMES = ("left", "right")
SOON = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000}  # it is noticed that a node is dead
SLOWER = 1.5  # the second node than the first


@contextmanager
def cluster(names=NAMES):
    """Nodes with a core each; `client` is where the first one speaks to clients."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    port = free_port()
    nodes = Cluster(
        initialize_head=True, head_node_args=node_args(names[0], ray_client_server_port=port, _system_config=SOON)
    )
    nodes.client = f"ray://127.0.0.1:{port}"
    try:
        for name in names[1:]:
            nodes.add_node(**node_args(name))
        yield nodes
    finally:
        nodes.shutdown()


def node_args(name, **more):
    return {"num_cpus": 1, "object_store_memory": STORE_BYTES, "node_name": name, **more}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Quick(Station):
    """The station itself, to which the ceilings are known."""

    def open(self, wanted):
        from kaoprof.measuring.ceiling_store import CeilingStore

        known = replace(CEILINGS, cold_copies=CEILINGS.copies, products=dict.fromkeys(DTYPE_BYTES, 200e9))
        CeilingStore.known = lambda *_: known
        return super().open(wanted)


class Prompt:
    """A station that measures by the laws of `sweeps`, at once."""

    def __init__(self, plan):
        self.plan = plan

    def open(self, _wanted):
        return Opened(device="cpu", environment=ENVIRONMENT)

    def finish(self, cells):
        return [self.done(cell) for cell in cells]

    def done(self, cell):
        (height, _), c = cell.cases[0].spatial, cell.cases[0].c
        environment = replace(ENVIRONMENT, node=cell.node or None)
        return Done(key=cell.key, rows=cell_at(height, c), spent_s=0.0, environment=environment, protocol=PROTOCOL)


class Other(Prompt):
    """Has another kaoprof."""

    def open(self, wanted):
        return Refused(reason=f"has kaoprof 0.0.1 and torch {wanted.torch}, the driver {wanted}")


class Uneven(Prompt):
    """One node is slower than the other."""

    def done(self, cell):
        done = super().done(cell)
        slower = SLOWER if cell.node == NAMES[1] else 1.0
        return replace(done, rows=tuple(slowed(row, slower) for row in done.rows))


def slowed(row, factor):
    samples = tuple(factor * seconds for seconds in row.latency.samples_s)
    return replace(row, latency=replace(row.latency, samples_s=samples))


class Mortal(Prompt):
    """Dies of the height 3 always, and of the height 5 once: the plan's name is a folder where it leaves a sign."""

    def done(self, cell):
        height = cell.cases[0].spatial[0]
        sign = Path(self.plan.name, "died")
        if height == 3 or (height == 5 and not sign.exists()):
            sign.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().done(cell)


class Slow(Prompt):
    """Takes 10 ms for a cell, or as many as its plan's budget says."""

    def done(self, cell):
        time.sleep(self.plan.options.budget_s)
        return super().done(cell)


def by_value():
    """Nodes cannot import the tests: their stations travel as code."""
    import samples
    import sweeps
    from ray import cloudpickle

    for module in (sys.modules[__name__], sweeps, samples):
        cloudpickle.register_pickle_by_value(module)
