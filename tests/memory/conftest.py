"""Fixtures that several tests of predicted peaks share."""

import pytest
import torch

from kaoprof.bench.meters import CpuMeters
from kaoprof.memory.live_bytes import LiveBytesMode, dry_run
from kaoprof.workload.building import build_inputs, build_module, step_of

SCALAR_BYTES = 64  # a mean divides by a scalar that lives for a moment: a few bytes


@pytest.fixture(params=[1, 4])
def threads(request):
    """So many threads work in torch; a file may ask for other numbers with an indirect parametrisation."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.fixture
def check_peak():
    """Holds a workload's predicted peak against the allocator's events, and returns it.

    It may be too low only where kernels are named that are not modelled on this processor, and never too high.
    """

    def check(workload, *, rel=0.0):
        dry = dry_run(workload, LiveBytesMode, device="cpu", threads=torch.get_num_threads())
        module, inputs = build_module(workload, device="cpu"), build_inputs(workload, device="cpu")
        measured = CpuMeters().peak(step_of(workload, module, inputs))["allocated"]
        allowed = max(SCALAR_BYTES, rel * measured)
        assert dry.peak_bytes <= measured + allowed
        if not dry.unmodelled:
            assert dry.peak_bytes >= measured - allowed
        return dry.peak_bytes

    return check
