"""An experiment: would a draft of the next answer pay?

A draft is the previous round's answer, or the gold solution. Greedy decoding could
verify a draft in one forward pass, and keep its tokens up to the first that the new
student would not have chosen. Recorded rounds hold both answers to the same seed, so the
kept share can be measured without a new decoder.

The shares come from `runs/bench-NAME` (made by `python -m bench run NAME recipes/…`).
Three costs are measured here: of a token in a pass over a prompt, of a token in a pass
over a draft, and of a decoding step by its number of rows. Together they predict the
seconds of each round's attempts, with and without drafts.

`ratio` is the predicted gain over all recorded rounds, with the better kind of draft.
The target is what would make drafts worth building. Nothing is compared with a peer, and
there is no gate.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from bench.outcome import Outcome
from bench.process import peak_mib, run_fresh, run_timed
from bench.reasons import first_difference
from teachback.build.task import make_task
from teachback.config.reading import read_run_config
from teachback.errors import ConfigError
from teachback.run import files
from teachback.student.chat import Chat, encode_text, prompt_ids
from teachback.student.folder import resolve_model
from teachback.student.loading import LoadedStudent, load_student
from teachback.types import Attempt, Example, Task

TARGET = 1.5
RUNS = ("gsm8k", "math", "game24", "prontoqa", "prontoqa-random")
STEP_ROWS = (1, 2, 4, 8, 16, 32, 64)
STEPS = 24  # of the decoding that is timed
# Tokens that an answer must share with its draft before the draft is taken up again.
AGREE = 3
PROMPT_TOKENS = 150
DRAFT_TOKENS = 100

Kind = Literal["previous", "gold"]
KINDS: tuple[Kind, ...] = ("previous", "gold")


class Costs(NamedTuple):
    # Seconds of a prompt's token, and of a draft's (with its logits and signals).
    prompt_token: float
    draft_token: float
    # Seconds of a decoding step, by its number of rows.
    step_by_rows: Mapping[int, float]


class RecordedRound(NamedTuple):
    task: Task
    chat: Chat
    previous: Sequence[Attempt]
    attempts: Sequence[Attempt]


class Row(NamedTuple):
    """One answer of a recorded round, in tokens, and its draft."""

    prompt: int
    answer: list[int]
    draft: list[int]


def bench(quick: bool) -> Outcome:
    folder, identity = resolve_model("smollm2-135m")
    student = load_student(folder)
    names = RUNS[-1:] if quick else RUNS
    runs = {name: read_rounds(Path("runs", f"bench-{name}")) for name in names}
    costs = run_fresh(measure_costs, str(folder), quick)

    rounds: dict[str, Any] = {}
    plain_s = dict.fromkeys(KINDS, 0.0)
    draft_s = dict.fromkeys(KINDS, 0.0)
    for name, recorded_rounds in runs.items():
        for kind in KINDS:
            for r, recorded_round in enumerate(recorded_rounds, start=1):
                rows = tokenize(student, recorded_round, kind)
                plain_s[kind] += plain_seconds(rows, costs)
                draft_s[kind] += draft_seconds(rows, costs)
                rounds[f"{name}, round {r}, {kind}"] = summarise(rows, costs)

    gains = {kind: plain_s[kind] / draft_s[kind] for kind in KINDS}
    facts = {
        "work": {
            "student": identity,
            "runs": list(runs),
            "costs_ms": in_milliseconds(costs),
        },
        "predicted_gain": {kind: round(gain, 3) for kind, gain in gains.items()},
        "rounds": rounds,
    }
    return Outcome(max(gains.values()), TARGET, True, peak_mib(), facts)


def read_rounds(run_dir: Path) -> list[RecordedRound]:
    """Each round's attempts, with those of the round before."""
    config = read_run_config(run_dir)
    chat = Chat(config.student.system, config.student.chat_template_kwargs)
    paths = sorted(run_dir.glob("round-*/attempt.json"))
    attempts = [files.read_json(path, tuple[Attempt, ...]) for path in paths]
    if len(attempts) < 2:
        name = run_dir.name.removeprefix("bench-")
        raise ConfigError(
            f"{run_dir} holds no two rounds of attempts",
            got=len(attempts),
            fix=f"python -m bench run {name} recipes/…",
        )
    task = make_task(config.task)
    return [RecordedRound(task, chat, *pair) for pair in pairwise(attempts)]


