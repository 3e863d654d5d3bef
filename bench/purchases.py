"""What the benchmarks of the teacher's client buy, and what each contender got."""

import sqlite3
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from bench.process import peak_mib
from teachback.endpoints.endpoint import Endpoint
from teachback.endpoints.replies import parse_completion
from teachback.ledger.costs import PICODOLLARS_PER_USD, Budget, Price
from teachback.ledger.ledger import Ledger
from teachback.teachers.openai import PairCalls, buy_drafts
from teachback.teachers.prompts import load_prompts
from teachback.types import Example, Pick

# In picodollars a token. It makes the ledger count money too.
PRICE = Price(2_500_000, 10_000_000, 1_250_000)
# Limits that every call is checked against, and that none reaches.
BUDGET = Budget(
    generated=10**6,
    teacher_tokens=10**12,
    usd=10**6 * PICODOLLARS_PER_USD,
)
QUESTION = (
    "Ann has {} pears and buys {} more. "
    "Then she gives half of the pears that she has to Bob. How many are left?"
)

# Sorted pairs: sha256 of a request's body, and the text of its answer.
Texts = list[tuple[str, str]]


@dataclass(frozen=True)
class Purchase:
    """What one contender bought in its process."""

    texts: Texts
    cpu_s: float
    # On the monotonic clock, which all processes share.
    started_at: float
    ended_at: float
    rss_mib: float = field(default_factory=peak_mib)

    @property
    def wall_s(self) -> float:
        return self.ended_at - self.started_at


def temporary_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder on the checkout's disk: /tmp may be memory, where durable costs nothing."""
    Path("runs").mkdir(exist_ok=True)
    return tempfile.TemporaryDirectory(prefix="bench-", dir="runs")


def make_pair_calls(
    base_url: str, in_flight: int, *, calls_per_pair: int = 2, tries: int = 3
) -> PairCalls:
    """Pairs from the shipped prompts, in one call or two."""
    prompts = load_prompts("neutral", calls=1 if calls_per_pair == 1 else 2)
    endpoint = Endpoint(
        base_url=base_url,
        model="teachback",
        in_flight=in_flight,
        tries=tries,
        price=PRICE,
    )
    return PairCalls(endpoint, prompts, max_tokens_question=256, max_tokens_answer=512)


def make_seeds(count: int) -> list[Example]:
    return [Example(f"s{i}", QUESTION.format(2 * i, 2 * i + 6)) for i in range(count)]


def one_call_requests(count: int) -> list[bytes]:
    """The bytes that `buy_pairs` sends for these seeds where a pair is one call."""
    calls = make_pair_calls("http://127.0.0.1", 1, calls_per_pair=1)
    return [calls.first_request(seed.question, 0, None) for seed in make_seeds(count)]


def buy_pairs(calls: PairCalls, count: int) -> Purchase:
    """Buy a pair for each seed as a run does: limiter, retries, a ledger on the disk."""
    seeds = make_seeds(count)
    picks = [Pick(seed.id, 0, rank, None) for rank, seed in enumerate(seeds)]
    with temporary_folder() as folder:
        path = Path(folder) / "ledger.sqlite"
        started, cpu = time.monotonic(), time.process_time()
        with Ledger(path, budget=BUDGET) as ledger:
            buy_drafts(
                picks,
                {seed.id: seed for seed in seeds},
                round=0,
                ledger=ledger,
                calls=calls,
            )
        cpu, ended, rss = time.process_time() - cpu, time.monotonic(), peak_mib()
        return Purchase(answered_texts(path), cpu, started, ended, rss)


def answered_texts(ledger_path: Path) -> Texts:
    """The texts of the answered calls in a ledger."""
    query = "SELECT request, body FROM calls WHERE state = 'answered'"
    rows = query_file(ledger_path, query)
    return sorted((request, parse_completion(body).text()) for request, body in rows)


def query_file(path: Path, query: str) -> list[tuple[str, str]]:
    """The rows that a new connection to the file sees."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def texts_by_request(bodies: Sequence[bytes], texts: Sequence[str]) -> Texts:
    pairs = zip(bodies, texts, strict=True)
    return sorted((sha256(body).hexdigest(), text) for body, text in pairs)
