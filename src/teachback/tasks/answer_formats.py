"""`ANSWER_FORMATS`: what `task.grader` may be for rows of your own.

Every grader, and the formats of two tasks whose answers are more than one value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

from ..graders import GRADERS
from ..graders.registered import RegisteredGrader, without_settings
from ..types import Grader, ImportFunction, Settings
from .game24_answers import (
    game24_key,
    grade_game24,
    puzzle_target,
    verify_game24,
)
from .prontoqa_answers import (
    grade_proof,
    prontoqa_key,
    proof_target,
    verify_proof,
)
from .rows_task import AnswerFormat, free_text_target


@dataclass(frozen=True)
class RegisteredFormat:
    grader: RegisteredGrader
    # All but the grader, as in AnswerFormat.
    fields: Mapping[str, Any]

    @property
    def settings(self) -> type[Settings]:
        return self.grader.settings

    def make(
        self, settings: Mapping[str, Any], import_function: ImportFunction
    ) -> AnswerFormat:
        """settings: the grader's own, by name."""
        arguments = dict(settings)
        if "import_function" in signature(self.grader.make).parameters:
            arguments["import_function"] = import_function
        grader = self.grader.make(**arguments)
        return AnswerFormat(
            grader, checks_golds=self.grader.checks_golds, **self.fields
        )


PROOF = RegisteredFormat(
    without_settings(Grader(grade_proof, verify_proof)),
    {
        "key": prontoqa_key,
        "custom_target": proof_target,
        "exact": True,
        "templated": True,
    },
)
PUZZLE = RegisteredFormat(
    without_settings(Grader(grade_game24, verify_game24)),
    {
        "key": game24_key,
        "custom_target": puzzle_target,
        "exact": True,
        "templated": True,
    },
)

# The solution, or the answer in free words, is trained on as it is.
FREE_TEXT_FIELDS = {"judge": {"custom_target": free_text_target}}

ANSWER_FORMATS: Mapping[str, RegisteredFormat] = {
    **{
        name: RegisteredFormat(grader, FREE_TEXT_FIELDS.get(name, {}))
        for name, grader in GRADERS.items()
    },
    "proof": PROOF,
    "game24": PUZZLE,
}
