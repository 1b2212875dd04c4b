"""Joules that a device has used so far, where it tells: NVML for NVIDIA GPUs, RAPL for processors."""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch

POWERCAP = Path("/sys/class/powercap")
PACKAGES = "intel-rapl:[0-9]*"  # one for each processor; their parts have a second colon
MILLI, MICRO = 1e-3, 1e-6
PREFIXES = ("GPU-", "MIG-")
PORTIONS = 50  # of the calls, between which the counter is looked at: 10 ms of half a second


class EnergyMeter(msgspec.Struct, frozen=True, kw_only=True):
    """What counts joules: each counter by its name, and where it begins anew, if it does."""

    source: str
    counters: Mapping[Any, Callable[[], float]]
    ranges: dict[Any, float] = {}

    def read(self) -> dict[Any, float]:
        """Joules by counter."""
        return {name: joules() for name, joules in self.counters.items()}

    def joules(self, before: dict[Any, float], after: dict[Any, float]) -> float:
        """Between two readings; a counter that is lower than before has begun anew once."""
        anew = [name for name in self.ranges if after[name] < before[name]]
        return sum(after[name] - before[name] for name in before) + sum(self.ranges[name] for name in anew)


def energy_meter(device: str, powercap: Path = POWERCAP) -> EnergyMeter | None:
    """The meter of a device; None where none can be read."""
    with suppress(Exception):  # NVML and the kernel raise errors of many kinds, and all say: not here
        meter = nvml_meter(device) if device.startswith("cuda") else rapl_meter(powercap)
        if meter is not None:
            meter.read()
        return meter
    return None


def rapl_meter(powercap: Path) -> EnergyMeter | None:
    """The processors' own counters."""
    packages = [path for path in sorted(powercap.glob(PACKAGES)) if path.name.count(":") == 1]
    counters = {package: partial(_joules_in, package / "energy_uj") for package in packages}
    ranges = {package: _joules_in(package / "max_energy_range_uj") for package in packages}
    return EnergyMeter(source="RAPL", counters=counters, ranges=ranges) if packages else None


def _joules_in(path: Path) -> float:
    return int(path.read_text().strip()) * MICRO


def nvml_meter(device: str) -> EnergyMeter | None:
    """The GPU's meter, if NVML's Python module is installed."""
    board = nvml_handle(device)
    return board_meter(*board) if board else None


def board_meter(handle: Any, nvml: Any) -> EnergyMeter:
    """The GPU's counter of its whole board since the driver was loaded."""
    counters = {"board": lambda: nvml.nvmlDeviceGetTotalEnergyConsumption(handle) * MILLI}
    return EnergyMeter(source="NVML", counters=counters)


def nvml_handle(device: str) -> tuple[Any, Any] | None:
    """NVML's handle of a CUDA device, and NVML; None without its Python module, or where that knows no such device.

    The device, or the part of one (MIG), is found by its UUID: CUDA numbers those that `CUDA_VISIBLE_DEVICES` names.
    """
    if importlib.util.find_spec("pynvml") is None:
        return None
    pynvml: Any = importlib.import_module("pynvml")
    pynvml.nvmlInit()
    uuid = str(torch.cuda.get_device_properties(device).uuid)
    names = [uuid] if uuid.startswith(PREFIXES) else [f"{prefix}{uuid}" for prefix in PREFIXES]
    for name in names:
        with suppress(pynvml.NVMLError):
            return pynvml.nvmlDeviceGetHandleByUUID(name), pynvml
    return None


def joules_per_call(meter: EnergyMeter, run: Callable[[int], None], calls: int) -> float:
    """Mean joules of a call while `run` makes so many in a row, or some more; idle power is part of it.

    A GPU's counter is renewed about ten times a second only. Where calls are short it is read just after it moved, at
    the beginning and at the end, so that neither cuts a piece off.
    """
    portion = calls // PORTIONS
    if not portion:
        before = meter.read()
        run(calls)
        return meter.joules(before, meter.read()) / calls
    before, _ = _run_until_renewed(meter, run, portion, least=portion, most=calls)
    after, made = _run_until_renewed(meter, run, portion, least=calls, most=2 * calls)
    return meter.joules(before, after) / made


def _run_until_renewed(
    meter: EnergyMeter, run: Callable[[int], None], portion: int, *, least: int, most: int
) -> tuple[dict[Any, float], int]:
    """The first reading that differs from the one before it after `least` calls, and how many calls were made."""
    made, last = 0, meter.read()
    while True:
        run(portion)
        made += portion
        now = meter.read()
        if made >= most or (made >= least and now != last):
            return now, made
        last = now
