"""What the ledger hands out: a pair, and an answer that it has."""

from dataclasses import dataclass
from typing import Literal

from .costs import Usage


@dataclass(frozen=True)
class Pair:
    id: int
    state: Literal["open", "settled", "failed"]  # when the ledger handed it out
    reason: str | None  # why it failed


@dataclass(frozen=True)
class RecordedAnswer:
    call: int
    body: str  # the raw response, as it came
    usage: Usage
