"""What the study reads from a comparison's runs: accuracy on mixtures of levels, and what was selected."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from teachback.build.run import tokenizer_count
from teachback.build.task import make_task
from teachback.compare.arm_results import ArmResult, score_right
from teachback.compare.units import Unit
from teachback.config.config import Config
from teachback.run import history
from teachback.types import Attempt, Example, Item, Selection, Task

Score = Callable[[Item], float]

INSTRUCTIONS, REPLY = (
    80,
    8,
)  # tokens of a judge's prompt besides what it marks, and of its reply
PRICES = (1.0, 0.1)  # of a judge's token, in the teacher's


def uniform(config: Config) -> Score:
    """Proof and label right, on as many questions of each level."""
    return score_right


def pool(config: Config) -> Score:
    """The same on the pool's own mixture of levels: a question counts by how often its level occurs there."""
    task = make_task(config.task, config.repeat)
    weight = weights(task)
    level = levels(task, task.test)
    return lambda item: score_right(item) * weight[level[item.id]]


def labels(config: Config) -> Score:
    """The label alone, however it was come by."""
    return lambda item: float(item.answer_right)


def hardest(config: Config) -> Score:
    """The uniform accuracy's part that is due to the highest level."""
    task = make_task(config.task, config.repeat)
    level = levels(task, task.test)
    top = max(level.values())
    share = fmean(one == top for one in level.values())
    return lambda item: score_right(item) * (level[item.id] == top) / share


SCORES: Mapping[str, Callable[[Config], Score]] = {
    "uniform": uniform,
    "pool": pool,
    "labels": labels,
    "hardest": hardest,
}


def weights(task: Task) -> dict[Any, float]:
    """Of each level of test: its share among the seeds whose level is tested, over its share of test."""
    tested, seeds = (
        Counter(levels(task, rows).values()) for rows in (task.test, task.seeds)
    )
    n = sum(seeds[level] for level in tested)
    return {
        level: (seeds[level] / n) / (k / len(task.test)) for level, k in tested.items()
    }


def levels(task: Task, rows: Sequence[Example]) -> dict[str, Any]:
    """By id, what the task tells its questions apart by: hops, or a form."""
    return {example.id: example.meta[task.by[0]] for example in rows}


def chosen(unit: Unit) -> list[dict[str, Any]]:
    """Of each round: picks by level, how many of them the student fails, and how well the score tells what it fails."""
    task = make_task(unit.config.task, unit.config.repeat)
    seeds, level = (
        {example.id: example for example in task.seeds},
        levels(task, task.seeds),
    )
    found = []
    for r, done in enumerate(history.read_history(unit.folder).rounds):
        attempts: Sequence[Attempt] = history.read_step(
            unit.folder / f"round-{r:02d}", "attempt"
        ).rows
        fails = {
            a.id: a.truncated or task.grade(seeds[a.id], a.text).outcome != "right"
            for a in attempts
        }
        picked = [pick.seed for pick in done.chosen.picks]
        found.append(
            {
                "picked": dict(
                    sorted(Counter(str(level[id]) for id in picked).items())
                ),
                "fails": fmean(fails[id] for id in picked),
                "fails_in_pool": fmean(fails.values()),
                "length_rho": done.chosen.length_rho,
                "row_rho": done.transfer.row_rho,
                **told(done.chosen, fails, level),
            }
        )
    return found


def by_level(unit: Unit) -> list[dict[str, float]]:
    """Accuracy on each level of test, of the untuned student and after the last round."""
    first, last = (
        unit.folder / "round-00",
        unit.folder / f"round-{len(history.read_history(unit.folder).rounds) - 1:02d}",
    )
    reports = [history.read_step(first, "test-baseline"), history.read_step(last, "test")]
    return [
        {
            level: one.right / one.n
            for level, one in next(iter(report.by.values())).items()
        }
        for report in reports
    ]


def told(
    selection: Selection, fails: Mapping[str, bool], level: Mapping[str, Any]
) -> dict[str, float | None]:
    """AUROC of the score for failure; within levels, as the mean over the pairs that are of one level."""
    scores = dict(selection.scores)
    if not scores:
        return {"auroc": None, "auroc_within": None}
    counted = [
        pairs(
            [scores[id] for id in ids if fails[id]],
            [scores[id] for id in ids if not fails[id]],
        )
        for ids in (
            [id for id in scores if level[id] == one]
            for one in {level[id] for id in scores}
        )
    ]
    whole = pairs(
        [s for id, s in scores.items() if fails[id]],
        [s for id, s in scores.items() if not fails[id]],
    )
    won, n = (sum(column) for column in zip(*counted, strict=True))
    return {
        "auroc": whole[0] / whole[1] if whole[1] else None,
        "auroc_within": won / n if n else None,
    }


def pairs(failed: Sequence[float], solved: Sequence[float]) -> tuple[float, int]:
    """In how many pairs the failed one has the larger score, ties as halves; and how many pairs there are."""
    if not failed or not solved:
        return 0.0, 0
    below = np.searchsorted(np.sort(solved), failed, "left").sum()
    upto = np.searchsorted(np.sort(solved), failed, "right").sum()
    return float(below + upto) / 2, len(failed) * len(solved)


def judged(unit: Unit, price: float) -> list[float]:
    """What a scripted judge's marks would have cost by the end of each round, in the teacher's tokens: it reads
    INSTRUCTIONS, the question and the attempt and writes REPLY tokens, each at `price` times the teacher's."""
    if not unit.arm.startswith("judge"):
        return [0.0] * (len(history.read_history(unit.folder).rounds) + 1)
    count = tokenizer_count(Path(unit.config.student.model))
    task, costs = make_task(unit.config.task, unit.config.repeat), [0.0]
    asked = {example.id: count(example.question) for example in task.seeds}
    for r in range(len(history.read_history(unit.folder).rounds)):
        folder = unit.folder / f"round-{r:02d}"
        answered = {a.id: a.n_tokens for a in history.read_step(folder, "attempt").rows}
        marked = history.read_step(folder, "gather").seeds
        costs.append(
            sum(INSTRUCTIONS + asked[id] + answered[id] + REPLY for id in marked)
            * price
        )
    return [sum(costs[: i + 1]) for i in range(len(costs))]


def with_judging(measured: ArmResult, unit: Unit, price: float) -> ArmResult:
    """The same curve against all that it cost."""
    tokens = tuple(
        round(a + b)
        for a, b in zip(measured.curve.tokens, judged(unit, price), strict=True)
    )
    return replace(measured, curve=replace(measured.curve, tokens=tokens))
