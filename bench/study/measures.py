"""What the study reads from a comparison's runs.

That is accuracy on mixtures of levels, and what was selected.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from teachback.build.task import make_task
from teachback.compare.arm_results import ArmResult, score_accuracy
from teachback.compare.units import Unit
from teachback.config.config import Config
from teachback.run import history
from teachback.student.token_counts import make_token_counter
from teachback.types import Example, ReportItem, Round, Selection, Task

Score = Callable[[ReportItem], float]

# Tokens of a judge's prompt besides what it marks, and of its reply.
INSTRUCTION_TOKENS = 80
REPLY_TOKENS = 8
# Prices of a judge's token, in the teacher's.
PRICES = (1.0, 0.1)


def uniform_score(config: Config) -> Score:
    """Proof and label right, on as many questions of each level."""
    return score_accuracy


def pool_score(config: Config) -> Score:
    """The same on the pool's own mixture: a question counts by its level's share there."""
    task = make_task(config.task, config.repeat)
    weight = level_weights(task)
    level = level_by_id(task, task.test)
    return lambda item: score_accuracy(item) * weight[level[item.id]]


def label_score(config: Config) -> Score:
    """The label alone, whatever the proof."""
    return lambda item: float(item.answer_right)


def hardest_score(config: Config) -> Score:
    """The part of the uniform accuracy that comes from the highest level."""
    task = make_task(config.task, config.repeat)
    level = level_by_id(task, task.test)
    highest = max(level.values())
    share = fmean(one == highest for one in level.values())
    return lambda item: score_accuracy(item) * (level[item.id] == highest) / share


SCORES: Mapping[str, Callable[[Config], Score]] = {
    "uniform": uniform_score,
    "pool": pool_score,
    "labels": label_score,
    "hardest": hardest_score,
}


def level_weights(task: Task) -> dict[Any, float]:
    """By level of test: its share among the seeds, over its share of test.

    Seeds whose level is not tested don't count.
    """
    test = Counter(level_by_id(task, task.test).values())
    seeds = Counter(level_by_id(task, task.seeds).values())
    n_seeds = sum(seeds[level] for level in test)
    return {
        level: (seeds[level] / n_seeds) / (n / len(task.test))
        for level, n in test.items()
    }


def level_by_id(task: Task, examples: Sequence[Example]) -> dict[str, Any]:
    """The level is the first meta field that the task reports: hops, or a form."""
    return {example.id: example.meta[task.by[0]] for example in examples}


def describe_selections(unit: Unit) -> list[dict[str, Any]]:
    """By round: picks by level, how many the student fails, how well scores tell that."""
    task = make_task(unit.config.task, unit.config.repeat)
    rounds = history.read_history(unit.folder).rounds
    return [describe_selection(unit, task, r, one) for r, one in enumerate(rounds)]


def describe_selection(
    unit: Unit, task: Task, r: int, finished: Round
) -> dict[str, Any]:
    fails = find_failures(unit, task, r)
    level = level_by_id(task, task.seeds)
    picks = [pick.seed for pick in finished.chosen.picks]
    counts = Counter(str(level[id]) for id in picks)
    return {
        "picked": dict(sorted(counts.items())),
        "fails": fmean(fails[id] for id in picks),
        "fails_in_pool": fmean(fails.values()),
        "length_rho": finished.chosen.length_rho,
        "row_rho": finished.transfer.row_rho,
        **failure_auroc(finished.chosen, fails, level),
    }


def find_failures(unit: Unit, task: Task, r: int) -> dict[str, bool]:
    """By seed: whether the student of round r fails it."""
    seeds = {example.id: example for example in task.seeds}
    fails = {}
    for attempt in history.read_step(round_folder(unit, r), "attempt").rows:
        grade = task.grade(seeds[attempt.id], attempt.text)
        fails[attempt.id] = attempt.truncated or grade.outcome != "right"
    return fails


def round_folder(unit: Unit, r: int) -> Path:
    return unit.folder / f"round-{r:02d}"


def accuracy_by_level(unit: Unit) -> list[dict[str, float]]:
    """On test: of the untuned student, and after the last round."""
    last = len(history.read_history(unit.folder).rounds) - 1
    reports = [
        history.read_step(round_folder(unit, 0), "test-baseline"),
        history.read_step(round_folder(unit, last), "test"),
    ]
    accuracies = []
    for report in reports:
        shares = next(iter(report.by.values()))
        accuracies.append({level: one.right / one.n for level, one in shares.items()})
    return accuracies


def failure_auroc(
    selection: Selection, fails: Mapping[str, bool], level: Mapping[str, Any]
) -> dict[str, float | None]:
    """AUROC of the score for failure: over all pairs, and over pairs of one level."""
    scores = dict(selection.scores)
    if not scores:
        return {"auroc": None, "auroc_within": None}

    won, pairs = count_won_pairs(scores, fails, list(scores))
    won_within, pairs_within = 0.0, 0
    for one in {level[id] for id in scores}:
        ids = [id for id in scores if level[id] == one]
        won_here, pairs_here = count_won_pairs(scores, fails, ids)
        won_within += won_here
        pairs_within += pairs_here
    return {
        "auroc": won / pairs if pairs else None,
        "auroc_within": won_within / pairs_within if pairs_within else None,
    }


def count_won_pairs(
    scores: Mapping[str, float], fails: Mapping[str, bool], ids: Sequence[str]
) -> tuple[float, int]:
    """Pairs where the failed seed has the larger score (ties count half), and all pairs."""
    failed = [scores[id] for id in ids if fails[id]]
    solved = np.sort([scores[id] for id in ids if not fails[id]])
    if not failed or not len(solved):
        return 0.0, 0

    below = np.searchsorted(solved, failed, "left").sum()
    up_to = np.searchsorted(solved, failed, "right").sum()
    return float(below + up_to) / 2, len(failed) * len(solved)


def judging_tokens(unit: Unit, price: float) -> list[float]:
    """The cost of a scripted judge's marks by the end of each round, in teacher tokens.

    The judge reads its instructions, the question and the attempt, and writes its reply.
    Each token costs `price` of the teacher's.
    """
    rounds = len(history.read_history(unit.folder).rounds)
    if not unit.arm.startswith("judge"):
        return [0.0] * (rounds + 1)

    count_tokens = make_token_counter(Path(unit.config.student.model))
    task = make_task(unit.config.task, unit.config.repeat)
    question_tokens = {one.id: count_tokens(one.question) for one in task.seeds}
    costs = [0.0]
    for r in range(rounds):
        folder = round_folder(unit, r)
        attempts = history.read_step(folder, "attempt").rows
        answer_tokens = {attempt.id: attempt.n_tokens for attempt in attempts}
        tokens = 0
        for id in history.read_step(folder, "gather").seeds:
            tokens += INSTRUCTION_TOKENS + question_tokens[id]
            tokens += answer_tokens[id] + REPLY_TOKENS
        costs.append(tokens * price)
    return list(accumulate(costs))


def add_judging(result: ArmResult, unit: Unit, price: float) -> ArmResult:
    """The same curve against everything that it cost."""
    judging = judging_tokens(unit, price)
    pairs = zip(result.curve.tokens, judging, strict=True)
    tokens = tuple(round(bought + judged) for bought, judged in pairs)
    return replace(result, curve=replace(result.curve, tokens=tokens))
