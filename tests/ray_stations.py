"""A cluster of two nodes on this machine, and stations that answer at once, die, or take their time."""

import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from sweeps import ENVIRONMENT, PROTOCOL, cell_at

from kaoprof.sweeping.executor import Done, Opened

STORE_BYTES = 80 * 2**20


@contextmanager
def cluster(cpus=(1, 1)):
    """Nodes with so many cores each."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    first, *others = cpus
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": first, "object_store_memory": STORE_BYTES})
    try:
        for more in others:
            nodes.add_node(num_cpus=more, object_store_memory=STORE_BYTES)
        yield nodes
    finally:
        nodes.shutdown()


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
        return Done(key=cell.key, rows=cell_at(height, c), spent_s=0.0, environment=ENVIRONMENT, protocol=PROTOCOL)


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
