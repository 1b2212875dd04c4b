"""Modules that convert themselves while they are built are the same without data as with it."""

import pytest
import torch
from torch import nn

from kaoprof.counting.dispatcher import count_on_meta
from kaoprof.memory.dry_module import build_dry_module, dry_tensors
from kaoprof.memory.live_bytes import predict_peak_bytes
from kaoprof.workload.building import build_module
from kaoprof.workload.workload import TensorSpec, Workload


class Converted(nn.Module):
    """Two linear layers that share a weight, a convolution, a batch norm and an LSTM, all converted."""

    def __init__(self, way):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.conv, self.norm, self.lstm = nn.Conv2d(2, 3, 1), nn.BatchNorm1d(4), nn.LSTM(4, 4)
        self.norm.weight.requires_grad_(False)
        {
            "double": lambda: self.double().float().double(),
            "channels last": lambda: self.to(memory_format=torch.channels_last),
            "device": lambda: self.to("cpu", torch.float64),
            "moved": self.cpu,
            "like": lambda: self.to(torch.ones(1, dtype=torch.float64, device="cpu")),
        }[way]()

    def forward(self, x):
        return self.lstm(self.second(self.norm(self.first(x))))[0]


def state(module):
    tensors = {**dict(module.named_parameters(remove_duplicate=False)), **dict(module.named_buffers())}
    return {
        name: (tensor.shape, tensor.stride(), tensor.dtype, tensor.requires_grad, isinstance(tensor, nn.Parameter))
        for name, tensor in tensors.items()
    }


@pytest.mark.parametrize("way", ["double", "channels last", "device", "moved", "like"])
def test_a_converted_module_is_the_same_without_data(way):
    work = Workload(factory=f"{__name__}:Converted", args=(way,), inputs=(TensorSpec(shape=(5, 4), dtype="fp32"),))
    real = build_module(work, device="cpu")
    built = [build_module(work, device="meta")]
    with dry_tensors(allow_real=False):
        built.append(build_dry_module(work, device="cpu"))
        assert [state(one) for one in built] == [state(real)] * 2
    assert all(one.first.weight is one.second.weight for one in built)
    assert all(dict(one.lstm.named_parameters())["weight_ih_l0"] is one.lstm._flat_weights[0] for one in built)


def test_what_converts_itself_is_counted_and_torch_is_left_as_it_was():
    before = nn.Module._apply, nn.Module.to
    inputs = (TensorSpec(shape=(5, 4), dtype="fp32"),)
    work = Workload(factory=f"{__name__}:Converted", args=("moved",), inputs=inputs)
    assert count_on_meta(work).macs == 5 * (2 * 16 + 2 * 4 * 16)
    assert predict_peak_bytes(work, device="cpu", threads=1) > 0
    assert (nn.Module._apply, nn.Module.to) == before
