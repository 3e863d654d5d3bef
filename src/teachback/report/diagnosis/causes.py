"""The links that can have failed. Each function says what the files show of its own, or None.

A function claims nothing that the files don't support: its thresholds stand at the top.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from ...types import Outcome, Report
from . import next_steps
from .evidence import NllChange, RunEvidence, measure_change
from .loops import ends_in_loop
from .values import Cause
from .words import shorten_text

SOLVED_ACCURACY = 0.9
MIN_SHARE = 0.2  # of the failed answers, for a kind of failure
MIN_ANSWERS = 2
WRONG_SHARE = 0.5  # of the failed answers
NLL_RISE = 0.05  # relative
NLL_FALL = 0.05
FLAT_NLL = 0.03
SAME_SHARE = 0.5  # of the questions
UNCHANGED_SHARE = 0.5  # of the answers that were not right before
REJECTED_SHARE = 0.3  # of the drafts
MOST_REJECTED = 0.5
FEW_STEPS = 50
# By the number of signs that the student barely changed.
STRENGTH_OF_SIGNS = (0.25, 0.7, 1.0)
GAIN_TO_SHOW = 0.05
MAX_KIND_CHARS = 100


def solved_already(evidence: RunEvidence) -> Cause | None:
    before = evidence.baseline
    has_fallen = evidence.after.accuracy < before.low
    if before.accuracy < SOLVED_ACCURACY or has_fallen:
        return None
    return Cause(
        "solved already",
        1.0,
        f"the untuned student had {before.right} of {before.n} dev questions right, so "
        f"{before.n - before.right} were left to gain",
        next_steps.harder_questions(evidence),
    )


def undone_later(evidence: RunEvidence) -> Cause | None:
    """An earlier round's student had gained."""
    earlier = [done.report for done in evidence.rounds[:-1]]
    gained = [
        r
        for r, report in enumerate(earlier)
        if measure_change(evidence.baseline, report).low > 0
    ]
    if not gained:
        return None
    best = max(gained, key=lambda r: earlier[r].accuracy)
    return Cause(
        "a later round undid it",
        1.0,
        f"round {best}'s student had {earlier[best].accuracy:.0%} right, the last one "
        f"{evidence.after.accuracy:.0%}",
        next_steps.keep_what_was_gained(evidence),
    )


def training_diverged(evidence: RunEvidence) -> Cause | None:
    """The gold solutions became less likely, or answers repeat themselves that did not before."""
    nll = evidence.nll
    has_risen = nll is not None and nll.is_sure and nll.relative >= NLL_RISE
    loops_before = loop_share(evidence.baseline)
    loops_after = loop_share(evidence.after)
    n_loops = round(loops_after * evidence.after.n)
    has_loops = loops_after - loops_before >= MIN_SHARE and n_loops >= MIN_ANSWERS
    # A student on its way may repeat itself too: then the gold solutions become likelier.
    if not has_risen and (not has_loops or has_learned(nll)):
        return None

    parts = []
    if nll is not None and has_risen:
        parts.append(f"{describe_nll(nll)}: it rose")
    if has_loops:
        parts.append(
            f"{n_loops} of {evidence.after.n} answers repeat themselves to their end "
            f"({loops_before:.0%} before)"
        )
    is_strong = has_loops or evidence.change.high < 0
    return Cause(
        "training diverged",
        1.0 if is_strong else 0.7,
        "; ".join(parts),
        next_steps.gentler_training(evidence),
    )


def student_collapsed(evidence: RunEvidence) -> Cause | None:
    """It says one thing, and that is no answer."""
    same = most_common_answer(evidence, is_readable=False)
    if same is None:
        return None
    return Cause(
        "student collapsed",
        1.0,
        f"{same}, which can't be read",
        next_steps.gentler_training(evidence),
    )


def answers_cut_off(evidence: RunEvidence) -> Cause | None:
    share, n = failure_share(evidence, "truncated")
    if share < MIN_SHARE or n < MIN_ANSWERS:
        return None
    finding = (
        f"{n} of {evidence.after.n} dev answers hit student.max_new_tokens"
        f"{describe_setting(evidence, 'student.max_new_tokens')}"
    )
    if evidence.cut_seeds:
        cut, seeds = evidence.cut_seeds
        finding += f", and so did {cut} of the last round's {seeds} answers to seeds"
    cut_pairs = [pair for pair in evidence.failed if pair[1].outcome == "truncated"]
    n_loops = sum(ends_in_loop(after.text) for _, after in cut_pairs)
    if n_loops > len(cut_pairs) / 2:
        # Whoever repeats himself fills any length.
        return Cause(
            "answers cut off",
            share / 2,
            f"{finding}; {n_loops} of them repeat themselves, so more room would not help",
            next_steps.more_training(evidence),
        )
    return Cause("answers cut off", share, finding, next_steps.more_room(evidence))


