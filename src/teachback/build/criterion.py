"""From the config to the criterion and its rule, checked against the data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..config.config import Config
from ..config.functions import import_function
from ..criteria import CRITERIA
from ..criteria.candidates import count_candidates
from ..criteria.criterion import (
    COSTLY_NEEDS,
    Criterion,
    CriterionSettings,
)
from ..criteria.function import FunctionSettings
from ..criteria.requirements import check_candidate_count, check_requirements
from ..criteria.rules import RULES, Rule, RuleSettings
from ..types import Task


def make_criterion(settings: CriterionSettings, folder: Path) -> Criterion:
    """folder: where files with the user's own functions are looked for."""
    if isinstance(settings, FunctionSettings):
        function = import_criterion(settings, folder)[0]
        return Criterion(function, settings.kind, frozenset(settings.needs))
    return CRITERIA[settings.name].bind(settings, CRITERIA)


def import_criterion(
    settings: FunctionSettings, folder: Path
) -> tuple[Callable[..., Any], bytes]:
    """The user's function and its source, which is part of the run's identity."""
    parameters = "(evidence)"
    example = "return [attempt.n_tokens for attempt in evidence.attempts]"
    if settings.kind == "chooser":
        parameters = "(evidence, m, draws)"
        example = "return evidence.candidates[:m]"
    return import_function(
        settings.function, folder, "criterion.function", parameters, example
    )


def make_rule(settings: RuleSettings | None) -> Rule:
    settings = settings or RuleSettings()
    return RULES[settings.name].bind(settings)


def candidate_count(config: Config, criterion: Criterion) -> int | None:
    """How many seeds the criterion scores each round; None: the whole pool."""
    costly = bool(COSTLY_NEEDS & criterion.needs)
    return count_candidates(config.candidates, config.per_round, costly=costly)


def check_criterion(config: Config, task: Task) -> None:
    """Raises ConfigError or DataError where the seeds lack what the criterion needs."""
    criterion = make_criterion(config.criterion, Path.cwd())
    check_requirements(
        config.criterion.name,
        criterion,
        config.rule,
        task,
        has_judge=config.judge is not None,
    )
    check_candidate_count(candidate_count(config, criterion), config.per_round)
