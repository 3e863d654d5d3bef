"""bf16 autocast where the machine gains by it."""

import time
from pathlib import Path
from typing import Literal


def choose(wanted: Literal["auto", "float32", "bf16"]) -> Literal["float32", "bf16"]:
    """ "auto": bf16 on a GPU that has it, or on a CPU whose flags name it and where a product is 1.3 times as fast.

    Measured once, at a run's first start; from then on it is part of the run's identity.
    """
    if wanted != "auto":
        return wanted
    import torch

    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    return "bf16" if cpu_has_bf16() and gain() >= 1.3 else "float32"


def cpu_has_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags))


def gain(size: int = 768) -> float:
    """float32's time / bf16's for a matrix product of about 50 ms in all, the best of three."""
    import torch

    def seconds(dtype: torch.dtype) -> float:
        matrix = torch.ones(size, size, dtype=dtype)
        best = float("inf")
        for _ in range(4):  # the first warms up
            started = time.perf_counter()
            matrix @ matrix
            best = min(best, time.perf_counter() - started)
        return best

    return seconds(torch.float32) / seconds(torch.bfloat16)
