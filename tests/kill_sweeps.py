"""Kills a sweep at random moments, parent or child, and counts: no cell lost, none twice, no process left over.

`python tests/kill_sweeps.py 200` tells how many kills there were and what was wrong; it exits with 1 if anything was.
A word behind the number says what is swept: operators (the default), models, or counts of models by several processes.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import msgspec

from kaoprof.records.journal import Finished, FinishedModels
from kaoprof.records.journal_reading import read_journal

CELLS = 24
MODEL = """
schema: 1
name: tiny
input: {channels: 3, size: [8, 8]}
layers:
  - {type: conv, out: 4, kernel: 3}
  - {type: global_avg_pool}
  - {type: linear, out: 2}
"""
SIZES = ",".join(map(str, range(8, 8 + CELLS)))
SHORTLY = ["--samples", "2", "--budget", "0.02s", "--timeout", "20s", "--threads", "1", "--device", "cpu"]
WORDS = {
    "operators": ["--h", f"2:{CELLS + 1}:1", "--c", "4", "--operators", "kao_qkv:matmul"],
    "models": ["tiny.yaml", "--size", SIZES],
    "counts": ["tiny.yaml", "--size", SIZES, "--no-measure"],
}
MARK = "KILLED_SWEEP"  # a variable in the environment of all processes of this run
GONE_LIMIT_S = (
    600.0  # for processes whose parent was killed: they end at once, unless the machine is busy or halts them
)


def processes():
    """The ids of all processes of this run that are alive, by whether they are the measuring side."""
    alive = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            marked = f"{MARK}={os.environ[MARK]}".encode() in (folder / "environ").read_bytes().split(b"\0")
            dead = (folder / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
            arguments = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if marked and not dead:
            alive[int(folder.name)] = b"kaoprof.bench" in arguments
    return alive


def finished(journal):
    """How many times each cell stands in the journal, whole or not."""
    times = Counter()
    for line in journal.read_bytes().split(b"\n")[1:-1]:
        if b'"entry":"cells"' in line:
            kind = FinishedModels if b'"case":{"model"' in line else Finished
            rows = msgspec.json.decode(line, type=kind).rows
            times.update({row.case.cell for row in rows})
    return times


def killed_once(journal, what, whom, longest_s):
    """Starts the sweep, and kills it or its child at a random moment; whether it had ended by itself before."""
    command = [sys.executable, "-m", "kaoprof", "sweep", *WORDS[what], *SHORTLY, "-o", str(journal)]
    quiet = subprocess.DEVNULL
    sweep = subprocess.Popen(command, stdout=quiet, stderr=quiet, cwd=journal.parent)
    try:
        sweep.wait(random.uniform(0, longest_s))  # noqa: S311 - any moment
    except subprocess.TimeoutExpired:
        pass
    else:
        return True
    children = [process for process, measures in processes().items() if measures]
    if whom == "child" and children:
        os.kill(random.choice(children), signal.SIGKILL)  # noqa: S311
        try:
            sweep.wait(random.uniform(0, longest_s))  # noqa: S311
        except subprocess.TimeoutExpired:
            sweep.kill()
    else:
        sweep.kill()
    sweep.wait()
    return False


def wrong_after(journal, before):
    """What must not be: a cell that was there and is not, one that stands twice, a process that is left over."""
    deadline = time.monotonic() + GONE_LIMIT_S
    while (left := processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    wrong = [f"processes left over: {left}"] if left else []
    now = finished(journal) if journal.exists() else Counter()
    wrong += [f"lost: {cell}" for cell in before if cell not in now]
    wrong += [f"{times} times: {cell}" for cell, times in now.items() if times > 1]
    return wrong, now


def say(line):
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(kills, what, longest_s):
    """Sweeps, kills and goes on, until there were so many kills; a sweep that is whole is begun anew."""
    os.environ[MARK] = str(os.getpid())
    wrong, whole, moments, before = [], 0, Counter(), Counter()
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "0.jsonl"
        (Path(folder) / "tiny.yaml").write_text(MODEL)
        while sum(moments.values()) < kills:
            whom = random.choice(["parent", "child"])  # noqa: S311
            ended = killed_once(journal, what, whom, longest_s)
            found, now = wrong_after(journal, before)
            wrong += found
            moments.update([] if ended else [whom])
            before = now
            if len(now) == CELLS:
                wrong += [] if len(read_journal(journal).cells) == CELLS else ["a cell is not read"]
                whole, before = whole + 1, Counter()
                journal = Path(folder) / f"{whole}.jsonl"
            done = sum(moments.values())
            say(f"{done} kills, {whole} whole sweeps, {len(now)} cells, {len(wrong)} wrong {found}")
    say(f"{dict(moments)} killed; {whole} sweeps of {CELLS} cells became whole; wrong: {wrong or 'nothing'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else "operators"
    sys.exit(main(int(sys.argv[1]), chosen, float(sys.argv[3]) if len(sys.argv) > 3 else 12.0))
