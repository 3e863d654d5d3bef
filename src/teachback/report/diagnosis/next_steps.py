"""What to try next, with values made from the run's own."""

from collections import Counter
from collections.abc import Mapping
from math import ceil, floor, log10

from ...curate.draft_yield import find_fix
from ...metrics.statistics import questions_to_show
from .evidence import RunEvidence
from .values import NextStep

MAX_EPOCHS = 10
MAX_HOPS = 6  # of ProntoQA's program
# Settings that say how many questions dev has, the first that holds a number.
FILE_DEV_KEY = "task.n_dev"
DEV_KEYS = ("task.dev", FILE_DEV_KEY)
# A task's setting of how hard its questions are, from the easiest to the hardest, and its limit.
LEVEL_KEYS: Mapping[str, int | None] = {"task.hops": MAX_HOPS, "task.levels": None}

LARGER_STUDENT = NextStep(
    "a larger student (student.model) may learn it from these rows"
)
SEE_FAILURES = NextStep(
    "read the failed answers in the last round's evaluate.json, and the teacher's rows with "
    "`teachback show RUN`"
)


def harder_questions(evidence: RunEvidence) -> tuple[NextStep, ...]:
    for key, limit in LEVEL_KEYS.items():
        levels = evidence.settings.get(key)
        if isinstance(levels, list) and len(levels) == 2:
            easiest, hardest = levels[1], levels[1] + 2
            if limit is not None:
                hardest = min(hardest, limit)
            if hardest > levels[1]:
                reason = "questions that the untuned student fails"
                return (NextStep(reason, key, [easiest, hardest]),)
    return (
        NextStep(
            "give harder questions, or keep the student: it does this task already"
        ),
    )


def keep_what_was_gained(evidence: RunEvidence) -> tuple[NextStep, ...]:
    steps = []
    if evidence.settings.get("keep") != "best":
        steps.append(
            NextStep("hands over the student of the best round", "keep", "best")
        )
    if evidence.settings.get("finetune.restart") == "continue":
        reason = (
            "each round starts from the untuned student, so that none is trained on end"
        )
        steps.append(NextStep(reason, "finetune.restart", "base"))
    return (*steps, *lower_rate(evidence, 2))


def gentler_training(evidence: RunEvidence) -> tuple[NextStep, ...]:
    steps = [*lower_rate(evidence, 4)]
    epochs = evidence.number("finetune.epochs")
    if epochs is not None and epochs > 2:
        steps.append(
            NextStep(
                "fewer passes over the same rows", "finetune.epochs", int(epochs) // 2
            )
        )
    return tuple(steps)


def lower_rate(evidence: RunEvidence, factor: float) -> tuple[NextStep, ...]:
    rate = evidence.number("finetune.lr")
    if rate is None:
        return (NextStep("lower finetune.lr"),)
    value = round_rate(rate / factor)
    return (
        NextStep(
            f"smaller updates: it was {rate:g} (auto: by the student's size)",
            "finetune.lr",
            value,
        ),
    )


def more_room(evidence: RunEvidence) -> tuple[NextStep, ...]:
    tokens = evidence.number("student.max_new_tokens")
    if tokens is None:
        return (NextStep("raise student.max_new_tokens"),)
    reason = "room for whole answers"
    return (NextStep(reason, "student.max_new_tokens", 2 * int(tokens)),)


def right_form(evidence: RunEvidence, is_new: bool) -> tuple[NextStep, ...]:
    """is_new: more answers are unreadable than before the run."""
    if is_new:
        return (
            NextStep(
                "compare how the rows end (`teachback show RUN`) with how answers must: "
                "docs/tasks.md"
            ),
            *more_training(evidence),
        )
    key = (
        "task.instruction"
        if "task.instruction" in evidence.settings
        else "student.system"
    )
    return (
        NextStep(f"say in {key} how an answer ends, in the rows' words"),
        *more_training(evidence),
    )


