"""Profiling somebody's module leaves their class, their instances and all of torch as they were, also if it fails."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import torch
from torch import nn

from kaoprof.findings.models import profile_warnings
from kaoprof.networks import code_workload
from kaoprof.profiling.run import ModelOptions, profile
from kaoprof.profiling.taking import take_census
from kaoprof.records.options import Options
from kaoprof.records.profile import ProfileRecord
from kaoprof.specs import parse_spec

pytestmark = pytest.mark.usefixtures("quick_measuring")
BUILT = []  # every module that a factory here has made
PLACES = (torch, torch.Tensor, torch.autograd, torch.jit, torch.nn, torch.nn.functional, torch.nn.init, nn.Module,
          nn.Conv2d, nn.Linear, nn.BatchNorm2d)  # fmt: skip
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Sound(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU())
        BUILT.append(self)

    def forward(self, x):
        return self.body(x)


class Failing(Sound):
    def forward(self, x):
        super().forward(x)
        raise RuntimeError("the reason\nand a long story")


class Untraceable(Sound):
    def forward(self, x):
        if torch.jit.is_tracing():
            raise RuntimeError("not for tracers")
        return super().forward(x)


class Frozen(Sound):
    def forward(self, x):
        return super().forward(x).detach()


def document(name, kind):
    spec = {"schema": 1, "name": name, "module": f"{__name__}:{kind.__name__}", "inputs": [{"shape": [2, 3, 8, 8]}]}
    return parse_spec(json.dumps(spec), file=f"{name}.yaml")


def profiled(*kinds, mode="forward"):
    options = ModelOptions(measured=False, allow_import=True, mode=mode)
    documents = [document(kind.__name__, kind) for kind in kinds]
    return profile(documents, options=Options(device="cpu"), model=options).models


def counted(kind, *, mode):
    """Counts in this process, where the marks that it might leave can be seen; `profile` counts code in another."""
    workload = code_workload(document(kind.__name__, kind), allow_import=True, mode=mode)
    with suppress(RuntimeError):
        take_census(workload, None, device="cpu", threads=1)


def state_of_torch():
    module = nn.modules.module
    return {
        "global hooks": [len(getattr(module, name)) for name in dir(module) if name.startswith("_global_")
                         and hasattr(getattr(module, name), "__len__")],
        "modes": (torch._C._len_torch_dispatch_stack(), torch._C._len_torch_function_stack()),
        "tracing": torch._C._get_tracing_state(),
        "grad": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "dtype": torch.get_default_dtype(),
        "fast encoders": torch.backends.mha.get_fastpath_enabled(),
        "threads": torch.get_num_threads(),
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["forward", "train"])
@pytest.mark.parametrize("kind", [Sound, Failing, Untraceable])
def test_nothing_is_left_patched(kind, mode):
    BUILT.clear()
    counted(Sound, mode="forward")  # what torch imports on first use is no patch
    patched = [(place, dict(vars(place))) for place in (*PLACES, Sound, kind)]
    state = state_of_torch()
    counted(kind, mode=mode)
    for place, before in patched:
        changed = [name for name, value in before.items() if vars(place).get(name) is not value]
        assert changed == [], place
    assert state_of_torch() == state
    assert BUILT
    for built in BUILT:
        for part in built.modules():
            assert "forward" not in vars(part)
            assert [len(getattr(part, name)) for name in HOOKS] == [0] * len(HOOKS), "a hook is left"


@pytest.mark.parametrize("mode", ["forward", "train"])
def test_a_module_that_fails_is_a_row_with_one_line_and_the_others_go_on(mode):
    failed, sound = profiled(Failing, Sound, mode=mode)
    assert failed.status == "error"
    assert failed.detail == "cannot be counted: RuntimeError: the reason"
    assert failed.total.macs_counted is None
    forward = 6 * 6 * 5 * 3 * 9  # 3 x 3 kernels over 3 channels leave 6 x 6 outputs of 5
    assert (sound.status, sound.total.macs_counted) == (
        "ok",
        forward * (2 if mode == "train" else 1),
    )  # a model's own input needs no gradient


def test_where_fvcores_tracer_gives_up_the_rest_is_known():
    (model,) = profiled(Untraceable)
    assert (model.status, model.total.macs_counted) == ("ok", 6 * 6 * 5 * 3 * 9)
    assert model.total.macs_fvcore is None


def test_the_same_profile_comes_out_twice():
    assert profiled(Sound) == profiled(Sound)
    assert profiled(Sound, mode="train") == profiled(Sound, mode="train")


def test_training_what_no_parameter_reaches_is_refused():
    from kaoprof.errors import UsageError

    with pytest.raises(UsageError, match="nothing to train"):
        profiled(Frozen, mode="train")


class Threaded(Sound):
    def forward(self, x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(super().forward, x).result()


def test_what_cannot_be_counted_is_measured_all_the_same():
    (counted_only,) = profiled(Threaded)
    assert counted_only.status == "error"
    assert "Conv2d, ReLU, Sequential is called in another thread" in counted_only.detail
    options = Options(device="cpu", samples=1, budget_s=0.1)
    model = ModelOptions(allow_import=True)
    (measured,) = profile([document("threaded", Threaded)], options=options, model=model).models
    assert (measured.status, measured.detail) == ("ok", counted_only.detail)
    assert measured.latency is not None
    assert measured.total.macs_counted is None


class Decides(Sound):
    def forward(self, x):
        return super().forward(x) if x.sum() > -1e9 else x


def test_what_values_decided_is_said():
    (model,) = profiled(Decides)
    assert (model.status, model.recorded, model.value_reads) == ("ok", "real", 1)
    assert model.total.macs_counted == 6 * 6 * 5 * 3 * 9
    record = ProfileRecord(version="0", created="now", mode="forward", dtype="fp32", device="cpu", models=(model,))
    assert any("values of its input decided" in warning for warning in profile_warnings(record))


def test_a_prediction_that_fails_leaves_the_counts(monkeypatch):
    def broken(*_, **__):
        raise ArithmeticError("no model")

    monkeypatch.setattr("kaoprof.tape.prediction.predict_peak", broken)
    workload = code_workload(document("sound", Sound), allow_import=True)
    census = take_census(workload, None, device="cpu", threads=1, inside="module")
    assert census.unpredicted == "ArithmeticError: no model"
    assert census.layers[0].macs == 2 * 6 * 6 * 5 * 3 * 9
    assert census.layers[0].peak_bytes is None
