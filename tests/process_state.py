"""All of a process and of a model that belongs to whoever calls kaoprof: read before a call, compared after it."""

import decimal
import gc
import locale
import logging
import os
import random
import signal
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import torch
import torch._dynamo  # torch patches itself when it is imported
from torch import nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
         "_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_load_state_dict_pre_hooks")  # fmt: skip
OPTIMIZERS = sys.modules["torch.optim.optimizer"]
PATCHED = (nn.Module, torch, torch.Tensor, torch.autograd, nn.functional, nn.init, nn.Linear, nn.Conv2d,
           threading.Thread, torch.optim.Optimizer, torch.backends.mha, warnings)  # fmt: skip


def of_process():
    """Every setting, by name, as values that can be compared."""
    return {
        "torch generator": torch.get_rng_state().numpy().tobytes(),
        "numpy generator": str(np.random.get_state(legacy=False)),  # noqa: NPY002 - it is the global one that matters
        "python generator": random.getstate(),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "dtype and device": (torch.get_default_dtype(), torch.get_default_device()),
        "deterministic": (torch.are_deterministic_algorithms_enabled(),
                          torch.is_deterministic_algorithms_warn_only_enabled()),
        "precision": torch.get_float32_matmul_precision(),
        "cudnn": tuple(getattr(torch.backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")),
        "mkldnn": torch.backends.mkldnn.enabled,
        "attention": (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled(),
                      torch.backends.cuda.math_sdp_enabled(), torch.backends.cuda.cudnn_sdp_enabled(),
                      torch.backends.mha.get_fastpath_enabled()),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled(),
                      torch.is_autocast_enabled("cpu")),
        "modes": (torch._C._len_torch_dispatch_stack(), torch._C._len_torch_function_stack()),
        "denormals flushed": (torch.tensor([1e-310], dtype=torch.float64) / 10).item() == 0,
        "hooks on all modules": {name: len(value) for name, value in vars(nn.modules.module).items()
                                 if name.startswith("_global_") and hasattr(value, "__len__")},
        "hooks on all optimizers": {name: len(value) for name, value in vars(OPTIMIZERS).items()
                                    if name.startswith("_global_optimizer") and hasattr(value, "__len__")},
        "patches": {f"{place.__name__}.{name}": id(value) for place in PATCHED for name, value in vars(place).items()
                    if (callable(value) and not name.startswith("__")) or name == "__call__"},
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "import path": list(sys.path),
        "warning filters": list(warnings.filters),
        "signal handlers": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "streams": (sys.stdin, sys.stdout, sys.stderr, sys.excepthook, sys.displayhook),
        "recursion": sys.getrecursionlimit(),
        "collector": (gc.isenabled(), gc.get_threshold()),
        "tracing": (sys.gettrace(), sys.getprofile()),
        "locale": locale.setlocale(locale.LC_ALL),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "numpy errors": np.geterr(),
        "decimals": decimal.getcontext().prec,
        "umask": umask(),
        "cores": os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
    }  # fmt: skip


def umask():
    before = os.umask(0)
    os.umask(before)
    return before


def of_model(net):
    """Every tensor, gradient, attribute, mode and hook of a model, by where it stands."""
    state = {}
    for path, part in net.named_modules():
        state[f"{path} class"] = type(part)
        for name, value in vars(part).items():
            held = isinstance(value, dict | list | set)
            state[f"{path} {name}"] = (id(value), [id(inner) for inner in _inside(value)] if held else None)
        state[f"{path} hooks"] = [len(getattr(part, name)) for name in HOOKS if hasattr(part, name)]
    for name, tensor in net.state_dict(keep_vars=True).items():
        state[f"{name} tensor"] = id(tensor), tensor._version, tensor.detach().clone().numpy().tobytes()
        state[f"{name} gradient"] = id(tensor.grad), None if tensor.grad is None else tensor.grad.numpy().tobytes()
        state[f"{name} wants gradients"] = tensor.requires_grad
    return state


def _inside(value):
    return value.values() if isinstance(value, dict) else value


def changed(before, after):
    """What is not as it was, by name; of long states only what differs in them."""
    names = [name for name in before.keys() | after.keys() if before.get(name) != after.get(name)]
    told = {}
    for name in names:
        was, now = before.get(name), after.get(name)
        if isinstance(was, dict) and isinstance(now, dict):
            was, now = ({key: part.get(key) for key in was.keys() | now.keys() if was.get(key) != now.get(key)}
                        for part in (was, now))  # fmt: skip
        told[name] = f"{was!r} -> {now!r}"[:400]
    return told
