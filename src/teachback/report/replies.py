"""The teacher's raw replies and what became of each: what `teachback show` prints."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import count, groupby
from pathlib import Path
from typing import Any, Literal

from ..errors import ConfigError
from ..ledger.costs import PairReply
from ..run.history import read_step

Fate = Literal["row", "rejected", "not finished"]


@dataclass(frozen=True)
class ShownCall:
    role: str
    state: str  # as the ledger says it: answered, refused, in_doubt, sent
    reason: str | None  # why there is no answer
    reply: str  # what the model wrote
    body: str | None  # the whole response


@dataclass(frozen=True)
class ShownPair:
    """All that was bought for the n-th selection of a seed."""

    round: int
    seed: str
    n: int
    kind: str  # "pair", or the role of a judge
    fate: Fate
    reason: str | None  # why it is no row
    calls: tuple[ShownCall, ...]


def collect_pairs(
    folder: Path,
    replies: Sequence[PairReply],
    read_text: Callable[[str], str],
    seed: str | None,
    rejected_only: bool,
) -> tuple[ShownPair, ...]:
    """From the ledger's calls and the steps of the run in `folder`. Only files are read.

    read_text(body): what the model wrote. seed: the one that was asked for; its judges' replies
    are shown too. Raises ConfigError for a seed without any.
    """
    if seed is not None and not replies:
        raise ConfigError(
            f"nothing was bought for the seed {seed!r} in {folder}",
            fix=f"`teachback show {folder}` shows what was",
        )
    fates = read_fates(folder)
    pairs = []
    for key, calls in groupby(replies, lambda reply: (reply.kind, reply.seed, reply.n)):
        of_pair = list(calls)
        fate = fates.get(key[1:]) if key[0] == "pair" else None
        pair = describe_pair(of_pair, fate, read_text)
        is_wanted = pair.fate == "rejected" or not rejected_only
        if is_wanted and (pair.kind == "pair" or seed is not None):
            pairs.append(pair)
    return tuple(pairs)


def describe_pair(
    replies: Sequence[PairReply],
    fate: tuple[Fate, str | None] | None,
    read_text: Callable[[str], str],
) -> ShownPair:
    first = replies[0]
    what, reason = fate or ("not finished", None)
    if fate is None and first.pair_state == "failed":
        what, reason = "rejected", first.pair_reason
    calls = [
        ShownCall(
            reply.role,
            reply.state or "",
            reply.reason,
            read_text(reply.body or ""),
            reply.body,
        )
        for reply in replies
        if reply.role is not None
    ]
    return ShownPair(
        first.round, first.seed, first.n, first.kind, what, reason, tuple(calls)
    )


def read_fates(folder: Path) -> dict[tuple[str, int], tuple[Fate, str | None]]:
    """What became of each draft, by (seed, n), as far as the steps have come."""
    fates: dict[tuple[str, int], tuple[Fate, str | None]] = {}
    for r in count():
        round_folder = folder / f"round-{r:02d}"
        if not round_folder.exists():
            return fates
        for name in ("generate", "verify"):
            for draft in read_step(round_folder, name) or ():
                if draft.reason is not None:
                    fates[draft.seed, draft.n] = ("rejected", draft.reason)
        curation = read_step(round_folder, "curate")
        if curation is None:
            continue
        for row in curation.rows:
            fates[row.seed, row.n] = ("row", None)
        for rejection in curation.rejected:
            fates[rejection.seed, rejection.n] = ("rejected", rejection.reason)
    return fates


# -- as text and as data -----------------------------------------------------------------


def pair_lines(pairs: Sequence[ShownPair]) -> list[str]:
    if not pairs:
        return ["no such reply"]
    lines: list[str] = []
    for pair in pairs:
        lines += [describe_fate(pair), *map(call_line, pair.calls), ""]
    return lines[:-1]


def describe_fate(pair: ShownPair) -> str:
    what = f"round {pair.round} · seed {pair.seed}, selection {pair.n}"
    if pair.kind != "pair":
        return f"{what} · {pair.kind}"
    if pair.fate == "not finished":
        return f"{what}: not checked yet, because its round is not finished"
    return f"{what}: {pair.fate}{f': {pair.reason}' if pair.reason else ''}"


def call_line(call: ShownCall) -> str:
    """Further lines of a reply stand below its first one."""
    if call.state == "answered":
        text = lay_out_exercise(call.reply) or call.reply.strip() or "(no text)"
    else:
        text = f"({call.state.replace('_', ' ')}: {call.reason or 'no answer yet'})"
    lines = f"  {call.role:9} {text}".replace("\n", f"\n{' ' * 12}").split("\n")
    return "\n".join(line.rstrip() for line in lines)


def lay_out_exercise(reply: str) -> str | None:
    """What a program or a pool wrote, as a question and its text; None for any other reply."""
    try:
        exercise = json.loads(reply)
    except (ValueError, RecursionError):
        return None
    if not isinstance(exercise, dict):
        return None
    question, text = exercise.get("question"), exercise.get("text")
    if not isinstance(question, str) or not isinstance(text, str):
        return None
    return f"{question}\n\n{text}"


def pair_facts(pairs: Sequence[ShownPair]) -> list[dict[str, Any]]:
    return [asdict(pair) for pair in pairs]
