"""An experiment: would the previous round's answer, or the gold solution, pay as a draft of the next answer?

Greedy decoding could verify a draft in one forward pass and keep its tokens up to the first that the new student would
not have chosen. How many it keeps needs no new decoder: recorded rounds hold both answers to the same seed. From
`runs/bench-NAME` (made by `python -m bench run NAME recipes/…`) come the shares; what a token of a pass over given
tokens costs here, and a decoding step of so many rows, is measured; together they predict the seconds of each round's
attempts, plain and with drafts. `ratio` is the gain that this predicts over all recorded rounds with the better kind
of draft: the target is what would make it worth building. Nothing is compared with a peer, and there is no gate.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bench.against import Outcome, fresh, peak_mib
from teachback.build.task import make_task
from teachback.config import config as cfg
from teachback.errors import ConfigError
from teachback.run import files
from teachback.student.chat import Chat, encode, prompt_ids
from teachback.student.folder import Loaded, load, resolve
from teachback.types import Attempt, Example, Task

TARGET = 1.5
RUNS = ("gsm8k", "math", "game24", "prontoqa", "prontoqa-random")
ROWS = (1, 2, 4, 8, 16, 32, 64)  # of a decoding step
AGREE = 3  # tokens in a row that an answer shares with its draft before the draft is taken up again

Kind = Literal["previous", "gold"]


class Costs(NamedTuple):
    """Seconds: of a prompt's token, of a draft's token (its logits and signals too), of a decoding step by its rows."""

    prompt_token: float
    draft_token: float
    step_of: Mapping[int, float]


class Row(NamedTuple):
    """One answer of a recorded round, and what would have been offered as its draft: tokens."""

    prompt: int
    answer: list[int]
    draft: list[int]


def bench(quick: bool) -> Outcome:
    folder, identity = resolve("smollm2-135m")
    student, rows = (
        load(folder),
        {
            name: recorded(Path("runs", f"bench-{name}"))
            for name in RUNS[-1 if quick else 0 :]
        },
    )
    costs = fresh(measured, str(folder), quick)
    facts: dict[str, Any] = {}
    seconds: dict[Kind, list[tuple[float, float]]] = {"previous": [], "gold": []}
    for name, rounds in rows.items():
        for kind, told in seconds.items():
            tokens = [tokenized(student, *one, kind) for one in rounds]
            told += [(plain(given, costs), replayed(given, costs)) for given in tokens]
            facts |= {
                f"{name}, round {r}, {kind}": said(given, costs)
                for r, given in enumerate(tokens, start=1)
            }
    gains = {
        kind: sum(a for a, _ in told) / sum(b for _, b in told)
        for kind, told in seconds.items()
    }
    about = {"student": identity, "runs": list(rows), "costs_ms": in_ms(costs)}
    overall = {kind: round(gain, 3) for kind, gain in gains.items()}
    found = {"work": about, "predicted_gain": overall, "rounds": facts}
    return Outcome(max(gains.values()), TARGET, True, peak_mib(), found)


def recorded(
    folder: Path,
) -> list[tuple[Task, Chat, Sequence[Attempt], Sequence[Attempt]]]:
    """Of a run, each round's attempts with those of the round before."""
    config = cfg.of_run(folder)
    chat = Chat(config.student.system, config.student.chat_template_kwargs)
    rounds = [
        files.read_json(path, tuple[Attempt, ...])
        for path in sorted(folder.glob("round-*/attempt.json"))
    ]
    if len(rounds) < 2:
        fix = f"python -m bench run {folder.name.removeprefix('bench-')} recipes/…"
        raise ConfigError(
            f"{folder} holds no two rounds of attempts", got=len(rounds), fix=fix
        )
    return [(make_task(config.task), chat, old, new) for old, new in pairwise(rounds)]


def tokenized(
    student: Loaded,
    task: Task,
    chat: Chat,
    old: Sequence[Attempt],
    new: Sequence[Attempt],
    kind: Kind,
) -> list[Row]:
    seeds = {seed.id: seed for seed in task.seeds}
    return [
        Row(
            len(prompt_ids(student, chat, task.prompt(seeds[now.id].question))),
            tokens_of(student, now.text, now.truncated),
            tokens_of(student, was.text, was.truncated)
            if kind == "previous"
            else gold(student, task, seeds[now.id]),
        )
        for was, now in zip(old, new, strict=True)
    ]


def tokens_of(student: Loaded, text: str, truncated: bool) -> list[int]:
    return [
        *encode(student.tokenizer, text),
        *([] if truncated else [student.tokenizer.eos_token_id]),
    ]


def gold(student: Loaded, task: Task, seed: Example) -> list[int]:
    text = task.target(seed)
    return [] if text is None else tokens_of(student, text, truncated=False)


def kept(row: Row) -> int:
    """Tokens of the draft that the student would have chosen too, up to the first that it would not."""
    pairs = zip(row.answer, row.draft, strict=False)
    return next(
        (t for t, (a, b) in enumerate(pairs) if a != b),
        min(len(row.answer), len(row.draft)),
    )


