"""What can go wrong on the way to a teacher, as data: each fault by its name, and at which rate it comes."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, get_args

from ..errors import ConfigError
from .messages import Request, error_body

Kind = Literal[
    "none", "status", "hang", "reset", "half", "slow", "garbage", "wrong json", "empty", "null", "length", "refusal",
    "content filter", "no usage", "full", "over",
]  # fmt: skip


@dataclass(frozen=True)
class Fault:
    """none: a good answer · status: this status, body and headers (Retry-After, ...) · hang: no response until the
    server closes or the client goes · reset: the socket is closed without one · half: headers and half of the body,
    then the connection is closed · slow: the body in pieces, over `seconds` · garbage: not JSON · wrong json: JSON of
    another shape · empty: no choices · null: a choice without text · length: cut off by the cap · refusal: a refusal
    in place of the text · content filter: cut off by a filter · no usage: the field is missing · full: a usage as high
    as it can be, 64 tokens of chat template included · over: a usage above the cap."""

    kind: Kind
    status: int = 500
    body: str = "a fault that the test asked for"
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 2.0


# A fault for each request in the order of arrival (None, and what is past the end: no fault), or a choice by request.
Faults = Sequence[Fault | None] | Callable[[Request], Fault | None]


def _status(status: int, headers: Mapping[str, str] | None = None) -> Fault:
    type, code = (
        ("requests", "rate_limit_exceeded") if status == 429 else ("server_error", None)
    )
    return Fault(
        "status",
        status,
        error_body(f"a fault to order: HTTP {status}", type, code),
        headers or {},
    )


_LATER = _status(429, {"Retry-After": "1"})
_PLAIN = {
    kind.replace(" ", "-"): Fault(kind) for kind in get_args(Kind) if kind != "status"
}
# `mixed`: any of these, equally often. Neither `hang`, which costs the client its whole deadline, nor `over`, which no
# budget can be kept against: they are asked for by name.
MIXED = (
    _LATER, _status(429), _status(500), _status(502), _status(503),
    *(fault for name, fault in _PLAIN.items() if name not in ("none", "hang", "over")),
)  # fmt: skip
NAMES = f"a status of 300 to 599 (429 with Retry-After, 429-bare without), mixed, {', '.join(_PLAIN)}"


def named(name: str) -> tuple[Fault, ...]:
    """The faults that a name stands for, equally often. Raises ConfigError for a name that is not known."""
    if name == "mixed":
        return MIXED
    if name in ("429", "429-bare"):
        return (_LATER if name == "429" else _status(429),)
    if len(name) == 3 and name.isascii() and name.isdigit() and 300 <= int(name) <= 599:
        return (_status(int(name)),)
    if name not in _PLAIN:
        raise ConfigError("a fault", got=repr(name), allowed=NAMES)
    return (_PLAIN[name],)


def parse_faults(text: str) -> dict[str, float]:
    """The rates in "500:0.05,hang:0.01,mixed:0.2", by name; the empty text is no fault at all. Raises ConfigError."""
    rates: dict[str, float] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, rate = part.partition(":")
        name = "-".join(name.lower().split())
        if name in rates:
            raise ConfigError(
                f"the fault {name} is there twice", got=text, fix="add up its rates"
            )
        try:
            rates[name] = float(rate)
        except ValueError:
            form = "NAME:RATE, ... such as 500:0.05,hang:0.01"
            raise ConfigError("a fault's rate", got=repr(part), allowed=form) from None
    check(rates)
    return rates


def check(rates: Mapping[str, float]) -> None:
    """Raises ConfigError for names that are not known and for rates that can't be."""
    for name, rate in rates.items():
        named(name)
        if not 0 <= rate <= 1:
            raise ConfigError(
                f"the rate of the fault {name}", got=rate, allowed="0 to 1"
            )
    if (total := math.fsum(rates.values())) > 1 + 1e-9:
        raise ConfigError("the faults' rates together", got=total, allowed="at most 1")


def mix(rates: Mapping[str, float], seed: int) -> Callable[[Request], Fault | None]:
    """Faults at these rates. The draw is a function of the seed, the request's bytes and how often the same bytes came
    before: the order of arrival does not matter, and a request that is tried again draws anew."""
    check(rates)
    shares = [(rate, named(name)) for name, rate in rates.items() if rate > 0]
    before = Counter[bytes]()

    def choose(request: Request) -> Fault | None:
        bytes_ = sha256(request.raw).digest()
        number = uniform(b"fault %d %d " % (seed, before[bytes_]) + bytes_)
        before[bytes_] += 1
        for rate, faults in shares:
            if number < rate:
                return faults[min(int(number / rate * len(faults)), len(faults) - 1)]
            number -= rate
        return None

    return choose


def uniform(name: bytes) -> float:
    """A number strictly between 0 and 1: the same for the same name, anywhere."""
    return ((int.from_bytes(sha256(name).digest()[:8], "big") >> 12) + 0.5) / 2**52
