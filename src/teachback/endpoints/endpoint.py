"""An endpoint: what is sent to it, and what that can cost. No network here."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import ModelWrapValidatorHandler, ValidationError, model_validator

from ..errors import ConfigError
from ..ledger.costs import UNKNOWN_PRICE, Cost, Price
from .encoding import encode_json
from .headers import CREDENTIAL_NAME, FilledHeaders, check_headers, fill_headers
from .http_client import RequestLimits
from .settings import EndpointSettings

Json: TypeAlias = (
    "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
)
Messages: TypeAlias = Sequence[Mapping[str, str]]

# Fields of a request that options can't set.
RESERVED_FIELDS = frozenset(
    {"model", "messages", "n", "stream", "max_tokens", "max_completion_tokens"}
)
# Names of a query's parameters that hold one, beside those of CREDENTIAL_NAME.
CREDENTIAL_PARAMETER = re.compile(r"sig|code|auth|pass|jwt|session|token|key", re.I)
# Longer values of a query are no versions or regions.
MAX_PARAMETER_CHARS = 64


class Endpoint(EndpointSettings):
    """Any server that speaks OpenAI's chat-completions format, with the price of its model.

    Raises ConfigError for values that can't work.
    """

    # In code an endpoint has no key unless one is named; the config has a default.
    key_env: str | None = None
    price: Price = UNKNOWN_PRICE

    @model_validator(mode="wrap")
    @classmethod
    def _raise_config_error(
        cls, values: Any, validate: "ModelWrapValidatorHandler[Endpoint]"
    ) -> "Endpoint":
        try:
            return validate(values)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            name = ".".join(map(str, first["loc"]))
            value = first["input"]
            # Other values may hold a credential.
            is_number = isinstance(value, int | float)
            raise ConfigError(
                f"{name} of the endpoint",
                got=value if is_number else None,
                allowed=first["msg"],
            ) from None

    def model_post_init(self, context: object) -> None:
        _check_url(self.base_url)
        _check_options(self.options)
        check_headers(self.headers, self.key_env)

    @cached_property
    def url(self) -> str:
        return self._join_url("/chat/completions")

    @property
    def models_url(self) -> str:
        """Where it lists its models, if it does."""
        return self._join_url("/models")

    def _join_url(self, name: str) -> str:
        """With the query of base_url, such as Azure's ?api-version=..., at its end."""
        parts = urlsplit(self.base_url)
        return urlunsplit(parts._replace(path=parts.path.rstrip("/") + name))

    @property
    def request_limits(self) -> RequestLimits:
        return RequestLimits(self.in_flight, self.tries, self.deadline_s, self.key_env)

    def request_body(self, messages: Messages | str, max_tokens: int) -> bytes:
        """The exact body of a request. max_tokens: the cap of the reply.

        Fields are sorted: the ledger finds a request whatever order its options came in.
        """
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        fields = {
            **self.options,
            "model": self.model,
            "messages": messages,
            self.cap_field: max_tokens,
        }
        return encode_json(fields)

    @cached_property
    def bytes_beside_prompt(self) -> int:
        """How many bytes of a request are not its prompt."""
        return len(self.request_body("", 1))

    def worst_cost(self, body: bytes, max_tokens: int) -> Cost:
        """The most that a call can cost (L3).

        A token is at least one byte. Beside them the server's chat template adds tokens.
        """
        return self.price.worst(len(body) + self.template_tokens, max_tokens)

    def read_key(self) -> str | None:
        """Raises ConfigError if the key's variable is not set."""
        return read_key(self.key_env, "the teacher's key")

    def read_headers(self) -> FilledHeaders:
        """Raises ConfigError if a variable that they name is not set."""
        return fill_headers(self.headers)


def read_key(key_env: str | None, description: str) -> str | None:
    """The key, from its environment variable and nowhere else. None: no variable is named.

    Raises ConfigError if the variable is not set, or can't be sent as a header.
    """
    if key_env is None:
        return None
    key = os.environ.get(key_env, "").strip()
    if not key or not key.isprintable():
        raise ConfigError(
            f"{description} is not in the environment variable {key_env}",
            fix=f"export {key_env}=..., or key_env: null for an endpoint without a key",
        )
    return key


def _check_url(base_url: str) -> None:
    # The first two don't show the URL: it may hold a password or a key.
    if "@" in base_url:
        raise ConfigError(
            "base_url of the endpoint holds credentials",
            fix="name the key's variable in key_env",
        )
    if "#" in base_url:
        raise ConfigError(
            "base_url of the endpoint holds a fragment",
            fix="end it before the #",
        )
    _check_query(base_url.partition("?")[2])
    try:
        url = urlsplit(base_url)
        is_http = url.scheme in ("http", "https")
        works = is_http and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        works = False
    if not works:
        raise ConfigError(
            "base_url of the endpoint",
            got=base_url,
            allowed="http://... or https://...",
        )


def _check_query(query: str) -> None:
    """A version or a region may stand there. A key may not: the URL is kept and shown."""
    for name, value in parse_qsl(query, keep_blank_values=True):
        is_secret = CREDENTIAL_NAME.search(name) or CREDENTIAL_PARAMETER.search(name)
        if is_secret or len(value) > MAX_PARAMETER_CHARS:
            raise ConfigError(
                "base_url of the endpoint holds a query with what looks like a credential",
                allowed="such as ?api-version=2024-10-21",
                fix="a key belongs in the variable that key_env names, or into headers",
            )


def _check_options(options: Mapping[str, Json]) -> None:
    try:
        encode_json(options)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            "options of the endpoint", got=error, allowed="what JSON can hold"
        ) from None

    reserved = RESERVED_FIELDS & set(options)
    if reserved:
        raise ConfigError(
            "options of the endpoint",
            got=sorted(reserved),
            allowed=f"any field but {sorted(RESERVED_FIELDS)}",
        )

    paths = list(_string_paths(options))
    secrets = [path for path in paths if CREDENTIAL_NAME.search(path[-1])]
    if secrets:
        raise ConfigError(
            "options of the endpoint hold what looks like a credential; "
            "they would be kept with the run",
            got=", ".join(".".join(path) for path in secrets),  # without the values
            fix="put it into an environment variable, and its name into key_env",
        )


def _string_paths(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names that lead to each string.

    Only strings count: a field of a JSON schema may be *called* password.
    """
    if isinstance(value, str):
        yield path
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _string_paths(inner, (*path, str(name)))
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _string_paths(inner, path)
