"""What curation refuses as leaks: of real train questions, and of rows made from a test set.

The real train questions are checked against their own test set, where next to nothing
has leaked. `ratio` is 2 % over the worst share of false refusals. The gate: a note warns
of every round of rows that reasoning-gym's gsm_symbolic made from GSM8K's test
questions, and of no round of real ones. Copies of test questions are made too, with
other numbers, and with other words: the share of them that is refused.
"""

import json
import re
from collections.abc import Callable, Sequence
from importlib.metadata import version
from random import Random
from typing import Any

from bench.data import data_folder, read_rows
from bench.outcome import Outcome
from bench.process import peak_mib
from teachback.curate.training_rows import curate_rows, forbidden_keys, make_row_checks
from teachback.graders.exact import EXACT_GRADER
from teachback.tasks import game24, prontoqa, rows_task
from teachback.tasks.rows_task import AnswerFormat
from teachback.tasks.splits import SplitSizes
from teachback.types import Curation, Example, Row, Verdict

SEEDS = 300
ROWS_PER_ROUND = 40
SYMBOLIC_ROWS = 400
MAX_FALSE = 0.02
COPIED_QUESTIONS = 200
# Each train set and its test set.
TEXT_TASKS = {"gsm8k": "gsm8k_test", "math": "math500_test"}
TEMPLATED_TASKS = {
    "prontoqa": (
        prontoqa.prontoqa_key,
        ("prontoqa_test", "prontoqa_test_shuffled", "prontoqa_test_long"),
    ),
    "game24": (game24.game24_key, ("game24_test",)),
}


def bench(quick: bool) -> Outcome:
    limit = 800 if quick else None
    duplicates = known_near_duplicates()
    text = {
        name: check_text_task(name, test, duplicates, limit)
        for name, test in TEXT_TASKS.items()
    }
    copies = {name: check_copies(name, test) for name, test in TEXT_TASKS.items()}
    by_key = {
        name: check_by_key(name, key, tests)
        for name, (key, tests) in TEMPLATED_TASKS.items()
    }
    symbolic = check_symbolic(SYMBOLIC_ROWS)

    worst = max(facts["false"] for facts in (*text.values(), *by_key.values()))
    ratio = MAX_FALSE / max(worst, 1e-6)
    no_false_alarm = not any(facts["rounds_told"] for facts in text.values())
    same = no_false_alarm and symbolic["rounds_told"] == symbolic["rounds"]
    facts: dict[str, Any] = {
        "rows_a_round": ROWS_PER_ROUND,
        "seeds": SEEDS,
        "most_false": MAX_FALSE,
        "text": text,
        "copies_refused": copies,
        "templated_by_key": by_key,
        "gsm_symbolic_against_gsm8k_test": symbolic,
        "reasoning_gym": version("reasoning-gym"),
    }
    return Outcome(ratio, 1.0, same, peak_mib(), facts)


def known_near_duplicates() -> set[str]:
    """Ids of MATH's train questions that are listed as near-duplicates of test questions."""
    path = data_folder() / "overlap_math_near_duplicates.json"
    pairs = json.loads(path.read_text())["math_train__math500_test"]
    return {pair["train_id"] for pair in pairs}


