"""Empties a device's caches before a call, by writing more than they hold."""

from pathlib import Path

import torch

CPU_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
UNKNOWN_CPU_CACHE_BYTES = 64 * 2**20  # where the system does not tell: larger than most processors' share
UNKNOWN_GPU_CACHE_BYTES = 64 * 2**20
TIMES_THE_CACHE = 4  # caches do not replace what is oldest first: several times their size leaves nothing behind
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}


def last_level_bytes(device: str, cpu_caches: Path = CPU_CACHES) -> int:
    """Size of the device's last cache before its memory."""
    if device.startswith("cuda"):
        return int(getattr(torch.cuda.get_device_properties(device), "L2_cache_size", 0)) or UNKNOWN_GPU_CACHE_BYTES
    return max((_bytes_of(path) for path in cpu_caches.glob("index*/size")), default=0) or UNKNOWN_CPU_CACHE_BYTES


def _bytes_of(path: Path) -> int:
    """`32768K` as bytes; 0 for anything else."""
    text = path.read_text().strip()
    number, unit = text.rstrip("KMG"), text[-1:]
    return int(number) * UNITS.get(unit, 1) if number.isdigit() else 0


class Flusher:
    """Owns a buffer several times as large as the last cache."""

    def __init__(self, device: str) -> None:
        self.buffer = torch.zeros(TIMES_THE_CACHE * last_level_bytes(device) // 4, device=device)

    def __call__(self) -> None:
        """Reads and writes all of the buffer, so that nothing else is left in a cache."""
        self.buffer.add_(1.0)  # on every thread, so that the caches of each core are emptied too
