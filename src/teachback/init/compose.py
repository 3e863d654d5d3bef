"""Writes the config's text, with a comment on every choice.

Each section is a list of lines. `config.reading` reads the text back.
"""

from pathlib import Path

from .choices import Choices
from .compose_student import compose_student
from .compose_task import compose_task
from .compose_teacher import compose_judge, compose_teacher
from .yaml_text import to_comment, with_comment

# The header's commands are longer than the lines below it.
HEADER_COMMENT_COLUMN = 40


def compose_config(choices: Choices, config_path: Path) -> str:
    """The YAML. Its paths are relative to the folder of `config_path`."""
    lines = [
        *compose_header(choices, config_path),
        *compose_task(choices, config_path),
        *compose_student(choices),
        *compose_teacher(choices, config_path),
        *compose_judge(choices),
        *compose_rounds(choices),
        *compose_finetune(),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def compose_header(choices: Choices, config_path: Path) -> list[str]:
    """The commands that use the config."""
    commands = [
        (
            f"teachback run {config_path.name}",
            "the same command again resumes, or says that it is finished",
        )
    ]
    if not choices.has_pool_teacher or choices.grader == "judge":
        plan = f"teachback plan {config_path.name}"
        commands.insert(0, (plan, "the bill, before anything is sent"))
    if choices.shares.sizes.test:
        evaluate = f"teachback evaluate runs/{config_path.stem}"
        commands.append((evaluate, "the test set, at the end"))
    source = to_comment(choices.survey.path.name)
    return [
        f"# Written by `teachback init {source}`. Every line may be changed.",
        "#",
        *(
            with_comment(f"#   {command}", comment, HEADER_COMMENT_COLUMN)
            for command, comment in commands
        ),
    ]


def compose_rounds(choices: Choices) -> list[str]:
    """The criterion, the rounds and the budget."""
    shares = choices.shares
    lines = [
        with_comment(
            "criterion: loss",
            "picks the seeds that the student is least sure of; or random, to compare with",
        ),
        with_comment(f"per_round: {shares.per_round}", "rows: few, for a first look"),
        f"rounds: {shares.rounds}",
        "budget:",
        with_comment(
            f"  generated: {shares.n_pairs}",
            "the teacher writes no more rows than this, good or bad",
        ),
    ]
    if not choices.has_pool_teacher:
        # As a comment: a limit in USD is refused while the prices are unknown.
        lines.append(
            with_comment("  # usd: 1.00", "nor spends more than this: needs the prices")
        )
    return lines


def compose_finetune() -> list[str]:
    return [
        "finetune:",
        with_comment(
            "  method: auto",
            "full or lora, by the student's size and this machine's memory",
        ),
        with_comment("  lr: auto", "by the method and the size: plan prints them all"),
        "  epochs: auto",
        with_comment("  rows_per_step: auto", "rows of one optimiser step"),
        with_comment(
            "  restart: continue",
            "from the last student, with half of the earlier rows: quicker than from the base",
        ),
        "  replay: 0.5",
    ]
