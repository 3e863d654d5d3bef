"""When is an answer right? One grader a file, found by its name in the config."""

from collections.abc import Mapping

from ..types import Grader
from . import exact, number

GRADERS: Mapping[str, Grader] = {"exact": exact.GRADER, "number": number.GRADER}
