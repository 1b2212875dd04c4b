"""An exception is blamed on whoever raised it: the module that is looked at, or kaoprof itself."""

import pytest
import torch
from torch import nn

from kaoprof.counting import dispatcher
from kaoprof.explaining import derivation, peak_formula
from kaoprof.explaining.analysis import NotAnalysableError, analyse
from kaoprof.explaining.target import Target
from kaoprof.explaining.verification import Device
from kaoprof.workload.foreign import is_own_fault

CPU = Device(name="cpu", threads=2)


class Faulty(nn.Module):
    """Raises the error that is asked for, of its own or of what it calls."""

    def __init__(self, fault):
        super().__init__()
        self.fault = fault

    def forward(self, x):
        if self.fault == "its own":
            raise KeyError("mine")
        if self.fault == "torch's":
            return x @ x.new_ones(x.shape[-1] + 1, 3)
        if self.fault == "a wrong call":
            return nn.Linear(x)
        if self.fault == "of symbols" and isinstance(x.shape[0], torch.SymInt):
            raise TypeError("no symbols please")
        return x.relu()


def target(fault="none"):
    return Target(factory=f"{__name__}:Faulty", args=(fault,), inputs=(("n", "c"),), sizes={"n": 5, "c": 8})


@pytest.mark.parametrize("fault", ["its own", "torch's", "a wrong call"])
def test_what_a_module_raises_is_its_own_fault(fault):
    with pytest.raises(NotAnalysableError, match="does not run"):
        analyse(target(fault), device=CPU)


def test_a_module_that_refuses_symbols_is_interpolated():
    analysis = analyse(target("of symbols"), device=CPU)
    assert analysis.method == "interpolation"
    assert "no symbols please" in analysis.notes[0]


@pytest.mark.parametrize(("room", "name"), [
    (dispatcher, "counts_of"), (derivation, "greatest"), (peak_formula, "scratch_bytes"),
])  # fmt: skip
def test_a_fault_of_kaoprof_surfaces_as_what_it_is(monkeypatch, room, name):
    monkeypatch.setattr(room, name, None)  # calling that is a TypeError, raised where it is called
    with pytest.raises(TypeError, match="'NoneType' object is not callable") as raised:
        analyse(target(), device=CPU)
    assert is_own_fault(raised.value)