def kept_realigned(row: Row) -> int:
    """Were the draft taken up again wherever the answer's last AGREE tokens stand in it, after where it was left."""
    t = at = total = 0
    while t < len(row.answer):
        same = kept(Row(0, row.answer[t:], row.draft[at:]))
        total, t, at = total + same, t + same + 1, at + same
        while t < len(row.answer):
            found = (
                place(row.draft, row.answer[t - AGREE : t], at) if t >= AGREE else None
            )
            if found is not None:
                at = found
                break
            t += 1
    return total


def place(draft: Sequence[int], last: Sequence[int], start: int) -> int | None:
    """Where the draft goes on after the tokens `last`."""
    places = range(max(0, start - AGREE + 1), len(draft) - AGREE)
    return next((i + AGREE for i in places if draft[i : i + AGREE] == last), None)


def plain(rows: Sequence[Row], costs: Costs) -> float:
    return prompts_s(rows, costs) + steps_s([len(row.answer) for row in rows], costs)


def replayed(rows: Sequence[Row], costs: Costs) -> float:
    """The drafts are read with their prompts; that pass also gives the token after those that are kept."""
    left = [len(row.answer) - kept(row) - (1 if row.draft else 0) for row in rows]
    verified = sum(len(row.draft) for row in rows) * costs.draft_token
    return prompts_s(rows, costs) + verified + steps_s(left, costs)


def prompts_s(rows: Sequence[Row], costs: Costs) -> float:
    return sum(row.prompt for row in rows) * costs.prompt_token


def steps_s(lengths: Sequence[int], costs: Costs) -> float:
    """Decoding all rows together; one that has ended leaves."""
    running = [sum(length > t for length in lengths) for t in range(max(0, *lengths))]
    return sum(step_s(rows, costs) for rows in running)


def step_s(rows: int, costs: Costs) -> float:
    """Between the numbers of rows that were measured: on a straight line."""
    low = max(n for n in costs.step_of if n <= rows)
    high = min((n for n in costs.step_of if n >= rows), default=low)
    share = 0.0 if high == low else (rows - low) / (high - low)
    return costs.step_of[low] + share * (costs.step_of[high] - costs.step_of[low])


def said(rows: Sequence[Row], costs: Costs) -> dict[str, Any]:
    tokens, drafts = (
        sum(len(row.answer) for row in rows),
        sum(len(row.draft) for row in rows),
    )
    return {
        "answer_tokens": tokens,
        "draft_tokens": drafts,
        "share_kept": round(sum(map(kept, rows)) / tokens, 3),
        "share_kept_realigned": round(sum(map(kept_realigned, rows)) / tokens, 3),
        "answers_kept_whole": sum(kept(row) == len(row.answer) for row in rows),
        "predicted_s": {
            "plain": round(plain(rows, costs), 2),
            "replay": round(replayed(rows, costs), 2),
        },
        "predicted_gain": round(plain(rows, costs) / replayed(rows, costs), 3),
        "gain_were_all_kept": round(
            plain(rows, costs)
            / replayed([r._replace(draft=r.answer) for r in rows], costs),
            3,
        ),
    }


def measured(folder: str, quick: bool) -> Costs:
    """On prompts of 150 tokens and drafts of 100, all of the same length: nothing is padded."""
    from teachback.student.decode import decode
    from teachback.student.frozen import freeze, head
    from teachback.student.reading import forward_from
    from teachback.student.signals import signals

    student = replace(
        freeze(Path(folder)), ends=frozenset({0})
    )  # which it never says: no row ends early
    row = [(7 * t) % 20_000 + 100 for t in range(250)]
    prompt, n = row[:150], 4 if quick else 16

    def verify() -> None:
        import torch

        with torch.inference_mode():
            for _ in range(n // 2):  # two rows a pass, as signals are read
                hidden_N_D = forward_from(student, None, [row, row], 0)[
                    :, 150:
                ].reshape(200, -1)
                ids_N = torch.tensor([*row[150:], *row[150:]])
                for hidden, ids in zip(
                    hidden_N_D.split(64), ids_N.split(64), strict=True
                ):
                    signals(head(student, hidden), hidden, ids)

    def prefill() -> None:
        decode(
            student, [[t, *prompt[1:]] for t in range(100, 100 + n)], 1
        )  # they share no beginning

    prompt_s = best(prefill) / n
    steps = {}
    for rows in ROWS[: 3 if quick else None]:
        given = [prompt] * rows  # read once: what is left is the steps
        steps[rows] = (
            best(lambda given=given: decode(student, given, 25))
            - best(lambda given=given: decode(student, given, 1))
        ) / 24
    return Costs(prompt_s / 150, (best(verify) / n - prompt_s) / 100, steps)


def best(function: Any, tries: int = 2) -> float:
    """Seconds, the better of two after the first use warmed it up."""
    seconds = []
    for _ in range(tries):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def in_ms(costs: Costs) -> dict[str, Any]:
    steps = {str(rows): round(1e3 * s, 1) for rows, s in costs.step_of.items()}
    return {
        "prompt_token": round(1e3 * costs.prompt_token, 3),
        "draft_token": round(1e3 * costs.draft_token, 3),
        "step_of_rows": steps,
    }
