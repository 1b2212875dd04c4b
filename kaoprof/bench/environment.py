"""What a reader must know of the machine to judge a figure, and how much memory is free on it."""

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import torch

from kaoprof.bench.energy import MILLI, nvml_handle
from kaoprof.records.measured import Environment

CGROUP = Path("/sys/fs/cgroup")
BACKENDS = ("mkl", "mkldnn", "openmp")
SETTINGS = {  # environment variables that change how torch computes or allocates
    "GLIBC_TUNABLES", "LD_PRELOAD", "CUDA_LAUNCH_BLOCKING", "NVIDIA_TF32_OVERRIDE", "PYTORCH_ALLOC_CONF",
    "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_NO_CUDA_MEMORY_CACHING", "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER",
    "CUDA_MODULE_LOADING", "CUDA_DEVICE_MAX_CONNECTIONS", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
}  # fmt: skip
SETTINGS_OF = (  # and all that begin like this
    "MALLOC_", "OMP_", "GOMP_", "KMP_", "MKL_", "DNNL_", "ONEDNN_", "CUBLAS_", "CUBLASLT_", "CUDNN_", "TORCH_CUDNN_",
    "TORCH_BLAS_",
)  # fmt: skip


def environment_of(device: str, *, denormals_flushed: bool, energy_source: str | None) -> Environment:
    """Where it is measured, as seen from the measuring process; the load before it is not its to tell."""
    on_cuda = device.startswith("cuda")
    affinity = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return Environment(
        device_name=torch.cuda.get_device_name(device) if on_cuda else processor_name(),
        cores=len(affinity) if affinity else os.cpu_count() or 1,
        machine_cores=os.cpu_count(),
        affinity=tuple(affinity) if affinity else None,
        threads=torch.get_num_threads(),
        memory_bytes=torch.cuda.get_device_properties(device).total_memory
        if on_cuda
        else psutil.virtual_memory().total,
        system=platform.platform(),
        python=platform.python_version(),
        torch=str(torch.__version__),
        backends=tuple(name for name in BACKENDS if getattr(torch.backends, name).is_available()),
        denormals_flushed=denormals_flushed,
        cuda=torch.version.cuda if on_cuda else None,
        settings=settings_of(os.environ),
        energy_source=energy_source,
        **(gpu_facts(device) if on_cuda else {}),
    )


def gpu_facts(device: str) -> dict[str, Any]:
    """What decides a GPU's figures beside its name; the driver and the limit of power only if NVML tells."""
    properties = torch.cuda.get_device_properties(device)
    facts = {
        "cudnn": torch.backends.cudnn.version(),
        "capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
    }
    with suppress(Exception):  # NVML raises errors of its own, and all say: not here
        board = nvml_handle(device)
        if board:
            handle, nvml = board
            facts["driver"] = _text(nvml.nvmlSystemGetDriverVersion())
            facts["power_limit_w"] = nvml.nvmlDeviceGetEnforcedPowerLimit(handle) * MILLI
    return facts


def _text(told: str | bytes) -> str:
    """Older versions of NVML's module answer in bytes."""
    return told.decode() if isinstance(told, bytes) else told


def settings_of(variables: Mapping[str, str]) -> tuple[str, ...]:
    """Those that change a figure, as `NAME=value`; of a path only the last part, which is nobody's secret."""
    return tuple(
        f"{name}={' '.join(Path(part).name for part in value.split()) if '/' in value else value}"
        for name, value in sorted(variables.items())
        if name in SETTINGS or name.startswith(SETTINGS_OF)
    )


def processor_name() -> str:
    """The processor's name, from the kernel where it tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def free_bytes(device: str) -> int:
    """Bytes that can be allocated on `device` now; on a CPU also within this process's control group."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    available = int(psutil.virtual_memory().available)
    limit = _read_number(CGROUP / "memory.max")
    used = _read_number(CGROUP / "memory.current")
    return min(available, limit - used) if limit is not None and used is not None else available


def _read_number(path: Path) -> int | None:
    """The number in a control group's file; None where there is no such file, or it says `max`."""
    if not path.is_file():
        return None
    text = path.read_text().strip()
    return int(text) if text.isdigit() else None
