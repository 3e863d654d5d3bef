"""What can go wrong between a client and a teacher, as data: named faults and their rates."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal, get_args

from ..errors import ConfigError
from .messages import Request, openai_error_body

FaultKind = Literal[
    "none",  # a good answer
    "status",  # an HTTP error: this status, body and headers (Retry-After, ...)
    "hang",  # no response until the server closes or the client goes
    "reset",  # the socket is closed without a response
    "half",  # headers and half of the body, then the connection is closed
    "slow",  # the body in pieces
    "garbage",  # not JSON
    "wrong json",  # JSON of another shape
    "empty",  # no choices
    "null",  # a choice without text
    "length",  # cut off by the cap
    "refusal",  # a refusal in place of the text
    "content filter",  # cut off by a filter
    "no usage",  # the field is missing
    "full",  # the highest honest usage: bytes as tokens, 64 of chat template, the whole cap
    "over",  # a usage above the cap
]


@dataclass(frozen=True)
class Fault:
    kind: FaultKind
    # The next three are the response of a "status" fault.
    status: int = 500
    body: str = "a fault that the test asked for"
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 2.0  # how long a "slow" body takes


# Either a fault for each request in the order of arrival (None, or the end of the sequence: no
# fault), or a function of the request.
FaultSchedule = Sequence[Fault | None] | Callable[[Request], Fault | None]


def _status_fault(status: int, headers: Mapping[str, str] | None = None) -> Fault:
    message = f"a fault to order: HTTP {status}"
    body = openai_error_body(message, "server_error")
    if status == 429:
        body = openai_error_body(message, "requests", "rate_limit_exceeded")
    return Fault("status", status, body, headers or {})


_RETRY_AFTER_FAULT = _status_fault(429, {"Retry-After": "1"})
_FAULT_OF_KIND = {
    kind.replace(" ", "-"): Fault(kind)
    for kind in get_args(FaultKind)
    if kind != "status"
}
# What `mixed` draws from, each equally often. `hang` costs the client its whole deadline, and no
# budget can be kept against `over`: both must be asked for by name.
_NOT_MIXED = ("none", "hang", "over")
MIXED_FAULTS = (
    _RETRY_AFTER_FAULT,
    _status_fault(429),
    _status_fault(500),
    _status_fault(502),
    _status_fault(503),
    *(fault for name, fault in _FAULT_OF_KIND.items() if name not in _NOT_MIXED),
)
FAULT_NAMES = (
    "a status of 300 to 599 (429 with Retry-After, 429-bare without), mixed, "
    + ", ".join(_FAULT_OF_KIND)
)


def find_faults(name: str) -> tuple[Fault, ...]:
    """Return the faults that a name stands for, each equally likely.

    Raises ConfigError for an unknown name.
    """
    if name == "mixed":
        return MIXED_FAULTS
    if name == "429":
        return (_RETRY_AFTER_FAULT,)
    if name == "429-bare":
        return (_status_fault(429),)
    is_number = len(name) == 3 and name.isascii() and name.isdigit()
    if is_number and 300 <= int(name) <= 599:
        return (_status_fault(int(name)),)
    if name not in _FAULT_OF_KIND:
        raise ConfigError("a fault", got=repr(name), allowed=FAULT_NAMES)
    return (_FAULT_OF_KIND[name],)


def parse_faults(text: str) -> dict[str, float]:
    """Read the rates in "500:0.05,hang:0.01,mixed:0.2", by name. The empty text has no faults.

    Raises ConfigError.
    """
    rates: dict[str, float] = {}
    parts = [part.strip() for part in text.split(",")]
    for part in filter(None, parts):
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
    check_fault_rates(rates)
    return rates


def check_fault_rates(rates: Mapping[str, float]) -> None:
    """Raise ConfigError for unknown names and impossible rates."""
    for name, rate in rates.items():
        find_faults(name)
        if not 0 <= rate <= 1:
            raise ConfigError(
                f"the rate of the fault {name}", got=rate, allowed="0 to 1"
            )
    total = math.fsum(rates.values())
    if total > 1 + 1e-9:
        raise ConfigError("the faults' rates together", got=total, allowed="at most 1")


def mix_faults(
    rates: Mapping[str, float], seed: int
) -> Callable[[Request], Fault | None]:
    """Draw faults at these rates.

    A draw depends on the seed, the request's bytes and how often the same bytes came before. So the
    order of arrival does not matter, and a retried request draws anew.
    """
    check_fault_rates(rates)
    possible = [(rate, find_faults(name)) for name, rate in rates.items() if rate > 0]
    n_tries = Counter[bytes]()

    def choose(request: Request) -> Fault | None:
        digest = sha256(request.raw).digest()
        number = uniform_from_bytes(b"fault %d %d " % (seed, n_tries[digest]) + digest)
        n_tries[digest] += 1
        for rate, faults in possible:
            if number < rate:
                # Below its rate the number is uniform: it also picks one of the faults.
                position = int(number / rate * len(faults))
                return faults[min(position, len(faults) - 1)]
            number -= rate
        return None

    return choose


def uniform_from_bytes(name: bytes) -> float:
    """A number strictly between 0 and 1, the same for the same bytes on any machine."""
    # 52 bits and a half: a float holds the sum exactly, and it is never 0 or 1.
    high_bits = int.from_bytes(sha256(name).digest()[:8], "big") >> 12
    return (high_bits + 0.5) / 2**52
