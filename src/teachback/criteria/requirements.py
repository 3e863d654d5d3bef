"""What a criterion and its rule require of the data, checked before anything is asked."""

from collections.abc import Sequence

from ..errors import ConfigError, DataError
from ..types import Example, Task
from .criterion import NEEDS, Criterion
from .rules import RuleSettings, StratifiedSettings


def check_requirements(
    name: str,
    criterion: Criterion,
    rule: RuleSettings | None,
    task: Task,
    *,
    has_judge: bool,
) -> None:
    """Raises ConfigError or DataError. has_judge: an LLM judge grades the student's answers."""
    if rule is not None and not criterion.gives_scores:
        raise ConfigError(
            f"the criterion {name} picks the seeds itself",
            got=f"rule: {rule.name}",
            fix="leave rule out",
        )
    if isinstance(rule, StratifiedSettings):
        check_strata(rule.by, task.seeds)

    if unknown := sorted(criterion.needs - set(NEEDS)):
        raise ConfigError(
            f"criterion {name}: unknown needs",
            got=", ".join(unknown),
            allowed=", ".join(NEEDS),
        )
    if {"right", "gold"} & criterion.needs:
        missing_ids = [seed.id for seed in task.seeds if seed.answer is None]
        require_gold(name, "answers", missing_ids, "answers")
    if {"gold_nll", "gold_gradients"} & criterion.needs:
        missing_ids = [seed.id for seed in task.seeds if task.target(seed) is None]
        require_gold(name, "solutions", missing_ids, "worked solutions")
    if has_judge and {"right", "samples"} & criterion.needs:
        raise ConfigError(
            f"the criterion {name} grades the seeds' answers, and here a judge grades: "
            "a call for each of them",
            got="task.grader: judge",
            fix="choose a criterion that needs no grades, such as loss, "
            "or criterion: {name: judge, …} within a budget",
        )


def check_strata(field: str, seeds: Sequence[Example]) -> None:
    missing_ids = [seed.id for seed in seeds if field not in seed.meta]
    if missing_ids:
        raise DataError(
            f"rule stratified: {len(missing_ids)} seeds have no {field}",
            got=", ".join(seeds[0].meta) or "no meta fields",
            fix="name a field that every seed has, such as a column of the data",
        )


def require_gold(name: str, gold: str, missing_ids: Sequence[str], remedy: str) -> None:
    """Raises DataError if there are seeds without gold, the missing_ids."""
    if missing_ids:
        raise DataError(
            f"the criterion {name} needs gold {gold}, and {len(missing_ids)} seeds have none",
            got=", ".join(missing_ids[:5]),
            fix=f"give the seeds {remedy}, or choose another criterion, such as loss",
        )


def check_candidate_count(count: int | None, per_round: int) -> None:
    if count is not None and count < per_round:
        raise ConfigError(
            "candidates is below per_round",
            got=count,
            allowed=f"{per_round} or more",
            fix="candidates: 10x",
        )
