"""What curation refuses of real train questions as leaks from their own test set, where next to nothing has leaked; and
how many rows it refuses that were made from a test set.

`ratio` is 2 % over the worst share of false refusals. The gate: every round of rows that reasoning-gym's gsm_symbolic
made from GSM8K's test questions is told of, and no round of real ones.
"""

import json
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.against import Outcome, peak_mib
from teachback.curate import curate, make_checks, taken_keys
from teachback.graders.exact import GRADER
from teachback.tasks import game24, own, prontoqa
from teachback.tasks.own import Form
from teachback.tasks.splits import Sizes
from teachback.types import Curated, Example, Row, Verdict

SEEDS, A_ROUND, MOST = 300, 40, 0.02
HELD = {"gsm8k": "gsm8k_test", "math": "math500_test"}
TEMPLATED = {
    "prontoqa": (
        prontoqa.key,
        ("prontoqa_test", "prontoqa_test_shuffled", "prontoqa_test_long"),
    ),
    "game24": (game24.key, ("game24_test",)),
}


def bench(quick: bool) -> Outcome:
    data = Path(os.environ.get("TEACHBACK_DATA", "../shared/data"))
    limit = 800 if quick else None
    pairs = json.loads((data / "overlap_math_near_duplicates.json").read_text())[
        "math_train__math500_test"
    ]
    known = {pair["train_id"] for pair in pairs}
    real = {
        name: text_task(data, name, held, known, limit) for name, held in HELD.items()
    }
    by_key = {
        name: templated(data, name, key, held)
        for name, (key, held) in TEMPLATED.items()
    }
    made = symbolic(data, 400)
    worst = max(facts["false"] for facts in (*real.values(), *by_key.values()))
    ratio = MOST / worst if worst else float(MOST / 1e-6)
    same = made["rounds_told"] == made["rounds"] and not any(
        facts["rounds_told"] for facts in real.values()
    )
    facts: dict[str, Any] = {
        "rows_a_round": A_ROUND,
        "seeds": SEEDS,
        "most_false": MOST,
        "text": real,
    }
    facts |= {"templated_by_key": by_key, "gsm_symbolic_against_gsm8k_test": made}
    facts |= {"reasoning_gym": version("reasoning-gym")}
    return Outcome(ratio, 1.0, same, peak_mib(), facts)


def text_task(
    data: Path, name: str, held: str, known: set[str], limit: int | None
) -> dict[str, Any]:
    train, test = questions(data, f"{name}_train"), questions(data, held)
    seeds = train[:: len(train) // SEEDS][:SEEDS]
    chosen = {e.id for e in seeds}
    rest = [e for e in train if e.id not in chosen][:limit]
    outs = rounds(seeds, test, rest)
    refused = {
        x.seed
        for out in outs
        for x in out.rejected
        if x.reason.startswith("contaminated")
    }
    return {
        "rows": len(rest),
        "refused": len(refused),
        "on_the_list_of_real_near_duplicates": len(refused & known),
        "false": round(len(refused - known) / len(rest), 5),
        "near_duplicates_of_rows": sum(
            x.reason.startswith("near") for out in outs for x in out.rejected
        ),
        "warned": round(sum(len(out.warnings) for out in outs) / len(rest), 4),
        "rounds": len(outs),
        "rounds_told": told(outs),
    }


def templated(data: Path, name: str, key: Any, held: Sequence[str]) -> dict[str, Any]:
    train = questions(data, f"{name}_train")
    taken = {key(e.question) for file in held for e in questions(data, file)}
    refused = sum(key(e.question) in taken for e in train)
    return {"rows": len(train), "refused": refused, "false": refused / len(train)}


def symbolic(data: Path, n: int) -> dict[str, Any]:
    import reasoning_gym

    made = reasoning_gym.create_dataset("gsm_symbolic", size=n, seed=11)
    rows = [Example(f"y{i}", made[i]["question"], "1") for i in range(n)]
    outs = rounds(
        questions(data, "gsm8k_train")[:SEEDS], questions(data, "gsm8k_test"), rows
    )
    reasons = [x.reason for out in outs for x in out.rejected]
    return {
        "rows": n,
        "refused": sum(reason.startswith("contaminated") for reason in reasons),
        "of_them_for_13_words": sum("13 words" in reason for reason in reasons),
        "rounds": len(outs),
        "rounds_told": told(outs),
    }


def rounds(
    seeds: Sequence[Example], test: Sequence[Example], rows: Sequence[Example]
) -> list[Curated]:
    task = own.load(
        seeds,
        dev=test[:1],
        test=test[1:],
        sizes=Sizes(),
        form=Form(GRADER, checked=False),
    )
    checks, taken, so_far, outs = (
        make_checks(task),
        taken_keys(task),
        list[Row](),
        list[Curated](),
    )
    for at in range(0, len(rows), A_ROUND):
        verdicts = [
            Verdict(e.id, 0, e.question, "text") for e in rows[at : at + A_ROUND]
        ]
        outs.append(curate(verdicts, so_far, key=task.key, taken=taken, checks=checks))
        so_far += outs[-1].rows
    return outs


def told(outs: Sequence[Curated]) -> int:
    return sum(any("look made from" in note for note in out.notes) for out in outs)


def questions(data: Path, name: str) -> list[Example]:
    lines = (data / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    return [
        Example(row["id"], row["question"], row["answer"])
        for row in map(json.loads, filter(None, lines))
    ]
