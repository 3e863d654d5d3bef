"""Whether finetuning can fit the memory, known before a model is loaded or anything is bought.

`memory.py` counts again, with activations, before finetuning begins.
"""

from importlib.util import find_spec
from typing import Literal, get_args

from ...errors import StudentError
from ..machine_memory import MachineMemory
from ..model_size import BYTES_PER_PARAMETER, describe_parameters, finetuning_memory
from .memory import GIB
from .recipe import QLORA_MODULES, Method

# What finetuning takes at its peak, over what is known: activations and the head's logits.
PEAK_MEMORY_FACTOR = 1.5


def check_fit(
    method: Method,
    parameters: int | None,
    memory: MachineMemory,
    precision: Literal["float32", "bf16"],
) -> None:
    """Raises StudentError where even without activations the memory is too small."""
    error = find_misfit(method, parameters, memory, precision)
    if error:
        raise error


def find_misfit(
    method: Method,
    parameters: int | None,
    memory: MachineMemory,
    precision: Literal["float32", "bf16"],
) -> StudentError | None:
    """The error that `check_fit` raises: it says what would fit. None: it may fit."""
    needed = finetuning_memory(parameters, method, precision)
    if parameters is None or needed is None or memory.free is None:
        return None
    if needed <= memory.free:
        return None
    return StudentError(
        "finetuning would not fit the memory",
        got=f"{method} finetuning of {describe_parameters(parameters)} in {precision} "
        f"takes {needed / GIB:.1f} GiB, activations not counted",
        allowed=f"{memory.free / GIB:.1f} GiB, which are free {memory.place}",
        fix=suggest_fit(method, parameters, memory, precision),
    )


def suggest_fit(
    method: Method,
    parameters: int,
    memory: MachineMemory,
    precision: Literal["float32", "bf16"],
) -> str:
    """The methods and the sizes that fit."""
    free = memory.free or 0
    needs = BYTES_PER_PARAMETER[precision]
    usable = [other for other in get_args(Method) if is_usable(other, memory)]
    fitting = [
        f"finetune.method: {other} ({needs[other] * parameters / GIB:.1f} GiB)"
        for other in usable
        if other != method and needs[other] * parameters * PEAK_MEMORY_FACTOR <= free
    ]
    # With room for activations.
    smallest = min(usable, key=lambda other: needs[other])
    most = free / PEAK_MEMORY_FACTOR / needs[smallest]
    smaller = f"a student of up to {describe_parameters(most)} ({smallest})"
    if not fitting:
        return (
            f"choose {smaller}, or a machine with more memory: no method fits this one"
        )
    return f"set {', or '.join(fitting)}, or choose {smaller}"


def is_usable(method: Method, memory: MachineMemory) -> bool:
    """Whether the method can run here: qlora needs a GPU and its packages."""
    if method != "qlora":
        return True
    return "GPU" in memory.place and all(map(find_spec, QLORA_MODULES))
