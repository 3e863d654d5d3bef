"""What a number was measured with."""

import os
import platform
from pathlib import Path


def machine() -> dict[str, object]:
    """Processor, cores and memory of this machine, in words."""
    return {"cpu": cpu(), "cores": len(os.sched_getaffinity(0)), "memory_gib": memory_gib(), "os": platform.system()}


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
