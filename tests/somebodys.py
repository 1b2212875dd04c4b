"""Modules of somebody's own, as a user would bring them."""

import os
import sys
import threading
import time
from contextlib import suppress

import torch
from torch import nn


class Block(nn.Module):
    """A module of somebody's own: arithmetic between its parts, a part that is never called, batch norm."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x))) @ x[:, :1].mT


class Reader(nn.LSTM):
    """An LSTM that answers its states only."""

    def __init__(self):
        super().__init__(32, 64)

    def forward(self, x):
        return super().forward(x)[0]


class Broken(nn.Module):
    def forward(self, _x):
        raise ValueError("this part is broken\nin two lines")


class Exits(nn.Module):
    def forward(self, _x):
        os._exit(3)


class ExitsPolitely(nn.Module):
    def forward(self, _x):
        sys.exit("enough")


class Hangs(nn.Module):
    def forward(self, _x):
        time.sleep(1000)


class Prints(nn.Module):
    def forward(self, x):
        print("a module that talks")  # noqa: T201 - as users do
        os.write(1, b"a module that writes\n")
        return x * 2


class Elsewhere(nn.Module):
    """Computes in a thread of its own."""

    def __init__(self):
        super().__init__()
        self.inside = nn.Linear(3, 3)

    def forward(self, x):
        found = []
        thread = threading.Thread(target=lambda: found.append(self.inside(x)))
        thread.start()
        thread.join()
        return found[0]


class Changes(nn.Module):
    """Changes what it is given."""

    def forward(self, x):
        return x.mul_(1.001) * 2


class Nothing(nn.Module):
    """Finds nothing, as a detector may."""

    def forward(self, x):
        return x[:0] * 2


class Unspeakable(nn.Module):
    def forward(self, _x):
        class SilentError(Exception):
            def __str__(self):
                raise RuntimeError("not even this")

        raise SilentError


class Forks(nn.Module):
    """Leaves a copy of its process behind, which goes on as if it were the process itself."""

    def forward(self, x):
        os.fork()
        return x + 1


class Answers(nn.Module):
    """Writes into every pipe that it finds, as if it were the measuring process."""

    def forward(self, x):
        for descriptor in range(3, 20):
            with suppress(OSError):
                os.write(descriptor, b'{"number":99,"answer":{"type":"Took","seconds":1e-9}}\n')
        return x + 1
