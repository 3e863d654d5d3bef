"""What a number was measured with."""

import os
import platform
from importlib.util import find_spec
from pathlib import Path


def machine() -> dict[str, object]:
    """Processor, cores and memory of this machine, in words; and its GPU, if torch sees one."""
    found = {
        "cpu": cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": memory_gib(),
        "os": platform.system(),
    }
    if find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            return {**found, "gpu": torch.cuda.get_device_name()}
    return found


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [
        line.partition(":")[2].strip()
        for line in lines
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor()


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
