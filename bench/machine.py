"""What a number was measured with."""

import os
import platform
import sys
from pathlib import Path


def machine() -> dict[str, object]:
    """Processor, cores and memory of this machine, in words; and its GPU, where torch is loaded and sees one."""
    found = {"cpu": cpu(), "cores": len(os.sched_getaffinity(0)), "memory_gib": memory_gib(), "os": platform.system()}
    torch = sys.modules.get("torch")
    return {**found, "gpu": torch.cuda.get_device_name()} if torch and torch.cuda.is_available() else found


def cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def memory_gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
