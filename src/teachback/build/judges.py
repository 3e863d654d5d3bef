"""From the config to the models that assess answers: the grading judge, the marking judge, the
referee.
"""

from collections.abc import Sequence

from ..config.config import Config
from ..criteria.candidates import count_candidates, format_prompts
from ..criteria.judge import MarkingJudgeSettings
from ..criteria.lion import LionSettings
from ..criteria.reward import RewardSettings
from ..ledger.costs import FREE_PRICE, Cost, Usage
from ..student.reward import resolve_reward_model
from ..teachers.judge_gaps import (
    REFEREE_FIELDS,
    REFEREE_ROLE,
    TEACHER_ANSWER_ROLE,
    worst_answering_cost,
    worst_referee_cost,
)
from ..teachers.judge_grades import GRADING_FIELDS, GRADING_ROLE
from ..teachers.judge_marks import MARKING_FIELDS, MARKING_ROLE, worst_marking_cost
from ..teachers.openai_teacher import (
    OpenAITeacherSettings,
    make_endpoint,
    make_pair_calls,
)
from ..teachers.prompted_model import PromptedModel
from ..teachers.prompts import SHIPPED, read_template
from ..teachers.registered import TeacherContext
from ..types import Example, Task


def make_grading_judge(config: Config) -> PromptedModel | None:
    """The judge that grades, if there is one.

    Raises ConfigError for a prompt that can't be read or lacks a field.
    """
    settings = config.judge
    if settings is None:
        return None
    template = read_template(settings.prompt or SHIPPED / "judge.txt", GRADING_FIELDS)
    endpoint = make_endpoint(settings, config.prices)
    return PromptedModel(GRADING_ROLE, endpoint, template, settings.max_tokens)


def make_marking_judge(config: Config, settings: MarkingJudgeSettings) -> PromptedModel:
    """The judge of the criterion `judge`."""
    template = read_template(settings.prompt or SHIPPED / "mark.txt", MARKING_FIELDS)
    endpoint = make_endpoint(settings, config.prices)
    return PromptedModel(MARKING_ROLE, endpoint, template, settings.max_tokens)


def make_referee(config: Config, settings: LionSettings) -> PromptedModel:
    """The judge of the criterion `lion`."""
    template = read_template(settings.prompt or SHIPPED / "referee.txt", REFEREE_FIELDS)
    endpoint = make_endpoint(settings, config.prices)
    return PromptedModel(REFEREE_ROLE, endpoint, template, settings.max_tokens)


def make_answering_teacher(config: Config, task: Task) -> PromptedModel:
    """The run's teacher, as it answers seeds for the criterion `lion`."""
    assert isinstance(config.teacher, OpenAITeacherSettings)  # the config checks it
    context = TeacherContext(task, config.prices, config.verifier, answers_seeds=True)
    calls = make_pair_calls(config.teacher, context)
    assert calls.prompts.answer is not None  # make_prompts reads it
    return PromptedModel(
        TEACHER_ANSWER_ROLE,
        calls.endpoint,
        calls.prompts.answer,
        calls.max_tokens_answer,
    )


def worst_criterion_cost(config: Config, task: Task, seeds: Sequence[Example]) -> Cost:
    """The most that a criterion's judge can cost in a round that may select these seeds."""
    questions = format_prompts(seeds, task.prompt)
    count = count_candidates(config.candidates, config.per_round, costly=True)
    settings = config.criterion
    if isinstance(settings, MarkingJudgeSettings):
        judge = make_marking_judge(config, settings)
        return worst_marking_cost(judge, questions, count)
    if isinstance(settings, LionSettings):
        teacher = make_answering_teacher(config, task)
        referee = make_referee(config, settings)
        answers = worst_answering_cost(teacher, questions, count)
        return answers + worst_referee_cost(referee, questions, count)
    return FREE_PRICE.of(Usage(0, 0))


def read_criterion_sources(config: Config, task: Task) -> dict[str, bytes]:
    """What else decides what a criterion's judge says: part of the run's identity (R3)."""
    settings = config.criterion
    if isinstance(settings, RewardSettings):
        _, identity = resolve_reward_model(settings.model, settings.revision)
        return {"criterion": identity.encode()}
    if isinstance(settings, MarkingJudgeSettings):
        return {"criterion": make_marking_judge(config, settings).template.encode()}
    if isinstance(settings, LionSettings):
        templates = (
            make_referee(config, settings).template,
            make_answering_teacher(config, task).template,
        )
        return {"criterion": "".join(templates).encode()}
    return {}
