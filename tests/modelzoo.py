"""A package that lists models by name, as timm and torchvision do; its trained weights would be downloaded."""

import socket

from torch import nn


class Tiny(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
        self.head = nn.Linear(4, classes)
        self.pretrained_cfg = {"input_size": (3, 6, 10)}

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)))


class Words(nn.Module):
    """Called by keyword, with a mask."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(100, 8)
        self.head = nn.Linear(8, 5)

    def forward(self, ids, *, mask, scale=1.0):
        return self.head(self.embedding(ids)) * mask.unsqueeze(-1) * scale


class Pair(nn.Module):
    """Takes a mapping that holds a list."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(7, 5)

    def forward(self, batch, double=False):
        first, second = batch["pair"]
        return self.linear(first) + second * (2 if double else 1)


class Configured(nn.Module):
    def __init__(self, settings):
        super().__init__()
        self.linear = nn.Linear(settings["width"], 5, bias=settings.get("bias", True))

    def forward(self, x):
        return self.linear(x)


net = Tiny(5)


def halved():
    return Tiny(5).half()


def list_models():
    return ["tiny_net", "tiny_net_large", "downloads"]


def create_model(name, pretrained=True, **kwargs):
    if pretrained or name == "downloads":
        socket.create_connection(("example.org", 443))
    return Tiny(**{"classes": 9} | kwargs)
