"""Processor time that others took: worked out by hand, and against processes that really work."""

import subprocess
import sys

import psutil
import pytest

from kaoprof.measuring import other_load as neighbours
from kaoprof.measuring.other_load import Neighbours, Reading, read
from kaoprof.records.measured import Conditions

SPIN = "import time\nwhile time.process_time() < 0.6: pass"
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of children that have ended")


@pytest.mark.parametrize(
    ("end", "busy"),
    [
        (Reading(clock=14.0, worked=107.0, ours=25.0), 0.5),  # 7 s worked in 4, of which 5 were ours
        (Reading(clock=14.0, worked=105.0, ours=25.1), 0.0),  # the counters are coarse
        (Reading(clock=10.5, worked=101.0, ours=20.0), None),  # too early to tell
        (None, None),
    ],
)
def test_others_have_what_the_cores_worked_less_what_we_did(monkeypatch, end, busy):
    readings = iter([Reading(clock=10.0, worked=100.0, ours=20.0), end])
    monkeypatch.setattr(neighbours, "read", lambda _: next(readings))
    assert Neighbours().beside(Conditions()).cores_taken == busy


def test_where_the_system_does_not_tell_nothing_is_said(monkeypatch):
    def refuse(**_):
        raise PermissionError

    monkeypatch.setattr(psutil, "cpu_times", refuse)
    assert read(()) is None
    assert Neighbours().beside(Conditions()) == Conditions()


@linux
def test_what_our_children_work_is_ours_while_they_run_and_afterwards():
    before = read(())
    child = subprocess.Popen(
        [sys.executable, "-c", SPIN + "\nprint('spun', flush=True)\ninput()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout.readline() == b"spun\n"
    running = read(())
    child.communicate(b"\n")
    ended = read(())
    assert running.ours - before.ours >= 0.4
    assert ended.ours - before.ours >= 0.5
    assert ended.worked - before.worked >= 0.4


@linux
def test_only_the_cores_that_are_named_are_watched():
    every, first = read(()), read((psutil.Process().cpu_affinity()[0],))
    assert 0 < first.worked <= every.worked
    assert read((10_000,)).worked >= every.worked  # a core that is not listed: all are taken
