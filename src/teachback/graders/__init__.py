"""When is an answer right? One grader a file, found by its name in the config.

Two more are made from what the config says: `regex.make(pattern)` and `function.make(spec, folder)`.
"""

from collections.abc import Mapping

from ..types import Grader
from . import choice, exact, math, number

GRADERS: Mapping[str, Grader] = {
    "exact": exact.GRADER,
    "number": number.GRADER,
    "math": math.GRADER,
    "choice": choice.GRADER,
}