def grade_all() -> tuple[NextStep, ...]:
    return (
        NextStep(
            "see why in the last round's evaluate.json: the judge, or what grades, did not answer"
        ),
    )


def better_drafts(evidence: RunEvidence, reasons: Counter[str]) -> tuple[NextStep, ...]:
    words = NextStep(find_fix(reasons))
    if "cut off" not in reasons.most_common(1)[0][0]:
        return (words,)
    keys = ("teacher.max_tokens_question", "teacher.max_tokens_answer")
    caps = [(key, evidence.number(key)) for key in keys]
    steps = [
        NextStep("the teacher's replies were cut off", key, 2 * int(cap))
        for key, cap in caps
        if cap is not None
    ]
    return tuple(steps) or (words,)


def more_steps(evidence: RunEvidence, steps: int, enough: int) -> tuple[NextStep, ...]:
    """Smaller steps first: they cost nothing."""
    more = enough / max(steps, 1)
    rows_per_step = int(evidence.number("finetune.rows_per_step") or 1)
    made = [*more_rows(evidence, min(ceil(more), 4))]
    if rows_per_step > 1:
        smaller = max(1, floor(rows_per_step / more))
        reason = "more and smaller steps on the same rows"
        made.insert(0, NextStep(reason, "finetune.rows_per_step", smaller))
    else:
        made = [*more_training(evidence), *made]
    return tuple(made)


def more_training(evidence: RunEvidence) -> tuple[NextStep, ...]:
    epochs = evidence.number("finetune.epochs")
    if epochs is None or epochs >= MAX_EPOCHS:
        return ()
    value = min(2 * int(epochs), MAX_EPOCHS)
    return (NextStep("more passes over the rows", "finetune.epochs", value),)


def bolder_training(evidence: RunEvidence) -> tuple[NextStep, ...]:
    rate = evidence.number("finetune.lr")
    if rate is None:
        return (NextStep("raise finetune.lr"), *more_training(evidence))
    reason = f"larger updates: it was {rate:g} (auto: by the student's size)"
    return (
        NextStep(reason, "finetune.lr", round_rate(3 * rate)),
        *more_training(evidence),
    )


def more_to_learn(evidence: RunEvidence) -> tuple[NextStep, ...]:
    return (*more_rows(evidence, 2), LARGER_STUDENT)


def more_rows(evidence: RunEvidence, factor: int) -> tuple[NextStep, ...]:
    """Rounds may be added to a run, if its budget has room for them."""
    rounds = factor * len(evidence.rounds)
    steps = []
    if evidence.number("rounds") is not None:
        steps.append(NextStep("more rows", "rounds", rounds))
    per_round = evidence.number("per_round")
    limit = evidence.number("budget.generated")
    if limit is not None and per_round is not None and rounds * per_round > limit:
        pairs = int(rounds * per_round)
        steps.append(NextStep("pays for them", "budget.generated", pairs))
    return tuple(steps) or (NextStep("more rows: raise the budget"),)


def count_questions_needed(evidence: RunEvidence, gain: float) -> int:
    """Rounded up to two digits: it is an estimate."""
    outcomes = [
        (before.outcome == "right", after.outcome == "right")
        for before, after in evidence.pairs
    ]
    n_changed = sum(before != after for before, after in outcomes)
    needed = questions_to_show(gain, n_changed / len(outcomes))
    unit: int = 10 ** max(floor(log10(needed)) - 1, 0)
    return ceil(needed / unit) * unit


def more_questions(evidence: RunEvidence, needed: int) -> tuple[NextStep, ...]:
    for key in DEV_KEYS:
        if evidence.number(key) is not None:
            reason = "enough to show a gain of 5 points"
            # A program makes as many as are asked for.
            if key == FILE_DEV_KEY:
                reason += ", if the file has so many rows"
            return (NextStep(reason, key, needed),)
    return (
        NextStep(f"give {needed:,} dev questions: enough to show a gain of 5 points"),
    )


def round_rate(rate: float) -> float:
    """One significant digit."""
    return float(f"{rate:.0e}")