def wrong_form(evidence: RunEvidence) -> Cause | None:
    share, n = failure_share(evidence, "unparsed")
    if share < MIN_SHARE or n < MIN_ANSWERS:
        return None
    reasons = Counter(
        reason_kind(after.reason or "no reason")
        for _, after in evidence.failed
        if after.outcome == "unparsed"
    )
    before = evidence.baseline.outcomes.get("unparsed", 0)
    finding = (
        f"{n} of {evidence.after.n} dev answers can't be read as an answer "
        f"({before} before): {join_shares(reasons, n)}"
    )
    is_new = n > before
    return Cause("wrong form", share, finding, next_steps.right_form(evidence, is_new))


def not_graded(evidence: RunEvidence) -> Cause | None:
    kinds: Sequence[Outcome] = ("unjudged", "timed_out")
    shares = [failure_share(evidence, kind) for kind in kinds]
    share = sum(share for share, _ in shares)
    n = sum(n for _, n in shares)
    if share < MIN_SHARE or n < MIN_ANSWERS:
        return None
    reasons = Counter(
        reason_kind(after.reason or after.outcome)
        for _, after in evidence.failed
        if after.outcome in kinds
    )
    return Cause(
        "not graded",
        share,
        f"{n} of {evidence.after.n} dev answers have no grade: {join_shares(reasons, n)}",
        next_steps.grade_all(),
    )


def rows_rejected(evidence: RunEvidence) -> Cause | None:
    rejected = [
        rejection for done in evidence.rounds for rejection in done.fresh.rejected
    ]
    n_accepted = sum(len(done.fresh.rows) for done in evidence.rounds)
    n_drafts = len(rejected) + n_accepted
    if not n_drafts or len(rejected) / n_drafts < REJECTED_SHARE:
        return None
    reasons = Counter(reason_kind(rejection.reason) for rejection in rejected)
    share = len(rejected) / n_drafts
    strength = share
    if (evidence.n_steps or 0) >= FEW_STEPS:
        strength = share / 2  # rows enough for many steps remained
    elif share >= MOST_REJECTED:
        strength = 1.0  # it is why there were few rows
    return Cause(
        "rows rejected",
        strength,
        f"{len(rejected)} of {n_drafts} drafts did not become rows: "
        f"{join_shares(reasons, len(rejected))}",
        next_steps.better_drafts(evidence, reasons),
    )


def too_few_rows(evidence: RunEvidence) -> Cause | None:
    steps = evidence.n_steps
    if steps is None or steps >= FEW_STEPS:
        return None
    finding = (
        f"{count_things(evidence.n_rows, 'row')} made "
        f"{count_things(steps, 'optimiser step')} ({describe_training(evidence)})"
    )
    signs = signs_of_no_change(evidence)
    # Few steps alone are a hint. That the student barely changed is evidence.
    strength = STRENGTH_OF_SIGNS[len(signs)] if evidence.n_rows else 1.0
    return Cause(
        "too few rows",
        strength,
        "; ".join([finding, *signs]),
        next_steps.more_steps(evidence, steps, FEW_STEPS),
    )


def barely_changed(evidence: RunEvidence) -> Cause | None:
    """The student is what it was, after steps that were not few."""
    steps = evidence.n_steps
    signs = signs_of_no_change(evidence)
    if not signs or (steps is not None and steps < FEW_STEPS):
        return None
    strength = STRENGTH_OF_SIGNS[len(signs)]
    if steps is not None:
        signs.append(
            f"{steps} optimiser steps on {count_things(evidence.n_rows, 'row')} "
            f"({describe_training(evidence)})"
        )
    return Cause(
        "barely changed",
        strength,
        "; ".join(signs),
        next_steps.bolder_training(evidence),
    )


def wrong_content(evidence: RunEvidence) -> Cause | None:
    share, n = failure_share(evidence, "wrong")
    nll = evidence.nll
    if share < WRONG_SHARE or n < MIN_ANSWERS or (nll and not has_learned(nll)):
        return None
    parts = [f"{n} of {evidence.after.n} dev answers can be read and are wrong"]
    if nll is not None:
        parts.insert(0, f"{describe_nll(nll)}: it fell, and accuracy did not rise")
    same = most_common_answer(evidence, is_readable=True)
    if same is not None:
        parts.append(same)
    # Without gold solutions, nothing says that the student has learned anything.
    certainty = 0.9 if nll is not None else 0.5
    return Cause(
        "right form, wrong content",
        share * certainty,
        "; ".join(parts),
        next_steps.more_to_learn(evidence),
    )