def tokenize(
    student: LoadedStudent, recorded_round: RecordedRound, kind: Kind
) -> list[Row]:
    task = recorded_round.task
    seeds = {seed.id: seed for seed in task.seeds}
    rows = []
    for old, new in zip(recorded_round.previous, recorded_round.attempts, strict=True):
        seed = seeds[new.id]
        prompt = prompt_ids(student, recorded_round.chat, task.prompt(seed.question))
        if kind == "previous":
            draft = attempt_tokens(student, old)
        else:
            draft = gold_tokens(student, task, seed)
        rows.append(Row(len(prompt), attempt_tokens(student, new), draft))
    return rows


def attempt_tokens(student: LoadedStudent, attempt: Attempt) -> list[int]:
    tokens = encode_text(student.tokenizer, attempt.text)
    return tokens if attempt.truncated else [*tokens, student.tokenizer.eos_token_id]


def gold_tokens(student: LoadedStudent, task: Task, seed: Example) -> list[int]:
    text = task.target(seed)
    if text is None:
        return []
    return [*encode_text(student.tokenizer, text), student.tokenizer.eos_token_id]


def count_kept(row: Row) -> int:
    """Tokens of the draft up to the first that the student would not have chosen."""
    return first_difference(row.answer, row.draft)


def count_kept_realigned(row: Row) -> int:
    """Tokens kept if the draft is taken up again after a mismatch.

    It is taken up where the answer's last AGREE tokens stand in it, after the place
    where it was left.
    """
    t = at = total = 0
    while t < len(row.answer):
        same = first_difference(row.answer[t:], row.draft[at:])
        total += same
        t += same + 1
        at += same
        while t < len(row.answer):
            place = None
            if t >= AGREE:
                place = find_place(row.draft, row.answer[t - AGREE : t], at)
            if place is not None:
                at = place
                break
            t += 1
    return total


def find_place(draft: Sequence[int], last: Sequence[int], start: int) -> int | None:
    """Where the draft goes on after the tokens `last`."""
    for i in range(max(0, start - AGREE + 1), len(draft) - AGREE):
        if draft[i : i + AGREE] == last:
            return i + AGREE
    return None


def plain_seconds(rows: Sequence[Row], costs: Costs) -> float:
    lengths = [len(row.answer) for row in rows]
    return prompt_seconds(rows, costs) + decoding_seconds(lengths, costs)


def draft_seconds(rows: Sequence[Row], costs: Costs) -> float:
    """The drafts are read with their prompts.

    That pass also gives the token after those that are kept.
    """
    left = [len(row.answer) - count_kept(row) - bool(row.draft) for row in rows]
    verifying = sum(len(row.draft) for row in rows) * costs.draft_token
    return prompt_seconds(rows, costs) + verifying + decoding_seconds(left, costs)


def prompt_seconds(rows: Sequence[Row], costs: Costs) -> float:
    return sum(row.prompt for row in rows) * costs.prompt_token


def decoding_seconds(lengths: Sequence[int], costs: Costs) -> float:
    """All rows are decoded together; a row that has ended leaves."""
    total = 0.0
    for t in range(max(0, *lengths)):
        running = sum(length > t for length in lengths)
        total += step_seconds(running, costs)
    return total


def step_seconds(rows: int, costs: Costs) -> float:
    """Interpolated between the measured numbers of rows."""
    steps = costs.step_by_rows
    low = max(n for n in steps if n <= rows)
    high = min((n for n in steps if n >= rows), default=low)
    share = 0.0 if high == low else (rows - low) / (high - low)
    return steps[low] + share * (steps[high] - steps[low])


