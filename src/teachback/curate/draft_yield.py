"""Stops a run whose drafts can't be used, before its budget is spent on them."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from ..errors import LowYield
from ..types import Curation, Draft, Pick, Rejection, Round, Verdict

MIN_TRIAL_DRAFTS = 8
TRIAL_SHARE = 0.05  # of the pairs that the run may buy
MAX_REPLIES = 3
MAX_REPLY_CHARS = 600
MAX_REASONS = 5

# What to change, by the first pattern that a reason matches.
FIXES = (
    ("cut off", "raise teacher.max_tokens_question or teacher.max_tokens_answer (a model that "
     "thinks needs far more; teacher.options may switch its thinking off)"),
    ("^unparsed|no final answer", "the answers don't end as the task's grader reads them: say in "
     "the prompt how an answer ends (teacher.prompts: a folder of your own)"),
    ("no question|no solution|longer than", "the replies don't keep to the form that the prompt "
     "asks for: try another prompt (teacher.prompts) or a model that follows it"),
    ("^wrong|^disagreement|^truncated|^timed_out", "the answers are wrong: try a stronger model, "
     "or easier seeds"),
    ("HTTP|no answer in", "the endpoint doesn't answer these requests: see the reason above"),
    ("refused|content filter", "the model declines: other seeds, another prompt or model"),
    ("duplicate|contaminated", "the teacher repeats itself or the data: raise "
     "teacher.options.temperature, or give more seeds"),
    ("", "see what the server sends: are teacher.base_url and teacher.model right, and is it a "
     "chat model?"),
)  # fmt: skip


@dataclass(frozen=True)
class YieldRule:
    """After `trial` drafts, at least the share `min_yield` of all drafts must be usable."""

    trial: int
    min_yield: float

    def is_too_low(self, n_drafts: int, n_usable: int) -> bool:
        return n_drafts >= self.trial and n_usable / n_drafts < self.min_yield

    def next_check(self, n_drafts: int, n_usable: int) -> float:
        """The number of drafts at which the yield can next be too low."""
        if not self.min_yield:
            return float("inf")
        return max(self.trial, int(n_usable / self.min_yield) + 1, n_drafts + 1)


def make_yield_rule(
    trial: int | None, min_yield: float, max_pairs: int | None
) -> YieldRule:
    """max_pairs: that the run may buy; None: no limit."""
    if trial is None:
        trial = max(MIN_TRIAL_DRAFTS, ceil(TRIAL_SHARE * (max_pairs or 0)))
    return YieldRule(trial, min_yield)


@dataclass(frozen=True)
class YieldWatch:
    rule: YieldRule
    verify: Callable[[Sequence[Draft]], tuple[Verdict, ...]]
    # find_reply(seed, n): what the teacher wrote last for that pair, as it came
    find_reply: Callable[[str, int], str]

    def generate(
        self,
        buy: Callable[[Sequence[Pick]], Sequence[Draft]],
        picks: Sequence[Pick],
        past: Sequence[Round],
    ) -> tuple[Draft, ...]:
        """The drafts of all picks, without those that the budget can't pay for.

        They are bought up to the next number at which the yield can be too low, and checked. Where
        that is depends on the drafts alone, so a resumed run stops at the same one, and buys
        nothing before it. Drafts that can be used push it ten times as far as they are many, by
        default: a good teacher is seldom waited for. Raises LowYield.
        """
        n_before = sum(count_drafts(finished.fresh) for finished in past)
        n_usable = sum(len(finished.fresh.rows) for finished in past)
        drafts: list[Draft] = []
        refused: list[Rejection] = []
        while len(drafts) < len(picks):
            start = len(drafts)
            check = self.rule.next_check(n_before + start, n_usable)
            end = int(min(check - n_before, len(picks)))
            bought = buy(picks[start:end])
            drafts += bought
            if end == len(picks) or len(bought) < end - start:
                break  # the round's end: curation sees more
            verdicts = self.verify(bought)
            fresh = [rejection_of(verdict) for verdict in verdicts if verdict.reason]
            refused += fresh
            n_usable += len(bought) - len(fresh)
            self.check(n_before + end, n_usable, refused)
        return tuple(drafts)

    def check_round(self, past: Sequence[Round], fresh: Curation) -> None:
        """At a round's end. Rows that are too like others count as not usable. Raises LowYield."""
        curations = [*(finished.fresh for finished in past), fresh]
        n_drafts = sum(map(count_drafts, curations))
        n_usable = sum(len(curation.rows) for curation in curations)
        self.check(n_drafts, n_usable, fresh.rejected)

    def check(self, n_drafts: int, n_usable: int, refused: Sequence[Rejection]) -> None:
        if self.rule.is_too_low(n_drafts, n_usable):
            raise explain_low_yield(
                self.rule, n_drafts, n_usable, refused, self.find_reply
            )


def count_drafts(curation: Curation) -> int:
    return len(curation.rows) + len(curation.rejected)


def rejection_of(verdict: Verdict) -> Rejection:
    return Rejection(verdict.seed, verdict.n, verdict.reason or "")


def explain_low_yield(
    rule: YieldRule,
    n_drafts: int,
    n_usable: int,
    refused: Sequence[Rejection],
    find_reply: Callable[[str, int], str],
) -> LowYield:
    counts = Counter(rejection.reason.partition(":")[0] for rejection in refused)
    reasons = [f"{n} {reason}" for reason, n in counts.most_common(MAX_REASONS)]
    replies = [
        quote_reply(rejection, find_reply(rejection.seed, rejection.n))
        for rejection in refused[:MAX_REPLIES]
    ]
    return LowYield(
        f"{n_usable} of the teacher's {n_drafts} drafts can be used, so no more are bought",
        got="\n  ".join([", ".join(reasons), *replies]),
        allowed=f"{rule.min_yield:.0%} or more (budget.min_yield) after {rule.trial} drafts "
        "(budget.trial_drafts)",
        fix=f"{find_fix(counts)}. `teachback show RUN --rejected` shows every reply. "
        "What a run asks with can't change under it: with other prompts, caps or another model "
        "use another --run-dir. If the cause lay with the server, or to go on all the same, raise "
        "budget.trial_drafts or lower budget.min_yield and run the same command",
    )


def quote_reply(rejection: Rejection, reply: str) -> str:
    text = reply.strip() or "(no text)"
    if len(text) > MAX_REPLY_CHARS:
        text = f"{text[:MAX_REPLY_CHARS]} … ({len(text)} characters)"
    lines = text.replace("\n", "\n      ")
    return f"{rejection.seed}, {rejection.reason}:\n      {lines}"


def find_fix(counts: Counter[str]) -> str:
    """What the most common reason asks for."""
    reason = counts.most_common(1)[0][0] if counts else ""
    return next(fix for pattern, fix in FIXES if re.search(pattern, reason))
