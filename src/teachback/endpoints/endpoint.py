"""Where a model is, what is sent to it and what that can cost. No network here.

**Worst cases.** A token is at least one byte, so a call costs at most its request's bytes + `template_tokens` (what the
server's chat template adds) of input, and its cap of output.

**The key** comes from the environment and goes into a header. It may come back in an answer, because some servers
repeat what they refuse: `redact` takes it out before anything is kept.
"""

import json
import os
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import inf
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from ..errors import ConfigError
from ..ledger.costs import UNKNOWN_PRICE, Cost, Price

Json: TypeAlias = (
    "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"
)
Messages: TypeAlias = Sequence[Mapping[str, str]]

OURS = frozenset(
    {"model", "messages", "n", "stream", "max_tokens", "max_completion_tokens"}
)
CREDENTIAL = re.compile(
    r"(api|access|secret|private|subscription)[-_]?key|authorization|password|secret|credential|bearer"
    r"|^(\w+[-_])?(api|access|auth|hf|session|refresh|id)[-_]?token$|^token$|^key$",
    re.IGNORECASE,
)
SHORTEST_KEY = 8  # shorter values are placeholders of local servers ("EMPTY"), and words of ordinary answers


@dataclass(frozen=True)
class Endpoint:
    """Any server that speaks OpenAI's chat-completions format, and how it is asked.

    key_env: name of the environment variable with the key; None sends no key. in_flight: calls at a time. tries: of
    each call. deadline_s: seconds for one try, the whole answer included. patience_s: how long an endpoint that only
    turns calls away (429, 503) may go without any answer before it counts as down. *_per_minute: what the provider
    allows; None: it sets no limit. template_tokens: upper bound of what the chat template adds to a request. options:
    further fields of the request (temperature, response_format, ...), sent as they are. cap_field: the field that
    carries the cap (`max_completion_tokens` for OpenAI's newer models). Raises ConfigError for values that can't work.
    """

    base_url: str
    model: str
    key_env: str | None = None
    in_flight: int = 16
    tries: int = 3
    deadline_s: float = 120
    patience_s: float = 300
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    template_tokens: int = 64
    options: Mapping[str, Json] = field(default_factory=dict)
    cap_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    price: Price = UNKNOWN_PRICE

    def __post_init__(self) -> None:
        limits = ("requests_per_minute", "tokens_per_minute")
        for name in ("in_flight", "tries", "deadline_s", "patience_s", *limits):
            value = getattr(self, name)
            if not (value is None and name in limits) and not 0 < value < inf:
                raise ConfigError(
                    f"{name} of the endpoint",
                    got=value,
                    allowed="more than 0, and finite",
                )
        if self.template_tokens < 0:
            raise ConfigError(
                "template_tokens of the endpoint",
                got=self.template_tokens,
                allowed="0 or more",
            )
        _check_url(self.base_url)
        _check_options(self.options)

    @property
    def url(self) -> str:
        return self.base_url.rstrip("/") + "/chat/completions"

    def request(self, messages: Messages | str, cap: int) -> bytes:
        """The exact body of a request. Sorted, so that the ledger finds it whatever order the options came in."""
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        return to_json(
            {
                **self.options,
                "model": self.model,
                "messages": messages,
                self.cap_field: cap,
            }
        )

    def worst(self, request: bytes, cap: int) -> Cost:
        """The most that a call can cost (rule L3)."""
        return self.price.worst(len(request) + self.template_tokens, cap)

    def key(self) -> str | None:
        """From its environment variable and nowhere else. Raises ConfigError when it isn't there."""
        if self.key_env is None:
            return None
        key = os.environ.get(self.key_env, "").strip()
        if not key or not key.isprintable():
            raise ConfigError(
                f"the teacher's key is not in the environment variable {self.key_env}",
                fix=f"export {self.key_env}=..., or key_env: null for an endpoint without a key",
            )
        return key

    @staticmethod
    def redact(text: str, key: str | None) -> str:
        """The text without the key: plain, escaped as in JSON, percent-encoded, in base64, or begun after "Bearer"."""
        return (
            _forms(key).sub("[key]", text) if key and len(key) >= SHORTEST_KEY else text
        )


def to_json(value: object) -> bytes:
    # A lone surrogate can't be UTF-8; written as \udXXX it is JSON's own escape for it.
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, allow_nan=False
    ).encode("utf-8", "backslashreplace")


def _check_url(base_url: str) -> None:
    # Both are checked before anything is parsed, and not shown, because they may hold a password or a key.
    if "@" in base_url:
        raise ConfigError(
            "base_url of the endpoint holds credentials",
            fix="name the key's variable in key_env",
        )
    if "?" in base_url or "#" in base_url:
        fix = "end it before /chat/completions; a key belongs in the variable that key_env names"
        raise ConfigError(
            "base_url of the endpoint holds a query or a fragment", fix=fix
        )
    try:
        url = urlsplit(base_url)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        good = False
    if not good:
        raise ConfigError(
            "base_url of the endpoint",
            got=base_url,
            allowed="http://... or https://...",
        )


def _check_options(options: Mapping[str, Json]) -> None:
    try:
        to_json(options)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(
            "options of the endpoint", got=error, allowed="what JSON can hold"
        ) from None
    if taken := OURS & set(options):
        raise ConfigError(
            "options of the endpoint",
            got=sorted(taken),
            allowed=f"any field but {sorted(OURS)}",
        )
    if secrets := [path for path in _strings(options) if CREDENTIAL.search(path[-1])]:
        names = ", ".join(".".join(path) for path in secrets)  # without the values
        raise ConfigError(
            "options of the endpoint hold what looks like a credential; they would be kept with the run",
            got=names,
            fix="put it into an environment variable, and its name into key_env",
        )


def _strings(value: Json, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names that lead to each string. Only strings count: a schema's field may be *called* password."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _strings(inner, (*path, str(name)))
    elif isinstance(value, Sequence):
        for inner in value:
            yield from _strings(inner, path)


@cache
def _forms(key: str) -> re.Pattern[str]:
    begun = rf"(?i:bearer)(?:\s|%20|\+){{1,4}}{_spelled(key[:4])}[^\s\"'\\,;<>]*"
    return re.compile(
        "|".join(
            [begun, _spelled(key), re.escape(key), *map(_spelled, sorted(_base64(key)))]
        )
    )


def _spelled(text: str) -> str:
    """A pattern in which each character is as it is, \\-escaped (JSON in JSON has more than one \\), \\uXXXX or %XX."""
    return "".join(map(_character, text))


def _character(char: str) -> str:
    units = char.encode("utf-16-be").hex()
    escape = "".join(
        rf"\\{{1,8}}+u(?i:{units[at : at + 4]})" for at in range(0, len(units), 4)
    )
    percent = "".join(f"%(?:25)*(?i:{byte:02x})" for byte in char.encode())
    plain = r"\\\\" if char == "\\" else rf"\\{{0,8}}+{re.escape(char)}"
    return f"(?:{percent}|{escape}|{plain})"  # the longer first: "%" and "u" are characters too


def _base64(key: str) -> set[str]:
    """What base64 makes of a text that holds the key, at each of the three places where it can begin.

    The characters that its neighbours have a part in are left out.
    """
    found = set[str]()
    for shift in range(3):
        raw = bytes(shift) + key.encode()
        sure = b64encode(raw).decode()[-(-8 * shift // 6) : 8 * len(raw) // 6]
        found |= {sure, sure.replace("+", "-").replace("/", "_")}
    return found
