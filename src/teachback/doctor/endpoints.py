"""Whether a config's endpoints answer: one GET of their list of models, which costs nothing."""

import json
from typing import NamedTuple

from ..config.config import Config
from ..endpoints.endpoint import Endpoint
from ..endpoints.event_loop import run_async
from ..endpoints.headers import FilledHeaders
from ..endpoints.http_client import HttpClient, HttpFailure, HttpResult, RequestLimits
from ..errors import ConfigError, is_installed
from ..teachers.openai_teacher import make_endpoint
from .values import EndpointState, Problem

LISTING_DEADLINE_S = 10.0
REFUSED_STATUSES = (401, 403)
BUSY_STATUS = 429


class ListingAnswer(NamedTuple):
    """What a GET of the models means, in words."""

    text: str
    # Why the endpoint can't be used, and the fix; None: it can.
    problem: str | None = None

    @classmethod
    def unusable(cls, text: str, fix: str) -> "ListingAnswer":
        return cls(text, f"{text}\n  fix: {fix}")


def inspect_endpoints(config: Config) -> tuple[EndpointState, ...]:
    """Every endpoint that the config names. Keys are sent, and never shown."""
    return tuple(
        inspect_endpoint(role, endpoint)
        for role, endpoint in list_endpoints(config).items()
    )


def list_endpoints(config: Config) -> dict[str, Endpoint]:
    """By role. Raises ConfigError for an address that can't be one."""
    endpoints = {
        role: make_endpoint(settings, config.prices)
        for role, settings in config.endpoints_by_role().items()
    }
    student = config.student
    if student.base_url is not None:
        endpoints["student"] = Endpoint(
            base_url=student.base_url,
            model=student.served_model or "",
            key_env=student.key_env,
        )
    return endpoints


def inspect_endpoint(role: str, endpoint: Endpoint) -> EndpointState:
    key = None
    problems = []
    try:
        key = endpoint.read_key()
    except ConfigError as error:
        problems.append(str(error))
    headers = FilledHeaders({}, ())
    try:
        headers = endpoint.read_headers()
    except ConfigError as error:
        problems.append(str(error))

    answer = ListingAnswer("not asked: aiohttp is not installed")
    if is_installed("aiohttp"):
        answer = ask_for_models(endpoint, key, headers)
    if answer.problem is not None:
        problems.append(answer.problem)
    return EndpointState(
        role=role,
        base_url=endpoint.base_url,
        model=endpoint.model or None,
        key_env=endpoint.key_env,
        has_key=key is not None,
        answer=answer.text,
        problems=tuple(problems),
    )


def ask_for_models(
    endpoint: Endpoint, key: str | None, headers: FilledHeaders
) -> ListingAnswer:
    limits = RequestLimits(1, 1, LISTING_DEADLINE_S, endpoint.key_env)

    async def ask() -> HttpResult:
        async with HttpClient(limits, key, *headers) as http:
            return await http.get(endpoint.models_url)

    try:
        return explain_listing(run_async(ask()), endpoint, has_key=key is not None)
    except ConfigError as error:  # a proxy or certificates of the environment
        return ListingAnswer("not asked: see below", str(error))


def explain_listing(
    result: HttpResult, endpoint: Endpoint, *, has_key: bool
) -> ListingAnswer:
    if isinstance(result, HttpFailure):
        fix = result.fix or "start the server, or mend base_url"
        return ListingAnswer.unusable(result.detail, fix)
    status = result.status
    if result.is_success:
        return explain_names(read_listed_models(result.body), endpoint.model)
    if status in REFUSED_STATUSES and endpoint.key_env is not None and not has_key:
        # That the key is missing is said already.
        return ListingAnswer(f"answers, and wants its key (HTTP {status})")
    if status in REFUSED_STATUSES:
        fix = f"put this endpoint's key into {endpoint.key_env}"
        if endpoint.key_env is None:
            fix = "name the variable that holds its key in key_env"
        return ListingAnswer.unusable(f"refused: HTTP {status}", fix)
    if status == BUSY_STATUS:
        return ListingAnswer(f"answers, and is busy now (HTTP {status})")
    if 400 <= status < 500:
        return ListingAnswer(
            f"answers HTTP {status} to GET /models: it has no list, "
            "or the path of base_url is wrong"
        )
    return ListingAnswer.unusable(
        f"HTTP {status} for GET /models", "see the address, and the server's own state"
    )


def explain_names(names: list[str] | None, model: str) -> ListingAnswer:
    if names is None:
        return ListingAnswer("answers, with no list of models")
    if not model or model in names:
        return ListingAnswer(f"answers, and lists {model or ', '.join(names[:3])}")
    shown = ", ".join(names[:3])
    return ListingAnswer(
        f"answers, but {model} is not among the {len(names)} models that it lists "
        f"({shown}{', …' if len(names) > 3 else ''})"
    )


def read_listed_models(body: str) -> list[str] | None:
    """The names in a list of models; None if it is none."""
    try:
        return [str(model["id"]) for model in json.loads(body)["data"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def list_endpoint_problems(endpoints: tuple[EndpointState, ...]) -> list[Problem]:
    problems = []
    for endpoint in endpoints:
        for text in endpoint.problems:
            what, _, fix = text.partition("\n  fix: ")
            problems.append(Problem(f"{endpoint.role}: {what}", fix.strip()))
    return problems
