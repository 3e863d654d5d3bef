"""`openai`: a teacher behind any OpenAI-compatible endpoint."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import model_validator

from ..endpoints.connections import find_route
from ..endpoints.endpoint import Endpoint
from ..endpoints.settings import EndpointSettings
from ..ledger.costs import Price
from ..ledger.settings import PriceSettings
from ..types import (
    Attempt,
    Draft,
    Example,
    FolderOrName,
    Pick,
    PositiveInt,
    Task,
)
from .openai import PairCalls, buy_drafts, worst_pair_cost
from .prompts import MAX_ATTEMPT_BYTES, Prompts, cut_attempt, load_prompts
from .registered import Teacher, TeacherContext, TeacherRun


class OpenAITeacherSettings(EndpointSettings):
    name: Literal["openai"]
    # neutral, math, logic, or a folder with question.txt, answer.txt, …
    prompts: FolderOrName = "neutral"
    # 2: a question, and its answer in a call of its own. 1: both at once.
    calls: Literal[1, 2] = 2
    # Answers to each question. More than half of them must agree.
    votes: PositiveInt = 1
    # Whether the prompt shows the student's wrong attempt.
    show_attempt: bool = False
    # A reasoning model's thinking is paid for either way.
    train_on_thinking: bool = False
    max_tokens_question: PositiveInt = 512
    max_tokens_answer: PositiveInt = 1024

    @model_validator(mode="after")
    def _check_votes_differ(self) -> "OpenAITeacherSettings":
        if self.votes > 1 and self.options.get("temperature") == 0:
            raise ValueError(
                "votes at temperature 0 are the same answer again: "
                "raise options.temperature, or votes: 1"
            )
        return self


def make_openai_teacher(
    settings: OpenAITeacherSettings, context: TeacherContext, run: TeacherRun
) -> Teacher:
    task = context.task
    seeds = {seed.id: seed for seed in task.seeds}
    calls = make_pair_calls(settings, context)
    longest = "x" * MAX_ATTEMPT_BYTES if settings.show_attempt else None

    def generate(
        round: int, picks: Sequence[Pick], attempts: Sequence[Attempt]
    ) -> tuple[Draft, ...]:
        wrong = wrong_attempts(attempts, seeds, task) if settings.show_attempt else None
        return buy_drafts(
            picks,
            seeds,
            round=round,
            ledger=run.ledger,
            calls=calls,
            attempts=wrong,
            on_progress=run.on_draft,
        )

    return Teacher(
        prices=lambda pairs: [
            worst_pair_cost(seed, n, calls, longest) for seed, n in pairs
        ],
        generate=generate,
    )


def hash_prompts(settings: OpenAITeacherSettings, context: TeacherContext) -> str:
    """sha256 of the prompt files."""
    return make_prompts(settings, context).sha256


def make_pair_calls(
    settings: OpenAITeacherSettings, context: TeacherContext
) -> PairCalls:
    verifier = context.verifier
    return PairCalls(
        endpoint=make_endpoint(settings, context.prices),
        prompts=make_prompts(settings, context),
        max_tokens_question=settings.max_tokens_question,
        max_tokens_answer=settings.max_tokens_answer,
        votes=settings.votes,
        thinking=settings.train_on_thinking,
        verifier=make_endpoint(verifier, context.prices) if verifier else None,
        max_tokens_verifier=verifier.max_tokens if verifier else 0,
    )


def make_prompts(settings: OpenAITeacherSettings, context: TeacherContext) -> Prompts:
    answers_alone = (
        settings.votes > 1 or context.verifier is not None or context.answers_seeds
    )
    return load_prompts(
        settings.prompts,
        calls=settings.calls,
        show_attempt=settings.show_attempt,
        answers=answers_alone,
    )


def make_endpoint(
    settings: EndpointSettings, prices: Mapping[str, PriceSettings]
) -> Endpoint:
    """The endpoint with its model's price; an unknown price stays unknown."""
    fields = settings.model_dump(include=set(EndpointSettings.model_fields))
    known = prices.get(settings.model)
    return Endpoint(**fields, price=known.price() if known else Price())


def check_keys(
    endpoints: Iterable[EndpointSettings], prices: Mapping[str, PriceSettings]
) -> None:
    """Raises ConfigError where the environment lacks a key, or holds a proxy that can't be used."""
    for settings in endpoints:
        endpoint = make_endpoint(settings, prices)
        endpoint.read_key()
        endpoint.read_headers()
        find_route(endpoint.url)


def wrong_attempts(
    attempts: Sequence[Attempt], seeds: Mapping[str, Example], task: Task
) -> dict[str, str]:
    """Attempts that the gold answer shows to be wrong, by seed, cut to what a prompt holds."""
    texts = {}
    for attempt in attempts:
        seed = seeds[attempt.id]
        if seed.answer is None:
            continue
        if attempt.truncated or task.grade(seed, attempt.text).outcome != "right":
            texts[attempt.id] = cut_attempt(attempt.text)
    return texts
