"""From the config to the selector, which uses the criterion and its rule."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from random import Random

from ..config.config import Config
from ..criteria.gatherers import Gatherer
from ..criteria.selection_steps import SelectionSteps
from ..rng import draw
from ..run.directory import Run
from ..student.responder import Responder
from ..types import Task
from .criterion import candidate_count, make_criterion, make_rule


def make_selection_steps(
    config: Config,
    run: Run,
    task: Task,
    responder: Responder,
    gatherers: Mapping[str, Gatherer],
) -> SelectionSteps:
    """gatherers: see `gatherers.make_gatherers`."""
    criterion = make_criterion(config.criterion, Path.cwd())
    draw_for_run: Callable[[str, str, int], Random] = partial(
        draw, config.seed, config.repeat
    )
    return SelectionSteps(
        name=config.criterion.name,
        criterion=criterion,
        rule=make_rule(config.rule),
        seeds=task.seeds,
        draw=draw_for_run,
        per_round=config.per_round,
        reuse=config.reuse_seeds,
        candidate_count=candidate_count(config, criterion),
        attempt_pool=responder.collect_attempts,
        gatherers=gatherers,
        load_array=run.load_array,
    )
