"""The final answer of a text."""

import re

from ..types import Grade

MARK = re.compile(r"^\s*(?:\**\s*(?:final\s+)?answer\s*\**\s*:\s*\**|####)\s*(\S.*?)\s*\**\s*$", re.IGNORECASE)


def final_answer(text: str) -> str | None:
    """What follows "Answer:" or "####" on the last line that has either; None without one."""
    for line in reversed(text.rstrip().split("\n")):
        if len(line) < 2000 and (found := MARK.match(line)):
            return found[1]
    return None


def missing() -> Grade:
    return Grade("unparsed", reason="no final answer after 'Answer:'")
