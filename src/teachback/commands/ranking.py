"""`teachback select`: the criterion without the loop."""

from collections.abc import Callable

from ..build.gatherers import make_gatherers
from ..build.prepare import prepare_run
from ..build.selection_steps import make_selection_steps
from ..config.config import Config
from ..criteria.criterion import CriterionSettings
from ..criteria.function import FunctionSettings
from ..run.directory import Event, Run
from .results import RankedSeeds


def rank_seeds(config: Config, n: int, listen: Callable[[Event], None]) -> RankedSeeds:
    """The untuned student's n seeds, in a folder of their own beside the run's."""
    label = label_criterion(config.criterion)
    folder = config.run_dir.with_name(f"{config.run_dir.name}-select-{n}-{label}")
    config = config.model_copy(update={"per_round": n, "run_dir": folder})
    with (
        Run(config.run_dir, listen=listen) as opened,
        prepare_run(config, opened) as prepared,
    ):
        task, base, responder = prepared.task, prepared.base, prepared.responder
        gatherers = make_gatherers(config, opened, task, responder)
        selector = make_selection_steps(config, opened, task, responder, gatherers)
        step = opened.steps(0)
        attempts = step("attempt", selector.attempt, base, task.seeds)
        gathered = step("gather", selector.gather, base, attempts, [], n)
        selection = step("select", selector.select, attempts, gathered, None, [], n)
        return RankedSeeds(selection, task.seeds)


def label_criterion(criterion: CriterionSettings) -> str:
    """Its name, or its function's: a ranking by another criterion has another folder."""
    if isinstance(criterion, FunctionSettings):
        return criterion.function.rpartition(":")[2]
    return criterion.name
