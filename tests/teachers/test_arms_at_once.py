"""Arms of a comparison that ask at the same time: one sends, the other waits, and each pays as if
it had bought.
"""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crashing import child, ended
from loopback import Fault, Request, loopback
from teachback.errors import BudgetClosed, LedgerError
from teachback.ledger.costs import Budget
from teachback.ledger.ledger import Ledger
from teachback.ledger.queries import open_read_only
from teachback.types import Draft
from teaching import buy, good, rows


def arm(
    path: Path, name: str, base_url: str, count: int = 12
) -> tuple[tuple[Draft, ...], int]:
    with Ledger(path, arm=name, shared=True) as ledger:
        return buy(
            base_url, ledger, count, in_flight=4
        ), ledger.amount_committed().teacher_tokens or 0


def slow(request: Request) -> float:
    return 0.03


@pytest.mark.parametrize("arms", [2, 3])
def test_what_two_arms_ask_at_once_is_sent_once_and_charged_to_each(
    path: Path, arms: int
) -> None:
    with loopback(latency_s=slow) as server, ThreadPoolExecutor(arms) as threads:
        found = [
            threads.submit(arm, path, f"arm{i}", server.base_url) for i in range(arms)
        ]
        (drafts, tokens), *others = [one.result() for one in found]
        assert server.calls == 24, "a question and its answer, for each of 12 seeds"
    assert all(map(good, drafts))
    assert others == [(drafts, tokens)] * (arms - 1)
    with open_read_only(path, arm="arm0") as ledger:
        assert (
            ledger.spend_of_all_arms().input_tokens
            + ledger.spend_of_all_arms().output_tokens
            == tokens
        )


@pytest.mark.usefixtures("quick_retries")
def test_where_the_one_that_sent_gets_no_answer_the_other_sends(path: Path) -> None:
    """A reset is in doubt: charged to the arm that sent it, and to no other."""

    def faults(request: Request) -> Fault | None:
        return Fault("reset") if request.index == 0 else None

    with (
        loopback(latency_s=slow, faults=faults) as server,
        ThreadPoolExecutor(2) as threads,
    ):
        found = [threads.submit(arm, path, name, server.base_url, 1) for name in "ab"]
        results = [one.result() for one in found]
        assert server.calls == 3
    assert results[0][0] == results[1][0]
    assert all(map(good, results[0][0]))
    assert abs(results[0][1] - results[1][1]) > 0, "the one in doubt"
    assert rows(path, "SELECT count(*) FROM calls WHERE state = 'in_doubt'") == [(1,)]


def test_a_call_of_an_arm_that_died_is_not_waited_for(path: Path) -> None:
    with loopback(
        latency_s=lambda request: 2.0 if request.index == 0 else 0.0
    ) as server:
        pid = child(arm, path, "dead", server.base_url, 1)
        deadline = time.monotonic() + 20
        while not path.exists() or not rows(
            path, "SELECT 1 FROM sqlite_master WHERE name = 'calls'"
        ):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        while rows(path, "SELECT state FROM calls") != [("sent",)]:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
        assert ended(pid) == -signal.SIGKILL
        drafts, _ = arm(path, "other", server.base_url, 1)
        assert good(drafts[0])
        assert rows(path, "SELECT state, count(*) FROM calls GROUP BY state") == [
            ("answered", 2),
            ("sent", 1),
        ]
        arm(path, "dead", server.base_url, 1)
        assert rows(path, "SELECT state, count(*) FROM calls GROUP BY state") == [
            ("answered", 2),
            ("in_doubt", 1),
        ]


def test_one_process_an_arm(path: Path) -> None:
    with (
        Ledger(path, arm="a", shared=True),
        Ledger(path, arm="b", shared=True),
        pytest.raises(LedgerError, match="another process is at work for arm 'a'"),
    ):
        Ledger(path, arm="a", shared=True)
    Ledger(path, arm="a", shared=True).close()


def test_the_total_limits_what_all_arms_really_send(path: Path) -> None:
    with loopback() as server:
        with Ledger(path, arm="a") as ledger:
            assert all(map(good, buy(server.base_url, ledger, 6)))
            spent = (
                ledger.spend_of_all_arms().input_tokens
                + ledger.spend_of_all_arms().output_tokens
            )
        total = Budget(teacher_tokens=spent + 10)
        with Ledger(path, arm="b", total=total) as ledger:
            assert all(map(good, buy(server.base_url, ledger, 6))), (
                "what is there costs nothing"
            )
            asked = server.calls
            with pytest.raises(BudgetClosed, match=r"budget\.total is spent"):
                buy(server.base_url, ledger, 7)
            assert server.calls == asked
        with Ledger(path, arm="b", total=Budget(teacher_tokens=10 * spent)) as ledger:
            assert len(buy(server.base_url, ledger, 7)) == 7, "raised, it goes on"
        states = rows(path, "SELECT DISTINCT state FROM pairs")
    assert states == [("settled",)]