def check_text_task(
    name: str, test_name: str, duplicates: set[str], limit: int | None
) -> dict[str, Any]:
    train = read_questions(f"{name}_train")
    seeds = train[:: len(train) // SEEDS][:SEEDS]
    seed_ids = {example.id for example in seeds}
    rows = [example for example in train if example.id not in seed_ids][:limit]
    rounds = curate_in_rounds(seeds, read_questions(test_name), rows)

    rejected = [one for curated in rounds for one in curated.rejected]
    refused = {one.seed for one in rejected if one.reason.startswith("contaminated")}
    warnings = sum(len(curated.warnings) for curated in rounds)
    return {
        "rows": len(rows),
        "refused": len(refused),
        "on_the_list_of_real_near_duplicates": len(refused & duplicates),
        "false": round(len(refused - duplicates) / len(rows), 5),
        "near_duplicates_of_rows": sum(
            one.reason.startswith("near") for one in rejected
        ),
        "warned": round(warnings / len(rows), 4),
        "rounds": len(rounds),
        "rounds_told": count_warned_rounds(rounds),
    }


def check_copies(name: str, test_name: str) -> dict[str, float]:
    """The share of a test set's copies that is refused, by what was changed in them."""
    seeds = read_questions(f"{name}_train")[:SEEDS]
    test = read_questions(test_name)
    shares = {}
    for change in (change_numbers, change_words):
        random = Random(1)
        copies = [
            Example(f"copy-{i}", change(example.question, random))
            for i, example in enumerate(test[:COPIED_QUESTIONS])
        ]
        # A round of its own for each: a copy must be known without its like beside it.
        rounds = curate_in_rounds(seeds, test, copies, rows_per_round=1)
        refused = sum(len(curated.rejected) for curated in rounds)
        shares[change.__name__] = round(refused / len(copies), 3)
    return shares


def change_numbers(text: str, random: Random) -> str:
    return re.sub(r"\d+", lambda _: str(random.randint(2, 99)), text)


def change_words(text: str, random: Random) -> str:
    """Every fifth word, and the numbers."""
    words = text.split()
    for position in random.sample(range(len(words)), len(words) // 5):
        words[position] = "".join(random.choices("aeioumnrst", k=5))
    return change_numbers(" ".join(words), random)


def check_by_key(
    name: str, key: Callable[[str], str], tests: Sequence[str]
) -> dict[str, Any]:
    train = read_questions(f"{name}_train")
    test_keys = {
        key(example.question) for test in tests for example in read_questions(test)
    }
    refused = sum(key(example.question) in test_keys for example in train)
    return {"rows": len(train), "refused": refused, "false": refused / len(train)}


def check_symbolic(count: int) -> dict[str, Any]:
    import reasoning_gym

    items = reasoning_gym.create_dataset("gsm_symbolic", size=count, seed=11)
    rows = [Example(f"y{i}", items[i]["question"], "1") for i in range(count)]
    seeds = read_questions("gsm8k_train")[:SEEDS]
    rounds = curate_in_rounds(seeds, read_questions("gsm8k_test"), rows)
    reasons = [one.reason for curated in rounds for one in curated.rejected]
    return {
        "rows": count,
        "refused": sum(reason.startswith("contaminated") for reason in reasons),
        "of_them_for_13_words": sum("13 words" in reason for reason in reasons),
        "rounds": len(rounds),
        "rounds_told": count_warned_rounds(rounds),
    }


def curate_in_rounds(
    seeds: Sequence[Example],
    test: Sequence[Example],
    rows: Sequence[Example],
    rows_per_round: int = ROWS_PER_ROUND,
) -> list[Curation]:
    task = rows_task.make_task_from_rows(
        seeds,
        dev=test[:1],
        test=test[1:],
        sizes=SplitSizes(),
        form=AnswerFormat(EXACT_GRADER, checks_golds=False),
    )
    checks = make_row_checks(task)
    forbidden = forbidden_keys(task)
    accepted: list[Row] = []
    rounds: list[Curation] = []
    for start in range(0, len(rows), rows_per_round):
        examples = rows[start : start + rows_per_round]
        verdicts = [Verdict(one.id, 0, one.question, "text") for one in examples]
        curated = curate_rows(
            verdicts, accepted, key=task.key, forbidden=forbidden, checks=checks
        )
        rounds.append(curated)
        accepted += curated.rows
    return rounds


def count_warned_rounds(rounds: Sequence[Curation]) -> int:
    return sum(looks_made_from_test(curated) for curated in rounds)


def looks_made_from_test(curated: Curation) -> bool:
    return any("look made from" in note for note in curated.notes)


def read_questions(name: str) -> list[Example]:
    rows = read_rows(f"{name}.jsonl")
    return [Example(row["id"], row["question"], row["answer"]) for row in rows]
