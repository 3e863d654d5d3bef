"""What the tests of the openai teacher share: seeds, prompts, the calls of a pair, and what good
drafts look like.
"""

import socket
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from loopback import Fault, Request
from teachback.endpoints.endpoint import Endpoint
from teachback.ledger.ledger import Ledger
from teachback.teachers.openai import PairCalls, buy_drafts
from teachback.teachers.prompts import Prompts
from teachback.types import Draft, Example, Pick

SEEDS = {
    f"s{i}": Example(
        f"s{i}", f"Seed {i}: Ann has {i} pears and buys {i + 2}. How many has she?"
    )
    for i in range(12)
}
PROMPTS = Prompts(
    "Like <question>{question}</question>, number {n}.", "Solve: {question}", "f" * 64
)
KEY = "sk-secret-0123456789-abcdef"


def picks(count: int) -> list[Pick]:
    return [Pick(f"s{i}", 0, i, None) for i in range(count)]


def pair_calls(base_url: str = "http://127.0.0.1:9/v1", **changes: Any) -> PairCalls:
    """changes: of the endpoint, and of what is asked."""
    ours = {field.name for field in fields(PairCalls)}
    plain: dict[str, Any] = {
        "base_url": base_url,
        "model": "m",
        "deadline_s": 5.0,
        "patience_s": 1.0,
    }
    endpoint = Endpoint(
        **plain | {name: value for name, value in changes.items() if name not in ours}
    )
    asked: dict[str, Any] = {
        "prompts": PROMPTS,
        "max_tokens_question": 40,
        "max_tokens_answer": 60,
    }
    return PairCalls(
        endpoint,
        **asked | {name: value for name, value in changes.items() if name in ours},
    )


def buy(
    base_url: str,
    ledger: Ledger,
    count: int = 6,
    seeds: Mapping[str, Example] = SEEDS,
    **changes: Any,
) -> tuple[Draft, ...]:
    return buy_picks(picks(count), base_url, ledger, seeds, **changes)


def buy_picks(
    these: list[Pick],
    base_url: str,
    ledger: Ledger,
    seeds: Mapping[str, Example] = SEEDS,
    **changes: Any,
) -> tuple[Draft, ...]:
    attempts = changes.pop("attempts", None)
    return buy_drafts(
        these,
        seeds,
        round=0,
        ledger=ledger,
        calls=pair_calls(base_url, **changes),
        attempts=attempts,
    )


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    db = sqlite3.connect(path)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def good(draft: Draft) -> bool:
    """An addition, solved, in two calls."""
    if (
        draft.reason is not None
        or draft.question is None
        or draft.text is None
        or len(draft.calls) != 2
    ):
        return False
    first, second = (
        draft.question.removeprefix("What is ").removesuffix("?").split(" + ")
    )
    return draft.text.endswith(f"\nAnswer: {int(first) + int(second)}")


def only(fault: Fault, at: int) -> Callable[[Request], Fault | None]:
    return lambda request: fault if request.index == at else None


def about(fault: Fault, *seeds: int) -> Callable[[Request], Fault | None]:
    """The fault whenever the question from one of these seeds is asked."""
    return lambda request: (
        fault if any(f"Seed {seed}:" in request.prompt for seed in seeds) else None
    )


def closed_port() -> str:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}/v1"
