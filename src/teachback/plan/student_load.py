"""What a round asks of the student: how many items, and the tokens of each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..build.criterion import make_criterion
from ..build.steps import rows_at_start
from ..config.config import Config
from ..criteria.criterion import sampling_settings
from ..student.training.recipe import FinetuneSettings
from ..teachers.openai_teacher import OpenAITeacherSettings
from ..types import Example, Task
from .config_queries import count_scored_seeds
from .token_lengths import (
    MAX_TOKEN_BYTES,
    MIN_TOKEN_BYTES,
    average_question_bytes,
    count_text_bytes,
    estimate_low_lengths,
)
from .values import Range

if TYPE_CHECKING:
    from .probe import ProbeMeasurements
    from .role_usage import RoleUsage

# What a chat template may add to a prompt, at the high end
CHAT_TEMPLATE_TOKENS = 64


@dataclass(frozen=True)
class ItemTokens:
    """Tokens that the student processes for one item, its prompt included."""

    seed: Range  # answering a seed
    dev: Range  # answering a dev question
    new: Range  # answering the question of a new row
    row: Range  # training on a row once


@dataclass(frozen=True)
class StudentLoad:
    tokens: ItemTokens
    n_seeds: int
    n_samples: int  # answers that the criterion samples beside the attempts
    n_dev: int
    n_start_rows: int  # rows that the run starts with
    epochs: int
    restart: Literal["base", "continue"]
    replay: float
    parameters: int | None  # None: the model's size is unknown
    answering_per_s: float | None = None  # tokens a second; None: not measured
    finetuning_per_s: float | None = None  # likewise


def make_student_load(
    config: Config,
    task: Task,
    teacher_roles: Sequence["RoleUsage"],
    probe: "ProbeMeasurements | None",
    finetune: FinetuneSettings,
    parameters: int | None,
) -> StudentLoad:
    """finetune: without auto. parameters: the student's."""
    student = config.student
    instruction_bytes = count_text_bytes(task.prompt(""))
    instruction_bytes += count_text_bytes(student.system)
    answering = probe.answering if probe else None
    finetuning = probe.finetuning if probe else None
    if answering:
        # One measurement stands for all questions; a row is about as long as an answer
        # with its prompt, where the probe has trained on none
        answer = answering.tokens
        row = finetuning.tokens if finetuning else answer
        tokens = ItemTokens(answer, answer, answer, row)
    else:
        tokens = estimate_tokens(config, task, teacher_roles, instruction_bytes)
    gold = estimate_gold_tokens(task, instruction_bytes, has_probe=probe is not None)
    return StudentLoad(
        tokens=replace(tokens, dev=tokens.dev + gold),
        n_seeds=len(task.seeds),
        n_samples=count_sampled_answers(config, task),
        n_dev=len(task.dev),
        n_start_rows=len(rows_at_start(config, task)),
        epochs=finetune.chosen_epochs,
        restart=finetune.restart,
        replay=finetune.replay,
        parameters=parameters,
        answering_per_s=answering.tokens_per_s if answering else None,
        finetuning_per_s=finetuning.tokens_per_s if finetuning else None,
    )


def estimate_tokens(
    config: Config,
    task: Task,
    teacher_roles: Sequence["RoleUsage"],
    instruction_bytes: int,
) -> ItemTokens:
    teacher = config.teacher
    question_cap = answer_cap = row_cap = 0
    if isinstance(teacher, OpenAITeacherSettings):
        # Swapped: the high end takes a new question for as long as an answer may be
        question_cap = teacher.max_tokens_answer
        answer_cap = teacher.max_tokens_question
    else:
        row_cap = teacher_roles[0].high.output_tokens
    return estimate_item_tokens(
        task.seeds,
        task.dev,
        instruction_bytes=instruction_bytes,
        attempt_cap=config.student.max_new_tokens,
        question_cap=question_cap,
        answer_cap=answer_cap,
        row_cap=row_cap,
    )


def estimate_item_tokens(
    seeds: Sequence[Example],
    dev: Sequence[Example],
    *,
    instruction_bytes: int,
    attempt_cap: int,
    question_cap: int,
    answer_cap: int,
    row_cap: int,
) -> ItemTokens:
    """Estimates from bytes.

    instruction_bytes: around each question. The caps are tokens: of the student's
    answer, of the teacher's new question and its answer, and of a whole row from a
    program or a pool (0: the teacher is an endpoint).
    """
    low = estimate_low_lengths(seeds)
    low_attempt = min(low.solution, attempt_cap)

    def estimate_answering(examples: Sequence[Example]) -> Range:
        prompt_bytes: float = instruction_bytes
        if examples:
            prompt_bytes += average_question_bytes(examples)
        return Range(
            prompt_bytes / MAX_TOKEN_BYTES + low_attempt,
            prompt_bytes / MIN_TOKEN_BYTES + CHAT_TEMPLATE_TOKENS + attempt_cap,
        )

    instruction = Range(
        instruction_bytes / MAX_TOKEN_BYTES,
        instruction_bytes / MIN_TOKEN_BYTES + CHAT_TEMPLATE_TOKENS,
    )
    new = Range(
        low.question + low_attempt, max(low.question, question_cap) + attempt_cap
    )
    low_row = low.question + low.solution
    row = Range(low_row, max(low_row, row_cap or question_cap + answer_cap))
    return ItemTokens(
        seed=estimate_answering(seeds),
        dev=estimate_answering(dev),
        new=instruction + new,
        row=instruction + row,
    )


def estimate_gold_tokens(
    task: Task, instruction_bytes: int, *, has_probe: bool
) -> Range:
    """Tokens of a dev question's gold solution with its prompt, as a mean over dev.

    Every evaluation reads them once more, for the loss on gold solutions.
    """
    n_bytes = 0
    for example in task.dev:
        gold = task.target(example)
        if gold is not None:
            question = count_text_bytes(example.question) + instruction_bytes
            n_bytes += question + count_text_bytes(gold)
    low = n_bytes / len(task.dev) / MAX_TOKEN_BYTES
    high = n_bytes / len(task.dev) / MIN_TOKEN_BYTES
    return Range(low, high, (low + high) / 2 if has_probe else None)


def count_sampled_answers(config: Config, task: Task) -> int:
    """The answers that a criterion samples in a round, beside the attempts."""
    if "samples" not in make_criterion(config.criterion, Path.cwd()).needs:
        return 0
    per_seed = sampling_settings(config.criterion).samples
    return per_seed * count_scored_seeds(config, task)
