"""A run in words: before and after, what was bought and what became of it, where everything lies."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..ledger.costs import PICO, Spend
from ..types import Example, Report, Round
from .figures import cents

STAGES = (
    ("parse", "parsed"),
    ("verify", "verified"),
    ("duplicates", "no duplicate"),
    ("contamination", "not contaminated"),
)
# Where a row was lost, by the category of its reason; all others, what a teacher says among them, could not be parsed
LOST_AT = {
    **dict.fromkeys(("wrong", "disagreement", "timed_out", "unjudged"), "verify"),
    **dict.fromkeys(("duplicate", "near duplicate"), "duplicates"),
    "contaminated": "contamination",
}
MOST_NOTES = 6


def percent(report: Report) -> str:
    return f"{report.accuracy:.0%} [{report.low:.0%}, {report.high:.0%}]"


def round_line(r: int, finished: Round) -> str:
    fresh, transfer = finished.fresh, finished.transfer
    parts = [
        f"{len(fresh.rows)} of {len(fresh.rows) + len(fresh.rejected)} rows accepted"
    ]
    if transfer.seed_median is not None and transfer.row_median is not None:
        parts.append(
            f"median loss of seeds {transfer.seed_median:.3f} and of their rows {transfer.row_median:.3f}"
        )
    if transfer.row_rho is not None:
        parts.append(f"row by row rho {transfer.row_rho:+.2f}")
    if transfer.row_score_rho is not None:
        parts.append(f"by the criterion's own score rho {transfer.row_score_rho:+.2f}")
    return f"round {r}: {', '.join(parts)}; dev {percent(finished.report)}"


def yield_lines(rounds: Sequence[Round], asked: int | None = None) -> list[str]:
    """The yield, stage by stage; why there are fewer rows than asked for; and what curating noted.

    asked: how many rows; without it, as many as seeds were selected.
    """
    accepted = [row for r in rounds for row in r.fresh.rows]
    reasons = Counter(
        x.reason.partition(":")[0] for r in rounds for x in r.fresh.rejected
    )
    generated = len(accepted) + reasons.total()
    unverified = sum(not row.verified for row in accepted)
    line = f"{generated} rows generated, {len(accepted)} accepted"
    if unverified:
        line += (
            f" ({unverified} of them unverified: nothing here can prove their answers)"
        )
    selected = sum(len(r.chosen.picks) for r in rounds)
    wanted = selected if asked is None else asked
    return [
        line,
        *funnel(generated, reasons),
        *shortfall(wanted, len(accepted), reasons, generated),
        *notes(rounds),
    ]


def funnel(generated: int, reasons: Counter[str]) -> list[str]:
    """How many passed each stage, and why the others did not; nothing where all passed all of them."""
    if not reasons:
        return []
    left, lines = generated, [f"  {'generated':16} {generated:6}"]
    for stage, name in STAGES:
        lost = Counter(
            {why: n for why, n in reasons.items() if LOST_AT.get(why, "parse") == stage}
        )
        left -= lost.total()
        lines.append(f"  {name:16} {left:6}" + (f"  ({listed(lost)})" if lost else ""))
    return lines


def shortfall(
    asked: int, accepted: int, reasons: Counter[str], generated: int
) -> list[str]:
    if accepted >= asked:
        return []
    unwritten = asked - generated
    parts = [listed(reasons)] if reasons else []
    if unwritten > 0:
        parts.append(
            f"{unwritten} not generated: the budget or the rounds ended before"
        )
    return [
        f"you asked for {asked} rows, you have {accepted}, because: {', '.join(parts)}"
    ]


def notes(rounds: Sequence[Round]) -> list[str]:
    lines = [
        f"round {r}: {note}"
        for r, finished in enumerate(rounds)
        for note in finished.fresh.notes
    ]
    more = (
        [f"{len(lines) - MOST_NOTES} more notes in the rounds' curate.json"]
        if len(lines) > MOST_NOTES
        else []
    )
    return [*lines[:MOST_NOTES], *more]


def listed(reasons: Counter[str]) -> str:
    return ", ".join(f"{n} {why}" for why, n in reasons.most_common())


def spend_line(spend: Spend) -> str:
    line = f"teacher: {spend.calls} calls, {spend.input_tokens:,} tokens in, {spend.output_tokens:,} out"
    if spend.usd:
        line += f", ${cents(spend.usd / PICO)}" + (
            " and calls of unknown price" if spend.unpriced_calls else ""
        )
    if spend.in_doubt_calls:
        line += f"; {spend.in_doubt_calls} calls in doubt, charged in full ({spend.in_doubt_tokens:,} tokens)"
    if spend.estimated_calls:
        line += f"; {spend.estimated_calls} calls without usage, charged at their worst case"
    return line


def learned(
    baseline: Report, after: Report, examples: Sequence[Example], n: int = 3
) -> list[str]:
    """Up to n questions that were wrong before and are right after."""
    before = {item.id: item for item in baseline.items}
    questions = {e.id: e.question for e in examples}
    gained = [
        item
        for item in after.items
        if item.outcome == "right" and before[item.id].outcome != "right"
    ]
    lost = sum(
        item.outcome != "right" and before[item.id].outcome == "right"
        for item in after.items
    )
    lines = [
        f"{len(gained)} questions were wrong before and are right now; {lost} the other way round"
    ]
    for item in gained[:n]:
        lines += [
            f"  asked   {questions[item.id]}",
            f"  before  {before[item.id].text}",
            f"  now     {item.text}",
            "",
        ]
    return [line.replace("\n", "\n          ") for line in lines]


def use_lines(student: Path, system: str | None) -> list[str]:
    """The three lines of Python that use the student."""
    turns = ([{"role": "system", "content": system}] if system is not None else []) + [
        {"role": "user", "content": "…"}
    ]
    return [
        "from transformers import pipeline",
        f"student = pipeline('text-generation', {str(student)!r})",
        f"print(student({turns!r}, max_new_tokens=256)[0]['generated_text'][-1]['content'])",
    ]
