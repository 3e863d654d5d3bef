"""Tasks, from the config."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ..config import config as cfg
from ..config.functions import imported
from ..errors import ConfigError
from ..graders import GRADERS, exact, function, regex
from ..tasks import game24, gsm8k, math, own, prontoqa, reasoning_gym
from ..tasks.existing_rows import read_existing_rows
from ..tasks.hub import read_hub
from ..tasks.jsonl_file import read_jsonl
from ..tasks.splits import SplitSizes, unique_in_hash_order
from ..tasks.table import ExampleColumns, examples_from_rows
from ..types import Example, Grader, Row, Task

LOAD: Mapping[type[cfg.Section], Callable[..., Task]] = {
    cfg.ProntoQA: prontoqa.load,
    cfg.GSM8K: gsm8k.load,
    cfg.MATH: math.load,
    cfg.Game24: game24.load,
    cfg.ReasoningGym: reasoning_gym.load,
}


FORMS: Mapping[str, own.AnswerFormat] = {
    **{n: own.AnswerFormat(g.make()) for n, g in GRADERS.items() if g.checks_golds},
    "proof": own.AnswerFormat(
        Grader(prontoqa.grade_proof, prontoqa.verify_proof),
        prontoqa.prontoqa_key,
        prontoqa.proof_target,
        exact=True,
        templated=True,
    ),
    "game24": own.AnswerFormat(
        Grader(game24.grade_game24, game24.verify_game24),
        game24.game24_key,
        game24.puzzle_target,
        exact=True,
        templated=True,
    ),
    # what is not the gold answer word for word is asked of the judge, by who has a ledger
    "judge": own.AnswerFormat(
        Grader(exact.grade_exact, function.parse_any_text), custom_target=own.free_text_target, checks_golds=False
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
        sizes=SplitSizes(config.n_seeds, config.n_dev, config.n_test),
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


def columns(config: cfg.Jsonl | cfg.Hub) -> ExampleColumns:
    return ExampleColumns(
        config.question, config.answer, config.solution, config.id, tuple(config.by)
    )


def of_file(config: cfg.Jsonl, path: Path) -> list[Example]:
    return examples_from_rows(read_jsonl(path), str(path), columns(config))


def of_hub(config: cfg.Hub, split: str) -> list[Example]:
    rows = read_hub(
        config.dataset, split, config=config.config, revision=config.revision
    )
    return examples_from_rows(rows, f"{config.dataset}/{split}", columns(config))


def make_form(config: cfg.Jsonl | cfg.Hub) -> own.AnswerFormat:
    if config.pattern is not None:
        return own.AnswerFormat(regex.make_regex_grader(config.pattern), checks_golds=False)
    if config.function is not None:
        return own.AnswerFormat(function.make(config.function, Path.cwd())[0], checks_golds=False)
    return FORMS[config.grader]


def reserve_rows(
    config: cfg.PoolTeacher, task_config: cfg.TaskConfig, task: Task
) -> tuple[Row, ...]:
    """What the pool teacher may hand out. The task's own file is read by the task's columns: each exercise once, and
    what has nothing to train on is passed over."""
    if not isinstance(task_config, cfg.Jsonl) or config.rows != task_config.seeds:
        return read_existing_rows(config.rows, task.target)
    found = (
        (e, task.target(e))
        for e in unique_in_hash_order(of_file(task_config, config.rows), task.key)
    )
    return tuple(
        Row(f"given-{e.id}", None, 0, e.question, text, e.answer, False)
        for e, text in found
        if text
    )
