"""How much memory finetuning can have on this machine."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

# A machine has one of these where it has a GPU that torch can use: NVIDIA's driver, AMD's, WSL's.
GPU_DEVICES = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
# The limit of a container, in bytes or "max".
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


class MachineMemory(NamedTuple):
    free: int | None  # bytes; None: the machine doesn't say
    place: str  # where: "on the GPU", "in memory"


def find_free_memory() -> MachineMemory:
    """The free memory of the device that students run on. Torch is loaded only where a GPU may be.

    Other processes of the machine count as they are now.
    """
    may_have_gpu = "torch" in sys.modules or any(
        Path(device).exists() for device in GPU_DEVICES
    )
    if may_have_gpu and find_spec("torch"):
        import torch

        if torch.cuda.is_available():
            return MachineMemory(int(torch.cuda.mem_get_info()[0]), "on the GPU")
    return MachineMemory(read_available_bytes(), "in memory")


def read_available_bytes() -> int | None:
    """What this process could still take, or None where the system doesn't say."""
    if not find_spec("psutil"):
        return None
    import psutil

    available = int(psutil.virtual_memory().available)
    try:
        limit = CGROUP_LIMIT.read_text().strip()
    except OSError:  # no container, or an older kind
        return available
    return min(available, int(limit)) if limit.isdigit() else available
