"""A cluster of Ray as a sweep sees it: connecting, which nodes it has, and a station on one of them.

Ray is imported inside functions only: it is an extra, `pip install 'kaoprof[ray]'`.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from kaoprof.errors import MeasurementError, UsageError
from kaoprof.records.sweep import ModelPlan, Plan
from kaoprof.sweeping.local import MOST_COUNTING
from kaoprof.sweeping.ray_station import Station

LOCAL = "ray"  # the cluster of this machine, which is started if there is none
ADDRESS = re.compile(r"(ray://)?[\w.-]+:\d{1,5}|(ray://)?\[[\da-fA-F:]+\]:\d{1,5}", re.ASCII)
NOT_OURS = {"venv", "site-packages", "node_modules", "__pycache__"}  # folders of others' code, and hidden ones
ID = 6  # signs of a node's number, where its name does not tell it from others
INSTALL = "pip install 'kaoprof[ray]'"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A machine of the cluster, with what Ray may give away there. No two that are alive share a `name`."""

    id: str
    name: str
    cpus: int
    gpus: int


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What a station takes of its node, and how many stations it has room for."""

    cpus: int
    gpus: int
    stations: int


def check_address(on: str) -> None:
    """Refuses what is no address of a cluster, and a sweep through Ray without Ray.

    Raises:
        UsageError: it is.
    """
    if on != LOCAL and not ADDRESS.fullmatch(on):
        hint = "ray, ray://host:10001 or host:6379"
        raise UsageError(f"{on[:100]!r} is no cluster", where="on", hint=hint)
    try:
        import ray  # noqa: F401
    except ImportError:
        raise UsageError("Ray is not installed", where="on", hint=INSTALL) from None


@contextmanager
def connected(on: str, plan: Plan) -> Iterator[None]:
    """A connection to the cluster, as long as the block lasts; one that the program itself has made is used and stays.

    Raises:
        MeasurementError: it cannot be reached.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # of a cluster that is started here: it tells nobody
    where: dict[str, Any] = {} if on == LOCAL else {"address": on}
    try:
        with _travelling(plan) as code:
            ray.init(**where, log_to_driver=False, logging_level="ERROR", runtime_env=code)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        ray.shutdown()  # a client that came to nothing would be in the way of the next one
        first, *others = str(error).strip().splitlines() or [type(error).__name__]
        reason = f"{first} {others[-1]}"[:300] if first.endswith(":") and others else first[:300]
        raise MeasurementError(f"the cluster cannot be reached: {reason}", where=on, hint="is it running?") from None
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _travelling(plan: Plan) -> Iterator[dict[str, Any]]:
    """Code of one's own travels with the sweep, where it may be imported: Python files of the current folder.

    They are put together in a folder: what Ray is told to exclude it walks through all the same, and files that were
    not named would travel, too.
    """
    if not (plan.allow_import if isinstance(plan, ModelPlan) else plan.own):
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="kaoprof-") as folder:
        for file in python_files(Path.cwd()):
            target = Path(folder, file.relative_to(Path.cwd()))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        yield {"working_dir": folder}


def python_files(folder: Path) -> Iterator[Path]:
    """Those in the folder and below, without other people's; no link to a folder is followed."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.startswith(".")]
        yield from (Path(place, name) for name in names if name.endswith(".py") and Path(place, name).is_file())


def nodes() -> list[Node]:
    """The nodes that are alive, each by the name that it was started with, or else its host's."""
    import ray

    alive = [node for node in ray.nodes() if node["Alive"]]
    names = [node["NodeManagerHostname" if node["NodeName"] == node["NodeManagerAddress"] else "NodeName"]
             for node in alive]  # fmt: skip
    return [
        Node(id=node["NodeID"], name=name if names.count(name) == 1 else f"{name} {node['NodeID'][:ID]}",
             cpus=int(node["Resources"].get("CPU", 0)), gpus=int(node["Resources"].get("GPU", 0)))
        for node, name in zip(alive, names, strict=True)
    ]  # fmt: skip


def share_of(node: Node, plan: Plan) -> Share:
    """What a station takes of a node.

    Whoever measures on GPUs owns one; on CPUs the whole node, so that nothing else that Ray starts disturbs; several
    stations count, or work on closed forms.
    """
    measured = plan.measured if isinstance(plan, ModelPlan) else not plan.options.analytic
    if plan.options.analytic or not measured:
        return Share(cpus=1, gpus=0, stations=min(node.cpus, MOST_COUNTING))
    if plan.options.device.startswith("cuda"):
        return Share(cpus=1 if node.cpus >= node.gpus else 0, gpus=1, stations=node.gpus)
    return Share(cpus=node.cpus, gpus=0, stations=min(node.cpus, 1))


def resolved(plan: Plan, there: list[Node]) -> Plan:
    """The plan with one device for all nodes: GPUs, where the cluster has any and it is left open."""
    if plan.options.device != "auto":
        return plan
    counted_only = isinstance(plan, ModelPlan) and not plan.measured
    device = "cuda" if any(node.gpus for node in there) and not counted_only else "cpu"
    return replace(plan, options=replace(plan.options, device=device))


def start(node: Node, share: Share, plan: Plan, kind: type = Station) -> Any:
    """The handle of a new actor on that node and no other; it waits until its share is free."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    actor = ray.remote(kind).options(
        num_cpus=share.cpus, num_gpus=share.gpus, max_restarts=0, max_task_retries=0,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
    )  # fmt: skip
    return actor.remote(plan)
