"""The machine that a number was measured on."""

import os
import platform
from importlib.util import find_spec
from pathlib import Path


def describe_machine() -> dict[str, object]:
    """Processor, cores and memory of this machine, and its GPU if torch sees one."""
    description: dict[str, object] = {
        "cpu": cpu_name(),
        "cores": count_cores(),
        "memory_gib": memory_gib(),
        "os": platform.system(),
    }
    gpu = gpu_name()
    if gpu is not None:
        description["gpu"] = gpu
    return description


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def gpu_name() -> str | None:
    if not find_spec("torch"):
        return None

    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def count_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
