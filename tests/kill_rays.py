"""Kills driver, worker or node of a sweep through Ray at random moments, and counts: no cell lost, none twice.

`python tests/kill_rays.py 30` kills ten each, tells what was wrong, and exits with 1 if anything was. Cells take 0.2 s
and are measured by nobody: what is tried is who hands out, who dies, and the journal.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil
from kill_sweeps import finished, say
from ray_stations import NAMES, Slow, by_value, cluster, node_args
from sweeps import plan_of

from kaoprof.records.journal_reading import read_journal
from kaoprof.sweeping.on_ray import OnRay
from kaoprof.sweeping.run import Sweep

CELLS = 30
LONGEST_S = 8.0  # until the kill: connecting takes some seconds
LIMIT_S = 180.0
MARK = "KILLED_RAYS"  # a variable in the environment of all processes of this run


def drive(address, journal):
    """The driver that is killed: a sweep on that cluster."""
    by_value()
    plan = plan_of(range(1, CELLS + 1), device="cpu", budget_s=0.2)
    executor = OnRay(plan=plan, on=address, warn=say, station=Slow)
    outcome = Sweep(plan=plan, path=Path(journal), on=lambda *_: executor).run()
    return 0 if outcome.done == CELLS else 1


def workers():
    """The processes of this run that work on cells."""
    for process in psutil.process_iter():
        try:
            if process.name().startswith("ray::Slow") and process.environ().get(MARK) == os.environ[MARK]:
                yield process
        except psutil.Error:
            continue


def kill(whom, driver, nodes):
    """Kills it; whether there was anything to kill."""
    if whom == "driver":
        driver.kill()
    elif whom == "worker":
        alive = list(workers())
        if not alive:
            return False
        random.choice(alive).kill()  # noqa: S311 - any
    else:
        nodes.remove_node(nodes.list_all_nodes()[-1], allow_graceful=False)
        nodes.add_node(**node_args(NAMES[1]))
    return True


def killed_once(journal, whom, nodes):
    """Starts a driver, kills at a random moment, and waits for its end; what was wrong, and whether it was killed."""
    command = [sys.executable, __file__, "drive", nodes.address, str(journal)]
    log = Path(journal).with_suffix(".log")
    with log.open("ab") as output:
        driver = subprocess.Popen(command, stdout=output, stderr=output)
    time.sleep(random.uniform(0, LONGEST_S))  # noqa: S311 - any moment
    killed = driver.poll() is None and kill(whom, driver, nodes)
    try:
        code = driver.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        driver.kill()
        return [f"the driver stood still after the death of a {whom}"], killed
    fine = code == 0 or (whom == "driver" and killed)
    return ([] if fine else [f"the driver ended with {code}: {log.read_text()[-500:]}"]), killed


def main(kills):
    """As many kills, taking turns; a sweep that is whole is begun anew."""
    os.environ[MARK] = str(os.getpid())
    wrong, moments, before, whole = [], Counter(), Counter(), 0
    turns = ["driver", "worker", "node"]
    with tempfile.TemporaryDirectory() as folder, cluster() as nodes:
        journal = Path(folder) / "0.jsonl"
        while sum(moments.values()) < kills:
            whom = turns[sum(moments.values()) % len(turns)]
            faults, killed = killed_once(journal, whom, nodes)
            now = finished(journal) if journal.exists() else Counter()
            faults += [f"lost: {cell}" for cell in before if cell not in now]
            faults += [f"{times} times: {cell}" for cell, times in now.items() if times > 1]
            wrong += faults
            moments.update([whom] if killed else [])
            before = now
            if len(now) == CELLS:
                wrong += [] if len(read_journal(journal).cells) == CELLS else ["a cell is not read"]
                whole, before = whole + 1, Counter()
                journal = Path(folder) / f"{whole}.jsonl"
            say(f"{dict(moments)}: {whole} whole sweeps, {len(now)} cells, {len(wrong)} wrong {faults}")
    say(f"{dict(moments)} killed; {whole} sweeps of {CELLS} cells became whole; wrong: {wrong or 'nothing'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(drive(*sys.argv[2:]) if sys.argv[1] == "drive" else main(int(sys.argv[1])))
