"""A run in words: what each round did, what it cost, where it lies."""

from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import escape_controls
from ..ledger.costs import PICODOLLARS_PER_USD, Spend
from ..types import Example, Report, Round
from .diagnosis.diagnosis import Diagnosis, diagnosis_lines
from .evaluation import change_lines
from .formatting import display_path, format_accuracy, format_usd
from .row_yield import yield_lines
from .values import RunSummary

MAX_EXAMPLES = 3  # of questions that became right


def summary_lines(
    summary: RunSummary,
    *,
    dev: Sequence[Example],
    max_accepted: int | None,
    system: str | None,
    prompt: Callable[[str], str],
) -> list[str]:
    """What `teachback run` prints at the end.

    dev: the questions of the reports. max_accepted: how many accepted rows the budget
    allows. system: the student's system prompt. prompt(question): what the student is asked.
    """
    rounds = summary.rounds
    baseline = summary.baseline
    after = rounds[-1].report if rounds else baseline
    student = display_path(summary.student)
    return [
        "",
        f"dev accuracy: {format_accuracy(baseline)} before, "
        f"{format_accuracy(after)} after {len(rounds)} rounds",
        *change_lines(baseline, after),
        *(round_line(r, finished) for r, finished in enumerate(rounds)),
        *yield_lines(rounds, max_accepted),
        spend_line(summary.spend),
        "",
        *newly_right_lines(baseline, after, dev),
        *failure_lines(summary.diagnosis),
        f"everything lies in {display_path(summary.run_dir)}; the student in {student}",
        *page_lines(summary.page),
        "use it:",
        "",
        *(f"    {line}" for line in usage_lines(student, system, prompt("…"))),
        "",
    ]


def page_lines(page: Path | None) -> list[str]:
    return [] if page is None else [f"its page, for a browser: {display_path(page)}"]


def round_line(r: int, finished: Round) -> str:
    n_accepted = len(finished.fresh.rows)
    n_drafts = n_accepted + len(finished.fresh.rejected)
    parts = [f"{n_accepted} of {n_drafts} rows accepted"]
    transfer = finished.transfer
    if transfer.seed_median is not None and transfer.row_median is not None:
        parts.append(
            f"median loss of seeds {transfer.seed_median:.3f} "
            f"and of their rows {transfer.row_median:.3f}"
        )
    if transfer.row_rho is not None:
        parts.append(f"row by row rho {transfer.row_rho:+.2f}")
    if transfer.row_score_rho is not None:
        parts.append(f"by the criterion's own score rho {transfer.row_score_rho:+.2f}")
    return f"round {r}: {', '.join(parts)}; dev {format_accuracy(finished.report)}"


def failure_lines(diagnosis: Diagnosis | None) -> list[str]:
    """Why the run gained nothing; empty if it gained."""
    return ["", *diagnosis_lines(diagnosis), ""] if diagnosis else []


def spend_line(spend: Spend) -> str:
    line = (
        f"teacher: {spend.calls} calls, {spend.input_tokens:,} tokens in, "
        f"{spend.output_tokens:,} out"
    )
    if spend.usd:
        line += f", ${format_usd(spend.usd / PICODOLLARS_PER_USD)}"
        if spend.unpriced_calls:
            line += " and calls of unknown price"
    if spend.in_doubt_calls:
        line += (
            f"; {spend.in_doubt_calls} calls in doubt, "
            f"charged in full ({spend.in_doubt_tokens:,} tokens)"
        )
    if spend.estimated_calls:
        line += (
            f"; {spend.estimated_calls} calls without usage, "
            "charged at their worst case"
        )
    return line


def newly_right_lines(
    baseline: Report, after: Report, examples: Sequence[Example]
) -> list[str]:
    """How many questions became right, how many wrong, and the first that became right.

    examples: the questions of both reports.
    """
    item_before = {item.id: item for item in baseline.items}
    question = {example.id: example.question for example in examples}

    newly_right = []
    n_newly_wrong = 0
    for item in after.items:
        was_right = item_before[item.id].outcome == "right"
        is_right = item.outcome == "right"
        if is_right and not was_right:
            newly_right.append(item)
        if was_right and not is_right:
            n_newly_wrong += 1

    lines = [
        f"{len(newly_right)} questions were wrong before and are right now; "
        f"{n_newly_wrong} the other way round"
    ]
    for item in newly_right[:MAX_EXAMPLES]:
        lines += [
            f"  asked   {question[item.id]}",
            f"  before  {item_before[item.id].text}",
            f"  now     {item.text}",
            "",
        ]
    # Further lines of a text stand below its first one.
    return [escape_controls(line).replace("\n", "\n          ") for line in lines]


def usage_lines(student: Path, system: str | None, content: str) -> list[str]:
    """The three lines of Python that ask the student, in the form in which it was trained."""
    messages = [{"role": "user", "content": content}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return [
        "from transformers import pipeline",
        f"student = pipeline('text-generation', {str(student)!r})",
        f"print(student({messages!r}, max_new_tokens=256)"
        "[0]['generated_text'][-1]['content'])",
    ]
