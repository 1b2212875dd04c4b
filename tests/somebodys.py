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


class TokenAttention(nn.Module):
    """Attention among tokens `(b, n, c)` in a few lines, as people write it."""

    def __init__(self, dim, heads=2):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        return self.out((((q @ k.mT) / 3).softmax(-1) @ v).transpose(1, 2).reshape(b, n, c))


class WindowedAttention(TokenAttention):
    """The same within windows of a map `(b, c, h, w)` whose sides are multiples of 4."""

    def forward(self, x):
        b, c, h, w = x.shape
        windows = x.view(b, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
        return super().forward(windows).view(b, h // 4, w // 4, 4, 4, c).permute(0, 5, 1, 3, 2, 4).reshape(x.shape)


class ReducedAttention(nn.Module):
    """Fused attention to fewer tokens, whose `forward` is told the sides of the map."""

    def __init__(self, in_channels, ratio=2):
        super().__init__()
        self.reduced, self.ratio = nn.Conv2d(in_channels, in_channels, ratio, ratio), ratio

    def forward(self, x, H, W):  # noqa: N803 - as others call them
        keys = self.reduced(x.mT.unflatten(2, (H, W))).flatten(2).mT
        return nn.functional.scaled_dot_product_attention(x, keys, keys)


class Gate(nn.Module):
    """No contraction at all."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        return x * x.mean((-1, -2), keepdim=True).sigmoid()


class LooksAtValues(nn.Linear):
    """What it does depends on what it is given; the channels come last."""

    def __init__(self, dim):
        super().__init__(dim, dim)

    def forward(self, x):
        return super().forward(x + 1 if x.sum() > 0 else x)


class LateExit(Gate):
    """Takes the process with it, but only where there are data."""

    def forward(self, x):
        if x.device.type == "cpu" and type(x) is torch.Tensor:
            os._exit(3)
        return super().forward(x)


class Masked(nn.Linear):
    """Wants to be told more than anybody knows."""

    def __init__(self, dim, window):
        super().__init__(dim, window)

    def forward(self, x, mask):
        return x + mask
