"""Tasks, from the config."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ..config import config as cfg
from ..config.functions import imported
from ..errors import ConfigError
from ..graders import GRADERS, exact, function, regex
from ..tasks import game24, gsm8k, math, own, prontoqa, reasoning_gym
from ..tasks.given import given_rows
from ..tasks.hub import read_hub
from ..tasks.jsonl_file import read_jsonl
from ..tasks.splits import Sizes, by_hash
from ..tasks.table import Columns, examples
from ..types import Example, Grader, Row, Task

LOAD: Mapping[type[cfg.Section], Callable[..., Task]] = {
    cfg.ProntoQA: prontoqa.load,
    cfg.GSM8K: gsm8k.load,
    cfg.MATH: math.load,
    cfg.Game24: game24.load,
    cfg.ReasoningGym: reasoning_gym.load,
}


FORMS: Mapping[str, own.Form] = {
    **{name: own.Form(grader) for name, grader in GRADERS.items()},
    "proof": own.Form(
        Grader(prontoqa.grade, prontoqa.verify),
        prontoqa.key,
        prontoqa.target,
        exact=True,
        templated=True,
    ),
    "game24": own.Form(
        Grader(game24.grade, game24.verify),
        game24.key,
        game24.target,
        exact=True,
        templated=True,
    ),
    # what is not the gold answer word for word is asked of the judge, by who has a ledger
    "judge": own.Form(
        Grader(exact.grade, function.parse), own_target=own.plain, checked=False
    ),
}


def make_task(config: cfg.TaskConfig, repeat: int = 0) -> Task:
    """repeat: of a comparison; where questions are made, each has a test set of its own. Raises ConfigError and
    DataError. A task's module takes its section's fields by their names."""
    if isinstance(config, cfg.OwnTask):
        return own_task(config, repeat)
    if not isinstance(config, cfg.Jsonl | cfg.Hub):
        fields = {
            name: getattr(config, name)
            for name in type(config).model_fields
            if name != "name"
        }
        if isinstance(config, cfg.ProntoQA | cfg.ReasoningGym):
            fields["repeat"] = repeat
        return LOAD[type(config)](**fields)
    seeds, dev, test = own_rows(config)
    return own.load(
        seeds,
        dev=dev,
        test=test,
        sizes=Sizes(config.n_seeds, config.n_dev, config.n_test),
        name=config.name,
        form=make_form(config),
        instruction=config.instruction,
        templated=config.templated,
        by=tuple(config.by),
    )


def own_task(config: cfg.OwnTask, repeat: int) -> Task:
    task = own_function(config)[0](config.options, repeat)
    if not isinstance(task, Task) or not task.dev:
        raise ConfigError(
            f"task.function: {config.function} makes no task",
            got="a task without dev" if isinstance(task, Task) else type(task).__name__,
            allowed="a teachback.types.Task with seeds and dev",
        )
    return task


def own_function(config: cfg.OwnTask) -> tuple[Callable[..., object], bytes]:
    """A function of one's own that makes a task, and its source, which is part of what a run is."""
    form = "(options, repeat)"
    return imported(
        config.function,
        Path.cwd(),
        "task.function",
        form,
        "return teachback.types.Task(...)",
    )


def own_rows(
    config: cfg.Jsonl | cfg.Hub,
) -> tuple[list[Example], list[Example] | None, list[Example] | None]:
    """Of seeds, dev and test; None for what is set aside from the seeds."""
    if isinstance(config, cfg.Jsonl):
        file = partial(of_file, config)
        return (
            file(config.seeds),
            file(config.dev) if config.dev else None,
            file(config.test) if config.test else None,
        )
    split = partial(of_hub, config)
    return (
        split(config.seeds),
        split(config.dev) if config.dev else None,
        split(config.test) if config.test else None,
    )


def columns(config: cfg.Jsonl | cfg.Hub) -> Columns:
    return Columns(
        config.question, config.answer, config.solution, config.id, tuple(config.by)
    )


def of_file(config: cfg.Jsonl, path: Path) -> list[Example]:
    return examples(read_jsonl(path), str(path), columns(config))


def of_hub(config: cfg.Hub, split: str) -> list[Example]:
    rows = read_hub(
        config.dataset, split, config=config.config, revision=config.revision
    )
    return examples(rows, f"{config.dataset}/{split}", columns(config))


def make_form(config: cfg.Jsonl | cfg.Hub) -> own.Form:
    if config.pattern is not None:
        return own.Form(regex.make(config.pattern), checked=False)
    if config.function is not None:
        return own.Form(function.make(config.function, Path.cwd())[0], checked=False)
    return FORMS[config.grader]


def reserve_rows(
    config: cfg.PoolTeacher, task_config: cfg.TaskConfig, task: Task
) -> tuple[Row, ...]:
    """What the pool teacher may hand out. The task's own file is read by the task's columns: each exercise once, and
    what has nothing to train on is passed over."""
    if not isinstance(task_config, cfg.Jsonl) or config.rows != task_config.seeds:
        return given_rows(config.rows, task.target)
    found = (
        (e, task.target(e))
        for e in by_hash(of_file(task_config, config.rows), task.key)
    )
    return tuple(
        Row(f"given-{e.id}", None, 0, e.question, text, e.answer, False)
        for e, text in found
        if text
    )
