"""Fresh processes for the contenders, and the time and memory that they take."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

T = TypeVar("T")


def run_fresh(function: Callable[..., T], *args: object) -> T:
    """The function's value from a new process, so that no earlier work affects it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def run_timed(function: Callable[[], T]) -> tuple[T, float]:
    """The function's value, and the seconds that it took."""
    started = time.perf_counter()
    value = function()
    return value, time.perf_counter() - started


def peak_mib() -> float:
    """The most memory that this process has used.

    Not ru_maxrss: that starts with the parent's memory at the time of the fork.
    """
    return memory_kib("VmHWM") / 1024


def resident_mib() -> float:
    """The memory that this process uses now."""
    return memory_kib("VmRSS") / 1024


def memory_kib(field: str) -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition(f"{field}:")[2].split()[0])


def torch_threads() -> int:
    import torch

    return torch.get_num_threads()


def spread(values: Sequence[float], digits: int = 4) -> dict[str, Any]:
    """Every repeat's number, so that a result never shows only the best."""
    rounded = [round(value, digits) for value in values]
    return {
        "min": min(rounded),
        "median": round(median(rounded), digits),
        "all": rounded,
    }
