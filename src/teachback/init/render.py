"""Shows rows as a run will use them, so that a person sees whether they were understood."""

from collections.abc import Iterator

from ..types import Example, Task

N_EXAMPLES = 2
MAX_LINES = 14
MAX_LINE_CHARS = 160
INDENT = "    "


def example_lines(task: Task) -> Iterator[str]:
    """Two of the task's seeds: what the student sees, the right answer, and what it learns."""
    seeds = [seed for seed in task.seeds if seed.answer is not None] or task.seeds
    for number, seed in enumerate(seeds[:N_EXAMPLES], start=1):
        yield f"example {number}, as the student sees it:"
        yield from block_lines(task.prompt(seed.question))
        yield from answer_lines(task, seed)


def answer_lines(task: Task, seed: Example) -> Iterator[str]:
    answer = seed.answer if seed.answer is not None else "none in the file"
    yield "  its right answer:"
    yield from block_lines(answer)
    target = task.target(seed)
    if target is not None and seed.solution is not None:
        yield "  what it learns to write:"
        yield from block_lines(target)


def block_lines(text: str) -> Iterator[str]:
    """Indented, and cut where it is long."""
    lines = text.split("\n")
    for line in lines[:MAX_LINES]:
        is_long = len(line) > MAX_LINE_CHARS
        yield f"{INDENT}{line[:MAX_LINE_CHARS]}{'…' if is_long else ''}".rstrip()
    if len(lines) > MAX_LINES:
        yield f"{INDENT}… {len(lines) - MAX_LINES} more lines"
