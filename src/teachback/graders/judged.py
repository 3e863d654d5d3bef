"""Grader `judge`: an LLM judge compares answers with gold ones; here is what needs no judge."""

from ..types import Grader
from .exact import grade_exact
from .function import parse_any_text


def make_judged_grader() -> Grader:
    """Right if the answer equals the gold one as text. The run asks its judge about the rest."""
    return Grader(grade_exact, parse_any_text)
