"""What a run left on disk, in a form in which two runs that must be equal are equal."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

# Seconds and host names are in these. The ledger is compared by its rows.
NOT_COMPARED = {"timings.jsonl", "report.html", "lock"}


class Snapshot(NamedTuple):
    files: dict[str, bytes]  # by path, without the ledger
    pairs: frozenset[tuple[Any, ...]]
    answers: dict[tuple[Any, ...], str]  # body by (role, request, seed, n)

    def differences(self, other: "Snapshot") -> list[str]:
        """What of this run is missing or other in the other one, and what is only there."""
        names = self.files.keys() | other.files.keys()
        differing = [n for n in names if self.files.get(n) != other.files.get(n)]
        if self.pairs != other.pairs:
            differing.append("the ledger's pairs")
        if self.answers != other.answers:
            differing.append("the ledger's answers")
        return sorted(differing)

    def count_lost(self, other: "Snapshot") -> int:
        """Answers of this run that the other one has not."""
        return len(self.answers.keys() - other.answers.keys())


def take_snapshot(folder: Path) -> Snapshot:
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and is_compared(path)
    }
    pairs = read_rows(folder, "SELECT kind, seed, n, round, state, counted FROM pairs")
    rows = read_rows(
        folder,
        "SELECT role, request, seed, n, body FROM calls WHERE state = 'answered'",
    )
    answers = {tuple(key): drop_stamp(body) for *key, body in rows}
    return Snapshot(files, frozenset(pairs), answers)


def drop_stamp(body: str) -> str:
    """A server numbers its answers, and stamps them with the time."""
    data = json.loads(body)
    return json.dumps({k: v for k, v in data.items() if k not in ("id", "created")})


def is_compared(path: Path) -> bool:
    return path.name not in NOT_COMPARED and not path.name.startswith("ledger.sqlite")


def read_rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    """Rows of the run's ledger; none where it has no ledger that can be read."""
    path = folder / "ledger.sqlite"
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(path)) as db:
            return db.execute(query).fetchall()
    except sqlite3.Error:
        return []


class Money(NamedTuple):
    """Tokens that the ledger charged, and those that the server counted."""

    charged: int
    served: int
    # Calls in the ledger, whatever became of them, and requests that came to the server.
    calls: int
    requests: int

    def is_short(self) -> bool:
        """Whether the server counted more than the ledger knows of."""
        return self.served > self.charged or self.requests > self.calls


def count_money(folder: Path, log: Path, first_line: int) -> Money:
    """log: the server's. Its lines from `first_line` on are those of this run."""
    lines = [json.loads(line) for line in log.read_text().splitlines()[first_line:]]
    served = sum(sum_tokens(line["usage"]) for line in lines if line["usage"])
    ((charged,),) = read_rows(folder, "SELECT coalesce(sum(tokens), 0) FROM charges")
    ((calls,),) = read_rows(folder, "SELECT count(*) FROM calls")
    return Money(charged, served, calls, len(lines))


def sum_tokens(usage: dict[str, int]) -> int:
    return usage["prompt_tokens"] + usage["completion_tokens"]
