"""Which device a run is on, what it can do, and where its ceilings are kept."""

import os
import sys
from pathlib import Path

from kaoprof.errors import MeasurementError, UsageError
from kaoprof.records.options import Options

WITHOUT_A_GPU = (
    "use --device cpu; kaoprof fit --memory and kaoprof explain take --device cuda without one: memory is predicted"
)
DRIVER_FILES = ("nvidiactl", "nvidia0", "dxg", "nvhost-gpu", "nvgpu")  # dxg: below Windows; the last two: on a Jetson


def default_cache(device: str) -> str:
    """Cold on a GPU, where a flush is cheap; warm on a CPU, where it takes longer than most calls."""
    return "cold" if device.startswith("cuda") else "warm"


def check_wishes(device: str, dtype: str, options: Options) -> None:
    """Refuses what this device cannot do, before anything is measured.

    Raises:
        UsageError: tf32 or CUDA graphs without CUDA, or cores that are not there.
    """
    wishes = {"dtype": dtype == "tf32", "graph": options.graph}
    for where, wanted in wishes.items():
        if wanted and not device.startswith("cuda"):
            what = "tf32 is a mode of NVIDIA GPUs" if where == "dtype" else "graphs are a feature of CUDA"
            raise UsageError(f"{what}, and this is {device}", where=where, hint="leave it out, or use --device cuda")
    if options.affinity is None:
        return
    if not hasattr(os, "sched_getaffinity"):
        raise UsageError("this system cannot bind a process to cores", where="affinity", hint="leave it out")
    allowed = sorted(os.sched_getaffinity(0))
    absent = [core for core in options.affinity if core not in allowed]
    if absent:
        raise UsageError(
            f"core {absent[0]} is not there", where="affinity", hint=f"choose from {', '.join(map(str, allowed))}"
        )


def find_device(name: str) -> str:
    """The device that `auto`, `cpu` or `cuda[:i]` means here.

    Raises:
        MeasurementError: it is not there.
    """
    if name == "cpu" or (name == "auto" and not may_have_cuda()):
        return "cpu"
    import torch

    if name == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda"):
        index = int(name.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            seen = torch.cuda.device_count()
            raise MeasurementError(
                f"there is no {name}: torch {torch.__version__} sees {seen} CUDA devices",
                where="device",
                hint=WITHOUT_A_GPU,
            )
        return f"cuda:{index}"
    return name


def may_have_cuda() -> bool:
    """Whether torch, which takes seconds to import, must be asked: on Linux a GPU has a file of its driver."""
    return sys.platform != "linux" or any(Path("/dev", file).exists() for file in DRIVER_FILES)


def load_average() -> float | None:
    """How many processes wanted a core during the last minute; None where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