def summarise(rows: Sequence[Row], costs: Costs) -> dict[str, Any]:
    tokens = sum(len(row.answer) for row in rows)
    plain_s = plain_seconds(rows, costs)
    draft_s = draft_seconds(rows, costs)
    perfect = [row._replace(draft=row.answer) for row in rows]
    gain_if_perfect = plain_s / draft_seconds(perfect, costs)
    return {
        "answer_tokens": tokens,
        "draft_tokens": sum(len(row.draft) for row in rows),
        "share_kept": round(sum(map(count_kept, rows)) / tokens, 3),
        "share_kept_realigned": round(sum(map(count_kept_realigned, rows)) / tokens, 3),
        "answers_kept_whole": sum(count_kept(row) == len(row.answer) for row in rows),
        "predicted_s": {"plain": round(plain_s, 2), "replay": round(draft_s, 2)},
        "predicted_gain": round(plain_s / draft_s, 3),
        "gain_were_all_kept": round(gain_if_perfect, 3),
    }


def measure_costs(folder: str, quick: bool) -> Costs:
    """Measured on prompts and drafts that all have the same length: nothing is padded."""
    from teachback.student.decode import decode_batch
    from teachback.student.inference import load_for_inference

    # An end token that the student never produces: no row ends early.
    student = replace(load_for_inference(Path(folder)), ends=frozenset({0}))
    prompts = 4 if quick else 16
    tokens = [(7 * t) % 20_000 + 100 for t in range(PROMPT_TOKENS + DRAFT_TOKENS)]
    prompt = tokens[:PROMPT_TOKENS]
    # Their first tokens differ, so they share no beginning.
    different = [[t, *prompt[1:]] for t in range(100, 100 + prompts)]

    prompt_s = fastest(partial(decode_batch, student, different, 1)) / prompts
    verify_s = fastest(partial(verify_drafts, student, tokens, prompts)) / prompts
    steps = {}
    for rows in STEP_ROWS[: 3 if quick else None]:
        same = [prompt] * rows  # read once: what remains is the steps
        long_s = fastest(partial(decode_batch, student, same, STEPS + 1))
        steps[rows] = (
            long_s - fastest(partial(decode_batch, student, same, 1))
        ) / STEPS
    draft_token = (verify_s - prompt_s) / DRAFT_TOKENS
    return Costs(prompt_s / PROMPT_TOKENS, draft_token, steps)


def verify_drafts(student: Any, tokens: list[int], rows: int) -> None:
    """Two rows a pass, as signals are read."""
    import torch

    from teachback.student.forward import forward_after_prefix
    from teachback.student.inference import apply_head
    from teachback.student.signals import compute_signals

    draft = tokens[PROMPT_TOKENS:]
    ids_N = torch.tensor([*draft, *draft])
    with torch.inference_mode():
        for _ in range(rows // 2):
            hidden_B_T_D = forward_after_prefix(student, None, [tokens, tokens], 0)
            hidden_N_D = hidden_B_T_D[:, PROMPT_TOKENS:].reshape(len(ids_N), -1)
            blocks = zip(hidden_N_D.split(64), ids_N.split(64), strict=True)
            for hidden, ids in blocks:
                compute_signals(apply_head(student, hidden), hidden, ids)


def fastest(function: Callable[[], Any]) -> float:
    """Seconds of the faster of two uses. The first one may be a warmup."""
    return min(run_timed(function)[1] for _ in range(2))


def in_milliseconds(costs: Costs) -> dict[str, Any]:
    return {
        "prompt_token": round(1e3 * costs.prompt_token, 3),
        "draft_token": round(1e3 * costs.draft_token, 3),
        "step_of_rows": {
            str(rows): round(1e3 * seconds, 1)
            for rows, seconds in costs.step_by_rows.items()
        },
    }
