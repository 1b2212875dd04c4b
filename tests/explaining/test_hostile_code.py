"""Somebody's code is explained where it can do no harm: each way to misbehave is one line, and nothing is left over."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from kaoprof.cli.app import run

HOSTILE = """
import ctypes, os, signal, sys, time
import torch
from torch import nn


class Hostile(nn.Module):
    def __init__(self):
        super().__init__()
        self.inside = nn.Linear(8, 8)

    def forward(self, x):
        return self.inside(x)


class Exits(Hostile):
    def __init__(self):
        os._exit(7)


class Crashes(Hostile):
    def forward(self, x):
        ctypes.string_at(0)


class Floods(Hostile):
    def forward(self, x):
        os.write(1, b"x" * 2**26)
        return self.inside(x)


class Shouts(Hostile):
    def forward(self, x):
        raise ValueError("x" * 10_000_000)


class Forks(Hostile):
    def forward(self, x):
        if os.fork() == 0:
            time.sleep(0.1)
        return self.inside(x)


class KillsItsParent(Hostile):
    def forward(self, x):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)


class WarnsItsParent(Hostile):
    def forward(self, x):
        os.kill(os.getppid(), signal.SIGTERM)
        return self.inside(x)


class Answers(Hostile):
    def forward(self, x):
        for descriptor in range(3, 20):
            try:
                os.write(descriptor, b'{"number":2,"answer":{"type":"Cleared"}}\\n')
            except OSError:
                pass
        return self.inside(x)


class Changes(Hostile):
    def __init__(self):
        super().__init__()
        torch.matmul = torch.randn = None
        torch.set_default_dtype(torch.float64)
        os.environ["HOSTILE"] = "1"
        os.chdir("/")
        sys.setrecursionlimit(333)


class HalfNamed(Hostile):
    def __init__(self):
        super().__init__()
        self.add_module("\\ud800", nn.Linear(8, 8))

    def forward(self, x):
        return getattr(self, "\\ud800")(self.inside(x))
"""


@pytest.fixture
def explained(tmp_path, monkeypatch, capsys):
    """Explains a class of the hostile module: the exit code, and what was said."""
    (tmp_path / "hostile_code.py").write_text(HOSTILE)
    monkeypatch.chdir(tmp_path)

    def explain(name):
        code = run(["explain", f"hostile_code:{name}", "--allow-import", "--input", "b,8", "--at", "b=3"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return explain


ENDS = {
    "Exits": "the measuring process ended with code 7",
    "Crashes": "the measuring process was killed by SIGSEGV",
    "Shouts": "does not run: xxx",
    "KillsItsParent": "the measuring process was killed by SIGKILL",
    "Answers": "code that it ran writes into its pipe",
}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name == "KillsItsParent" else pytest.mark.slow)
                                  for name in ENDS])  # fmt: skip
def test_what_ends_its_process_is_one_line(explained, name):
    code, out, err = explained(name)
    assert (code, out) == (1, "")
    assert ENDS[name] in err
    assert err.count("\n") == 1
    assert len(err) < 2000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Floods", "Forks", "WarnsItsParent", "Changes", "HalfNamed"])
def test_what_misbehaves_otherwise_is_explained(explained, name):
    before = sys.getrecursionlimit(), Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGTERM)
    code, out, err = explained(name)
    assert code == 0, err
    assert re.search(r"MACs per sample +(64|128) ", out)
    assert (sys.getrecursionlimit(), Path.cwd(), dict(os.environ), signal.getsignal(signal.SIGTERM)) == before
    assert "hostile_code" not in sys.modules
