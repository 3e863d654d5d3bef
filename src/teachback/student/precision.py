"""The choice of bf16 where the machine gains by it."""

import time
from pathlib import Path
from typing import Literal

MIN_BF16_SPEEDUP = 1.3


def choose_precision(
    precision: Literal["auto", "float32", "bf16"],
) -> Literal["float32", "bf16"]:
    """The precision to compute in.

    "auto" means bf16 on a GPU that has it, and on a CPU that names it among its flags
    and is 1.3 times as fast with it. It is measured at a run's first start, and is then
    part of the run's identity.
    """
    if precision != "auto":
        return precision
    import torch

    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "float32"
    if cpu_has_bf16() and measure_bf16_speedup() >= MIN_BF16_SPEEDUP:
        return "bf16"
    return "float32"


def cpu_has_bf16() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text().split()
    except OSError:
        return False
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags))


def measure_bf16_speedup(size: int = 768) -> float:
    """Time in float32 / time in bf16, of a matrix product: about 50 ms in all."""
    import torch

    def best_seconds(dtype: torch.dtype) -> float:
        matrix = torch.ones(size, size, dtype=dtype)
        best = float("inf")
        for _ in range(4):  # the first warms up
            start_s = time.perf_counter()
            matrix @ matrix
            best = min(best, time.perf_counter() - start_s)
        return best

    return best_seconds(torch.float32) / best_seconds(torch.bfloat16)