def too_few_questions(evidence: RunEvidence) -> Cause | None:
    """The interval holds both no gain and one of five points."""
    change, n = evidence.change, len(evidence.pairs)
    if change.high < GAIN_TO_SHOW:
        return None
    width = (change.high - change.low) / 2
    needed = next_steps.count_questions_needed(evidence, GAIN_TO_SHOW)
    return Cause(
        "too few questions to tell",
        # A rise that may be noise is what more questions would settle.
        0.9 if change.change > 0 else min(0.2 + width, 0.5),
        f"{n} dev questions measure the change to ±{100 * width:.0f} points; a gain of "
        f"{100 * GAIN_TO_SHOW:.0f} points takes about {needed:,} to show",
        next_steps.more_questions(evidence, needed),
    )


# In the order in which equally strong causes are named: what comes first in a run, first.
CAUSES: Sequence[Callable[[RunEvidence], Cause | None]] = (
    solved_already,
    undone_later,
    training_diverged,
    student_collapsed,
    rows_rejected,
    too_few_rows,
    barely_changed,
    answers_cut_off,
    wrong_form,
    not_graded,
    wrong_content,
    too_few_questions,
)


# -- what the functions share ------------------------------------------------------------


def failure_share(evidence: RunEvidence, outcome: Outcome) -> tuple[float, int]:
    """(the outcome's share of the failed answers, how many have it)."""
    n = evidence.after.outcomes.get(outcome, 0)
    n_failed = evidence.after.n - evidence.after.right
    return (n / n_failed if n_failed else 0.0), n


def has_learned(nll: NllChange | None) -> bool:
    """Whether the gold solutions have become likelier for sure."""
    return nll is not None and nll.is_sure and nll.relative <= -NLL_FALL


def loop_share(report: Report) -> float:
    """Of answers that are not right: 0.3333333333 may be."""
    failed = [item for item in report.items if item.outcome != "right"]
    return sum(ends_in_loop(item.text) for item in failed) / report.n


def signs_of_no_change(evidence: RunEvidence) -> list[str]:
    """That the student barely changed. Questions that it had right before say nothing."""
    signs = []
    nll = evidence.nll
    if nll is not None and abs(nll.relative) < FLAT_NLL:
        signs.append(f"{describe_nll(nll)}: it hardly moved")
    texts = [
        (before.text, after.text)
        for before, after in evidence.pairs
        if before.outcome != "right"
    ]
    n_unchanged = sum(before == after for before, after in texts)
    has_moved = nll is not None and nll.is_sure and abs(nll.relative) >= NLL_FALL
    if texts and not has_moved and n_unchanged / len(texts) >= UNCHANGED_SHARE:
        signs.append(
            f"{n_unchanged} of {len(texts)} failed answers are word for word what they were"
        )
    return signs


def most_common_answer(evidence: RunEvidence, *, is_readable: bool) -> str | None:
    """That most questions get one answer now, though their gold answers differ.

    is_readable: whether the grader could read that answer.
    """
    n = len(evidence.pairs)
    texts_before = Counter(before.text.strip() for before, _ in evidence.pairs)
    texts = Counter(after.text.strip() for _, after in evidence.pairs)
    golds = Counter(before.gold for before, _ in evidence.pairs)
    text, count = texts.most_common(1)[0]
    outcomes = {
        after.outcome for _, after in evidence.pairs if after.text.strip() == text
    }
    was_so = texts_before[text] > count / 2
    is_due = max(golds.values()) > count / 2
    if count < max(SAME_SHARE * n, MIN_ANSWERS) or was_so or is_due:
        return None
    if bool(outcomes & {"truncated", "unparsed"}) == is_readable:
        return None
    return f"{count} of {n} questions get one and the same answer"


def reason_kind(reason: str) -> str:
    """The reason without its detail: "wrong: 3 is not 4" is "wrong"."""
    kind, _, _ = reason.partition(":")
    # Not a colon that stands in a quotation.
    return shorten_text(kind if kind.count('"') % 2 == 0 else reason, MAX_KIND_CHARS)


def count_things(n: int, name: str) -> str:
    return f"{n:,} {name}" if n == 1 else f"{n:,} {name}s"


def describe_nll(nll: NllChange) -> str:
    return f"dev gold nll went from {nll.before:.3f} to {nll.after:.3f}"


def describe_setting(evidence: RunEvidence, key: str) -> str:
    value = evidence.number(key)
    return f" ({value:g})" if value is not None else ""


def describe_training(evidence: RunEvidence) -> str:
    names = ("epochs", "rows_per_step", "lr")
    values = {name: evidence.number(f"finetune.{name}") for name in names}
    known = {name: value for name, value in values.items() if value is not None}
    return ", ".join(f"finetune.{name} {value:g}" for name, value in known.items())


def join_shares(reasons: Counter[str], n: int) -> str:
    """The three most common reasons with their shares: "60% unparsed, 20% wrong"."""
    return ", ".join(
        f"{count / n:.0%} {reason}" for reason, count in reasons.most_common(3)
    )
