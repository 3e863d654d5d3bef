"""Every fault that a server can show, one by one and mixed; SIGKILL at any moment, by the
server's own count.
"""

import os
import random
import signal
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from crashing import child, ended
from loopback import Fault, RehearsalServer, Request, loopback
from teachback.endpoints.retries import RetryPolicy
from teachback.ledger.costs import Budget
from teachback.ledger.ledger import Ledger
from teachback.serve.faults import mix_faults
from teachback.teachers import client
from teachback.types import Example, Pick
from teaching import buy_picks, good, rows

SEEDS = {
    f"s{i}": Example(
        f"s{i}", f"Seed {i}: Ann has {i} pears and buys {i + 2}. How many?"
    )
    for i in range(3000)
}
EACH = [
    "429", "429-bare", "500", "502", "503", "hang", "reset", "half", "slow", "garbage",
    "wrong-json", "empty", "null",
    "length", "refusal", "content-filter", "no-usage", "full",
]  # fmt: skip


def some(first: int, count: int) -> list[Pick]:
    return [Pick(f"s{i}", 0, i, None) for i in range(first, first + count)]


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize(
    "rates", [*({name: 0.2} for name in EACH), {"mixed": 0.5, "hang": 0.03}], ids=str
)
def test_every_pick_ends_as_one_draft_or_one_failure(
    path: Path, rates: dict[str, float]
) -> None:
    ordered = mix_faults(rates, seed=1)

    def faults(request: Request) -> Fault | None:
        """Turned away early on only: each time the client slows down, as it should."""
        fault = ordered(request)
        return (
            None
            if fault and fault.status in (429, 503) and request.index > 12
            else fault
        )

    with loopback(faults=faults) as server, Ledger(path) as ledger:
        options = {"in_flight": 8, "deadline_s": 0.6, "patience_s": 20.0}
        drafts = buy_picks(some(0, 40), server.base_url, ledger, SEEDS, **options)
        asked = server.calls
        assert (
            buy_picks(some(0, 40), server.base_url, ledger, SEEDS, **options) == drafts
        )
        assert server.calls == asked, "nothing is bought twice"
        assert not ledger.overran
    assert [draft.seed for draft in drafts] == [f"s{i}" for i in range(40)]
    assert all(good(draft) == (draft.reason is None) for draft in drafts)
    assert sum(map(good, drafts)) >= 8
    states = dict(rows(path, "SELECT seed, state FROM pairs"))
    reasons = dict(rows(path, "SELECT seed, reason FROM pairs"))
    # A failed pair has its reason in the ledger too; an unusable answer was paid for: settled.
    for draft in drafts:
        assert states[draft.seed] in ("settled", "failed")
        assert states[draft.seed] == "settled" or reasons[draft.seed] == draft.reason
    assert rows(path, "SELECT count(*) FROM calls WHERE state = 'sent'") == [(0,)]
    (answered,) = rows(path, "SELECT count(*) FROM calls WHERE state = 'answered'")[0]
    (tried,) = rows(path, "SELECT count(*) FROM calls")[0]
    assert (
        answered < tried
        or not {"429", "429-bare", "500", "502", "503", "hang", "reset", "half"}
        & rates.keys()
    )


WINDOW, BATCH = 8, 30
BUDGET = Budget(teacher_tokens=140_000)


def client_of(base_url: str, folder: Path) -> None:
    """A client that goes on where the last one was killed: round by round, as a run does."""
    client.RETRIES = RetryPolicy(backoff_s=0.005)
    with Ledger(folder / "ledger.sqlite", budget=BUDGET) as ledger:
        for first in range(0, len(SEEDS), BATCH):
            done = folder / f"done-{first}"
            if done.exists():
                continue
            drafts = buy_picks(
                some(first, BATCH),
                base_url,
                ledger,
                SEEDS,
                in_flight=WINDOW,
                patience_s=20.0,
            )
            if len(drafts) < BATCH:
                return
            done.touch()


def test_killed_at_a_hundred_random_moments_by_the_servers_own_count(
    tmp_path: Path,
) -> None:
    dice, path = random.Random(0), tmp_path / "ledger.sqlite"
    with loopback(
        latency_s=lambda request: 0.004 + 0.02 * random.Random(request.raw).random()
    ) as server:
        kills = 0
        while kills < 100:
            pid = child(client_of, server.base_url, tmp_path)
            time.sleep(dice.uniform(0.0, 0.12))
            os.kill(pid, signal.SIGKILL)
            kills += ended(pid) == -signal.SIGKILL
            if (
                path.exists() and path.stat().st_size
            ):  # rows() closes: an open connection would not survive the fork
                ((in_flight,),) = rows(
                    path, "SELECT count(*) FROM calls WHERE state = 'sent'"
                )
                assert in_flight <= WINDOW
        assert ended(child(client_of, server.base_url, tmp_path)) == 0
        judge(server, path)


def judge(server: RehearsalServer, path: Path) -> None:
    came = Counter(sha256(request.raw).hexdigest() for request in server.requests)
    calls = rows(path, "SELECT request, state, seed FROM calls")
    states = Counter(state for _, state, _ in calls)
    asked = Counter(request for request, _, _ in calls)
    doubted = Counter(request for request, state, _ in calls if state == "in_doubt")
    seeds = Counter(
        request for request, _ in {(request, seed) for request, _, seed in calls}
    )  # two may ask the same
    assert set(states) == {"answered", "in_doubt"}
    assert states["in_doubt"] > 50
    # A call that was on disk and had not left at the kill is in doubt too, and never came
    assert states["answered"] <= server.calls <= states["answered"] + states["in_doubt"]
    assert all(count <= asked[request] for request, count in came.items()), (
        "the ledger knew before the server"
    )
    assert all(
        count <= seeds[request] + doubted[request] for request, count in came.items()
    ), "twice only if in doubt"
    answered = Counter(
        (request, seed) for request, state, seed in calls if state == "answered"
    )
    assert max(answered.values()) == 1, "what was answered is not sent again"
    assert BUDGET.teacher_tokens is not None
    used = sum(usage(request) for request in server.requests)
    assert used <= BUDGET.teacher_tokens
    with Ledger(path, budget=BUDGET) as ledger:
        spend = ledger.spend()
    assert used <= spend.tokens <= BUDGET.teacher_tokens
    assert (
        spend.input_tokens + spend.output_tokens + spend.in_doubt_tokens == spend.tokens
    )


def usage(request: Request) -> int:
    """What the server says that it used for a request: words."""
    from loopback import addition_teacher, count_words

    return (
        4
        + count_words(request.prompt)
        + count_words(addition_teacher(request.messages))
    )
