"""Chat templates that write today's date, told the day on which a run began.

Llama 3's and others' templates do. Prompts of tomorrow would then be other prompts, and the
same run another run.
"""

from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

# How transformers' templates ask for the date.
DATE_FUNCTION = "strftime_now"
# The codes of strftime. Those of the time of day give midnight.
FORMAT_CODES = "aAwdbBmyYHIMSpfzZjUWcxXGuVFDTReCghnrt"
TEMPLATE_FILES = ("*.jinja", "chat_template.json", "tokenizer_config.json")


def choose_date(folder: Path) -> date | None:
    """The day that the student's prompts are to name; None: they name none.

    It is chosen at a run's first start, and is then part of its inputs.
    """
    return date.today() if folder_uses_date(folder) else None


def folder_uses_date(folder: Path) -> bool:
    """Whether a chat template in a student's folder asks for the date."""
    paths = [path for pattern in TEMPLATE_FILES for path in folder.rglob(pattern)]
    name = DATE_FUNCTION.encode()
    return any(name in path.read_bytes() for path in paths)


def uses_date(template: str) -> bool:
    """Whether the prompts of this template depend on the day."""
    return DATE_FUNCTION in template


@lru_cache
def pin_template_date(template: str, today: date) -> str:
    """The template, for which it is always this day.

    A macro of the same name stands before it and hides transformers' function.
    """
    if not uses_date(template):
        return template
    midnight = datetime(today.year, today.month, today.day)
    replacements = []
    for code in FORMAT_CODES:
        value = midnight.strftime(f"%{code}")
        # Without a leading zero, as in %-d.
        replacements.append((f"%-{code}", value.lstrip("0") or "0"))
        replacements.append((f"%{code}", value))
    # Jinja takes the newline after the block away, and sees the template at a line's start.
    macro = (
        f"{{% macro {DATE_FUNCTION}(format) %}}"
        "{% set pinned = namespace(text=format) %}"
        f"{{% for code, value in {replacements!r} %}}"
        "{% set pinned.text = pinned.text.replace(code, value) %}"
        "{% endfor %}{{ pinned.text }}{% endmacro %}\n"
    )
    return macro + template
