"""Clock, temperature and throttling of a device. They are read, never changed."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from kaoprof.bench.energy import nvml_handle
from kaoprof.records.measured import Conditions

CPUS = Path("/sys/devices/system/cpu")
THROTTLE_COUNTS = "cpu[0-9]*/thermal_throttle/core_throttle_count"
SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal")
MEGA = 1e6


def conditions_of(device: str) -> Conditions:
    """What the device itself tells."""
    return _gpu_conditions(device) if device.startswith("cuda") else cpu_conditions(CPUS)


def cpu_conditions(cpus: Path) -> Conditions:
    """Of the processor: its mean clock, its hottest sensor, how often its cores slowed themselves in all."""
    frequency = psutil.cpu_freq() if hasattr(psutil, "cpu_freq") else None
    counts = [path.read_text().strip() for path in cpus.glob(THROTTLE_COUNTS)]
    return Conditions(
        clock_hz=frequency.current * MEGA if frequency and frequency.current else None,
        temperature_c=_hottest(),
        throttled=sum(int(count) for count in counts if count.isdigit()) if counts else None,
    )


def _hottest() -> float | None:
    sensors = psutil.sensors_temperatures() if hasattr(psutil, "sensors_temperatures") else {}
    return max((reading.current for name in SENSORS for reading in sensors.get(name, ())), default=None)


def _gpu_conditions(device: str) -> Conditions:
    """Of the GPU, as far as it offers that."""
    seen: dict[str, Any] = {}
    with suppress(Exception):  # NVML raises errors of its own, and all say: not here
        board = nvml_handle(device)
        for name, read in _readings(*board).items() if board else ():
            with suppress(Exception):  # NVML says so in many ways: this GPU does not offer it
                seen[name] = read()
    return Conditions(**seen)


def _readings(handle: Any, nvml: Any) -> dict[str, Callable[[], Any]]:
    """Clock of its multiprocessors, temperature, ns that power or heat held it back."""
    return {
        "clock_hz": lambda: nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM) * MEGA,
        "temperature_c": lambda: float(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
        "throttled": lambda: sum(
            nvml.nvmlDeviceGetViolationStatus(handle, policy).violationTime
            for policy in (nvml.NVML_PERF_POLICY_POWER, nvml.NVML_PERF_POLICY_THERMAL)
        ),
    }
