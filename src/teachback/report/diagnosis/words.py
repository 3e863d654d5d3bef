"""The parts of a diagnosis in words, as lines for a person."""

from collections.abc import Sequence
from typing import Any

from ...metrics.statistics import PairedChange
from .values import FailedAnswer, NextStep

MAX_TEXT_CHARS = 300
HEAD_SHARE = 0.6  # of a text that is cut; its end holds the final answer
# What may change under a run: the same command goes on with it.
GROWING_KEYS = ("rounds", "budget.", "keep")


def headline(change: PairedChange, n_questions: int) -> str:
    points = (
        f"{format_points(change.change)} points "
        f"[{format_points(change.low)}, {format_points(change.high)}] on {n_questions} questions"
    )
    if change.high < 0:
        return f"no gain: dev accuracy fell: {points}"
    return f"no gain: dev accuracy changed by {points}, which is within chance"


def format_points(share: float) -> str:
    points = round(100 * share)
    return f"{points:+d}".replace("-", "−") if points else "0"


def failed_answer_lines(failed: FailedAnswer) -> list[str]:
    named = (
        ("asked", failed.question or f"(question {failed.id})"),
        ("gold", failed.gold),
        ("before", failed.before.strip() or "(nothing)"),
        ("after", failed.after.strip() or "(nothing)"),
        ("why", failed.reason),
    )
    lines = []
    for name, text in named:
        if text is not None:
            # Further lines of a text stand below its first one.
            lines += f"  {name:7} {shorten_text(text)}".replace(
                "\n", f"\n{' ' * 10}"
            ).split("\n")
    return lines


def shorten_text(text: str, limit: int = MAX_TEXT_CHARS) -> str:
    """The text's beginning and end, where it is longer than the limit."""
    if len(text) <= limit:
        return text
    head = round(HEAD_SHARE * limit)
    tail = limit - head
    n_left_out = len(text) - head - tail
    return (
        f"{text[:head].rstrip()} … ({n_left_out} characters) … {text[-tail:].lstrip()}"
    )


def next_step_lines(steps: Sequence[NextStep]) -> list[str]:
    """First what this run can go on with, then what takes a new one, then what has no key."""
    settings = [step for step in steps if step.key is not None]
    here = [step for step in settings if may_change(step)]
    new = [step for step in settings if not may_change(step)]
    lines = []
    if new:
        lines += ["  in a new run (another --run-dir):", *map(setting_line, new)]
    if here:
        lines += ["  in this run (the same command goes on):", *map(setting_line, here)]
    return [*lines, *(f"  {step.reason}" for step in steps if step.key is None)]


def may_change(step: NextStep) -> bool:
    return step.key is not None and step.key.startswith(GROWING_KEYS)


def setting_line(step: NextStep) -> str:
    return f"    --set {step.key}={format_setting(step.value)}   {step.reason}"


def format_setting(value: Any) -> str:
    """As `--set` reads it: YAML, without spaces that a shell would split at."""
    if isinstance(value, float):
        # YAML takes 1e-05 for text.
        return f"{value:.1e}" if value < 0.001 else f"{value:g}"
    if isinstance(value, list | tuple):
        return f"[{','.join(map(format_setting, value))}]"
    return str(value)
