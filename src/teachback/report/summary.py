"""A run in words: before and after, what was bought and what became of it, where everything lies."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..costs import PICO, Spend
from ..types import Example, Report, Round
from .figures import cents


def percent(report: Report) -> str:
    return f"{report.accuracy:.0%} [{report.low:.0%}, {report.high:.0%}]"


def round_line(r: int, finished: Round) -> str:
    fresh, transfer = finished.fresh, finished.transfer
    parts = [f"{len(fresh.rows)} of {len(fresh.rows) + len(fresh.rejected)} rows accepted"]
    if transfer.seed_median is not None and transfer.row_median is not None:
        parts.append(f"median loss of seeds {transfer.seed_median:.3f} and of their rows {transfer.row_median:.3f}")
    if transfer.row_rho is not None:
        parts.append(f"row by row rho {transfer.row_rho:+.2f}")
    return f"round {r}: {', '.join(parts)}; dev {percent(finished.report)}"


def yield_lines(rounds: Sequence[Round]) -> list[str]:
    """How many pairs were generated, how many accepted, and why the others were not."""
    rejected = [x for r in rounds for x in r.fresh.rejected]
    accepted = [row for r in rounds for row in r.fresh.rows]
    reasons = Counter(x.reason.partition(":")[0] for x in rejected)
    unverified = sum(not row.verified for row in accepted)
    line = f"{len(accepted) + len(rejected)} rows generated, {len(accepted)} accepted"
    if unverified:
        line += f" ({unverified} of them unverified: nothing here can prove their answers)"
    return [line, *(f"  {n} not accepted: {reason}" for reason, n in reasons.most_common())]


def spend_line(spend: Spend) -> str:
    line = f"teacher: {spend.calls} calls, {spend.input_tokens:,} tokens in, {spend.output_tokens:,} out"
    if spend.usd:
        line += f", ${cents(spend.usd / PICO)}" + (" and calls of unknown price" if spend.unpriced_calls else "")
    if spend.in_doubt_calls:
        line += f"; {spend.in_doubt_calls} calls in doubt, charged in full ({spend.in_doubt_tokens:,} tokens)"
    if spend.estimated_calls:
        line += f"; {spend.estimated_calls} calls without usage, charged at their worst case"
    return line


def learned(baseline: Report, after: Report, examples: Sequence[Example], n: int = 3) -> list[str]:
    """Up to n questions that were wrong before and are right after."""
    before = {item.id: item for item in baseline.items}
    questions = {e.id: e.question for e in examples}
    gained = [item for item in after.items if item.outcome == "right" and before[item.id].outcome != "right"]
    lost = sum(item.outcome != "right" and before[item.id].outcome == "right" for item in after.items)
    lines = [f"{len(gained)} questions were wrong before and are right now; {lost} the other way round"]
    for item in gained[:n]:
        lines += [f"  asked   {questions[item.id]}", f"  before  {before[item.id].text}", f"  now     {item.text}", ""]
    return [line.replace("\n", "\n          ") for line in lines]


def use_lines(student: Path, system: str | None) -> list[str]:
    """The three lines of Python that use the student."""
    turns = ([{"role": "system", "content": system}] if system is not None else []) + [{"role": "user", "content": "…"}]
    return [
        "from transformers import pipeline",
        f"student = pipeline('text-generation', {str(student)!r})",
        f"print(student({turns!r}, max_new_tokens=256)[0]['generated_text'][-1]['content'])",
    ]
