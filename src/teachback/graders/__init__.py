"""Graders: when is an answer right? One grader a file; `GRADERS` names them.

To add a grader, write its file and add its line below.
"""

from collections.abc import Mapping

from . import choice, exact, math, number
from .function import FunctionGraderSettings, load_function_grader
from .judged import make_judged_grader
from .math_pool import MATH_MODULES
from .regex import RegexGraderSettings, make_regex_grader
from .registered import RegisteredGrader, without_settings

GRADERS: Mapping[str, RegisteredGrader] = {
    "exact": without_settings(exact.EXACT_GRADER),
    "number": without_settings(number.NUMBER_GRADER),
    "math": without_settings(math.MATH_GRADER, MATH_MODULES),
    "choice": without_settings(choice.CHOICE_GRADER),
    "regex": RegisteredGrader(
        make_regex_grader, RegexGraderSettings, checks_golds=False
    ),
    "function": RegisteredGrader(
        load_function_grader, FunctionGraderSettings, checks_golds=False
    ),
    "judge": RegisteredGrader(make_judged_grader, checks_golds=False),
}
