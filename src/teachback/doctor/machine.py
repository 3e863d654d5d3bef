"""What this machine computes with: devices, memory, precision."""

from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import is_installed
from ..student.precision import (
    MIN_BF16_SPEEDUP,
    choose_precision,
    cpu_has_bf16,
    measure_bf16_speedup,
)
from .values import DeviceState, MemoryState, PrecisionState, Problem

# The limit of a container's memory and its use, of cgroups version 2 and 1.
CGROUP_FILES = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


class LoadedTorch(NamedTuple):
    # None: it is not installed, or can't be loaded.
    torch: Any
    problems: list[Problem]


def load_torch() -> LoadedTorch:
    if not is_installed("torch"):
        return LoadedTorch(None, [])  # reported with the other packages
    try:
        import torch
    except Exception as error:  # a library that is missing, a broken installation
        return LoadedTorch(
            None,
            [
                Problem(
                    f"torch is installed and can't be loaded: {error}",
                    "install it anew as https://pytorch.org says for this machine",
                )
            ],
        )
    return LoadedTorch(torch, [])


def list_devices(torch: Any) -> tuple[DeviceState, ...]:
    if not torch.cuda.is_available():
        return ()
    devices = []
    for index in range(torch.cuda.device_count()):
        free_bytes, total_bytes = torch.cuda.mem_get_info(index)
        name = torch.cuda.get_device_name(index)
        devices.append(DeviceState(name, total_bytes, free_bytes))
    return tuple(devices)


def inspect_precision(torch: Any) -> PrecisionState:
    if torch.cuda.is_available():
        # Emulation computes in float32, and gains nothing.
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        return PrecisionState(choose_precision("auto"), has_bf16)
    if not cpu_has_bf16():
        return PrecisionState("float32", has_bf16=False)
    speedup = measure_bf16_speedup()
    auto = "bf16" if speedup >= MIN_BF16_SPEEDUP else "float32"
    return PrecisionState(auto, has_bf16=True, bf16_speedup=round(speedup, 2))


def inspect_memory() -> MemoryState | None:
    if not is_installed("psutil"):
        return None
    import psutil

    memory = psutil.virtual_memory()
    total_bytes = int(memory.total)
    free_bytes = int(memory.available)
    for limit_file, usage_file in CGROUP_FILES:
        # The files are absent outside of Linux; "max" means no limit.
        with suppress(OSError, ValueError):
            limit = int(Path(limit_file).read_text())
            usage = int(Path(usage_file).read_text())
            total_bytes = min(total_bytes, limit)
            free_bytes = max(0, min(free_bytes, limit - usage))
            break
    return MemoryState(total_bytes, free_bytes)
