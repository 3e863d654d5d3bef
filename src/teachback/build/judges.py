"""From the config to judges: the one that grades, the one that marks attempts, the referee."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..config.config import Config
from ..criteria.candidates import count_candidates
from ..criteria.judge import MarkingJudgeSettings
from ..criteria.lion import LionSettings
from ..criteria.reward import RewardSettings
from ..ledger.costs import FREE_PRICE, Cost, Usage
from ..teachers.openai_teacher import OpenAITeacherSettings, make_asking, make_endpoint
from ..teachers.registered import TeacherContext
from ..types import Example, Task

if TYPE_CHECKING:
    from ..teachers.judging import Judging
    from ..teachers.marking import Marking
    from ..teachers.refereeing import Answering, Refereeing


def make_grading_judge(config: Config) -> "Judging | None":
    """The judge that grades, if there is one.

    Raises ConfigError for a prompt that can't be read or lacks a field.
    """
    settings = config.judge
    if settings is None:
        return None
    from ..teachers import judging
    from ..teachers.prompts import SHIPPED, read_template

    template = read_template(settings.prompt or SHIPPED / "judge.txt", judging.FIELDS)
    endpoint = make_endpoint(settings, config.prices)
    return judging.Judging(endpoint, template, settings.max_tokens)


def worst_judging_cost(
    config: Config, task: Task, candidates: Sequence[Example]
) -> Cost:
    """The most that asking judges about these seeds can cost in a round."""
    questions = [task.prompt(e.question) for e in candidates]
    count = count_candidates(config.candidates, config.per_round, costly=True)
    settings = config.criterion
    if isinstance(settings, MarkingJudgeSettings):
        return make_marking(config, settings).worst(questions, count)
    if isinstance(settings, LionSettings):
        answering, refereeing = make_refereeing(config, task, settings)
        return refereeing.worst(questions, count) + answering.worst(questions, count)
    return FREE_PRICE.of(Usage(0, 0))


def judge_sources(config: Config, task: Task) -> dict[str, bytes]:
    """What else decides what judges say: part of the run's identity (R3)."""
    settings = config.criterion
    if isinstance(settings, RewardSettings):
        from ..student.reward import resolve_reward_model

        return {
            "criterion": resolve_reward_model(settings.model, settings.revision)[
                1
            ].encode()
        }
    if isinstance(settings, MarkingJudgeSettings):
        return {"criterion": make_marking(config, settings).template.encode()}
    if isinstance(settings, LionSettings):
        answering, refereeing = make_refereeing(config, task, settings)
        return {"criterion": (refereeing.template + answering.template).encode()}
    return {}


def make_marking(config: Config, settings: MarkingJudgeSettings) -> "Marking":
    from ..teachers.marking import FIELDS, Marking
    from ..teachers.prompts import SHIPPED, read_template

    template = read_template(settings.prompt or SHIPPED / "mark.txt", FIELDS)
    return Marking(
        make_endpoint(settings, config.prices), template, settings.max_tokens
    )


def make_refereeing(
    config: Config, task: Task, settings: LionSettings
) -> "tuple[Answering, Refereeing]":
    from ..teachers.prompts import SHIPPED, read_template
    from ..teachers.refereeing import FIELDS, Answering, Refereeing

    assert isinstance(config.teacher, OpenAITeacherSettings)  # the config checks it
    context = TeacherContext(task, config.prices, config.verifier, answers_seeds=True)
    asking = make_asking(config.teacher, context)
    assert asking.prompts.answer is not None  # make_prompts sees to it
    template = read_template(settings.prompt or SHIPPED / "referee.txt", FIELDS)
    answering = Answering(
        asking.endpoint, asking.prompts.answer, asking.max_tokens_answer
    )
    return answering, Refereeing(
        make_endpoint(settings, config.prices), template, settings.max_tokens
    )
