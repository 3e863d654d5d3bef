"""What the checks refuse of real train sets, which hardly leak, and what they must catch.

Takes some 10 s: every train question is compared with the whole test set.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from curating import curated, questions, text_task
from teachback.curate.training_rows import curate_rows, forbidden_keys, make_row_checks
from teachback.curate.words import mask_numbers, ngrams, split_words
from teachback.types import Curation, Row, Task, Verdict

SEEDS, A_ROUND = 300, 400


def rounds(task: Task, texts: dict[str, str], size: int = A_ROUND) -> Iterator[Curation]:
    checks, rows, forbidden = make_row_checks(task), list[Row](), forbidden_keys(task)
    left = [Verdict(id, 0, text, "text") for id, text in texts.items()]
    for at in range(0, len(left), size):
        out = curate_rows(
            left[at : at + size], rows, key=task.key, forbidden=forbidden, checks=checks
        )
        rows += out.rows
        yield out


@pytest.mark.parametrize(
    ("name", "held"), [("gsm8k", "gsm8k_test"), ("math", "math500_test")]
)
def test_at_most_two_percent_of_real_train_questions_are_taken_for_leaks(
    data: Path, name: str, held: str
) -> None:
    train, test = questions(data, f"{name}_train"), questions(data, held)
    seeds = [*train.values()][:: len(train) // SEEDS][:SEEDS]
    pairs = json.loads((data / "overlap_math_near_duplicates.json").read_text())[
        "math_train__math500_test"
    ]
    truly = {pair["train_id"] for pair in pairs}
    rest = {id: text for id, text in train.items() if text not in set(seeds)}
    refused, warned, made = set[str](), 0, 0
    for out in rounds(text_task(seeds, test=[*test.values()]), rest):
        refused |= {x.seed for x in out.rejected if x.reason.startswith("contaminated")}
        warned += len(out.warnings)
        made += sum("numbers and names" in x.reason for x in out.rejected)
    false = len(refused - truly) / len(rest)
    print(
        f"\n{name}: of {len(rest)} train questions {len(refused)} are refused as leaks; "
        f"{len(refused & truly)} of them are on the data's own list of near-duplicates; "
        f"false {false:.2%}, warned of {warned / len(rest):.1%}"
    )
    assert false <= 0.02
    assert made == 0
    assert warned / len(rest) < 0.15


@pytest.fixture(scope="module")
def symbolic() -> dict[str, str]:
    """GSM8K test questions with other names and numbers."""
    rows = pytest.importorskip("reasoning_gym").create_dataset(
        "gsm_symbolic", size=400, seed=11
    )
    return {f"y{i}": rows[i]["question"] for i in range(400)}


@pytest.mark.parametrize(("size", "least"), [(10, 0.7), (40, 0.75), (400, 0.75)])
def test_rows_made_from_the_test_set_are_caught(
    data: Path, symbolic: dict[str, str], size: int, least: float
) -> None:
    seeds, test = (
        [*questions(data, "gsm8k_train").values()][:SEEDS],
        [*questions(data, "gsm8k_test").values()],
    )
    outs = list(rounds(text_task(seeds, test=test), symbolic, size))
    refused = sum(
        x.reason.startswith("contaminated") for out in outs for x in out.rejected
    )
    told = sum(any("look made from" in note for note in out.notes) for out in outs)
    print(
        f"\nrounds of {size}: {refused} of 400 rows refused, {told} of {len(outs)} rounds told"
    )
    assert refused >= least * 400
    assert told >= 0.8 * len(outs)
    assert not any("task.templated" in note for out in outs for note in out.notes), (
        "the seeds are real"
    )


def test_seeds_made_from_the_test_set_are_told_and_do_not_make_it_usual(
    data: Path, symbolic: dict[str, str]
) -> None:
    texts, test = [*symbolic.values()], [*questions(data, "gsm8k_test").values()]
    out = curated(text_task(texts[:300], test=test), texts[300:])
    assert any(
        "seeds look made from questions of dev or test" in note for note in out.notes
    )
    assert any("set task.templated: true" in note for note in out.notes)
    assert sum(x.reason.startswith("contaminated") for x in out.rejected) >= 70


def runs(texts: dict[str, str], n: int, mask: bool) -> list[set[tuple[str, ...]]]:
    return [
        set(ngrams(mask_numbers(split_words(text)) if mask else split_words(text), n))
        for text in texts.values()
    ]


def test_why_templated_tasks_are_left_out(data: Path) -> None:
    """Every ProntoQA question shares 8 words with a test question.

    With numbers masked, all games of 24 are equal.
    """
    for name, held, n, mask in (
        ("prontoqa_train", "prontoqa_test_shuffled", 8, False),
        ("game24_train", "game24_test", 4, True),
    ):
        known = set[tuple[str, ...]]().union(*runs(questions(data, held), n, mask))
        mine = runs(questions(data, name), n, mask)
        flagged = sum(bool(each & known) for each in mine)
        print(
            f"\n{name}: {flagged} of {len(mine)} questions share {n} words with {held}, "
            f"masked: {mask}"
        )
        assert flagged > 0.99 * len(mine)
