"""The ledger under SIGKILL at random moments."""

import os
import random
import signal
import time
from pathlib import Path

from ledgers import PRICE, cost, rows, sums_hold
from teachback.ledger.costs import Budget, Usage
from teachback.ledger.ledger import Ledger

# Kills

KILLS = 30
KILL_BUDGET = Budget(generated=400, teacher_tokens=7000)


def stream(path: Path, run: int, tell: int) -> None:
    """Random operations until killed. The pipe gets each answer that the ledger kept."""
    draw = random.Random(run)
    ledger = Ledger(path, budget=KILL_BUDGET)
    os.write(tell, b"open\n")
    for step in range(10**6):
        seed = f"{run}-{step}"
        pair = ledger.reserve(seed, 0, run, cost(draw.randrange(100)))
        if pair is None:
            os.write(tell, b"full\n")
            continue
        call = ledger.charge_call(
            pair, "question", seed.encode(), cost(draw.randrange(60))
        )
        end = draw.randrange(4)
        if call is not None and end == 0:
            ledger.refuse(call, "429")
        elif call is not None and end == 1:
            ledger.doubt(call, "timeout")
        elif call is not None:
            with ledger.group():
                ledger.answer(call, seed, None if end == 2 else Usage(0, 0), 0.1, PRICE)
                ledger.settle(pair)
            os.write(tell, f"{seed}\n".encode())
            continue
        ledger.fail(pair, "no answer")
        os.write(tell, b"failed\n")


def killed(path: Path, run: int, after: int, wait: float) -> list[str]:
    """Kill a child `wait` seconds after it has acknowledged `after` operations."""
    listen, tell = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(listen)
            stream(path, run, tell)
        finally:
            os._exit(1)
    os.close(tell)
    with os.fdopen(listen, "rb") as pipe:
        said = [pipe.readline() for _ in range(after)]
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
        said += pipe.readlines()
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    return [line.decode().strip() for line in said if line.endswith(b"\n")]


def test_sigkill_at_random_points_loses_nothing_that_was_acknowledged(
    path: Path,
) -> None:
    """The first kills fall into the creation of the file."""
    draw, acknowledged = random.Random(0), set()
    for run in range(KILLS):
        wait = run / 1000 if run < 10 else draw.random() / 200
        said = killed(path, run, after=0 if run < 10 else draw.randrange(40), wait=wait)
        acknowledged |= {line for line in said if "-" in line}
        if not path.exists():
            continue
        with Ledger(
            path, budget=KILL_BUDGET
        ) as ledger:  # refuses a file that commits more than its budget
            spend = ledger.spend()
            assert spend.pairs <= 400
            assert spend.tokens <= 7000
            sums_hold(path)
            assert rows(path, "SELECT count(*) FROM calls WHERE state = 'sent'") == [
                (0,)
            ]
            assert rows(path, "PRAGMA integrity_check") == [("ok",)]
            # a group is whole: no pair is settled without its answer, none is open with one
            torn = "(pairs.state = 'settled') <> (costs.state = 'answered')"
            torn = f"SELECT * FROM costs JOIN pairs ON id = pair WHERE {torn}"
            assert rows(path, torn) == []
            for seed in acknowledged:
                pair = ledger.reserve(seed, 0, 0, cost(0))
                assert pair is not None
                served = ledger.find_answer(pair, "question", seed.encode())
                assert served is not None
                assert served.body == seed
    assert len(acknowledged) > 50
