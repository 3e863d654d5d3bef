"""ProntoQA: our own exercises, and the program that writes them."""

import math
from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from exercises import (
    EXAMPLE,
    QUESTION,
    accuracy,
    context,
    gold,
    made,
    other,
    parsed,
    shortcut,
)
from teachback.errors import DataError
from teachback.rng import draw
from teachback.tasks.ontology import decide_question, read_sentence
from teachback.tasks.prontoqa import write_prontoqa
from teachback.tasks.prontoqa_answers import (
    format_proof_answer,
    grade_proof,
    verify_proof,
)
from teachback.tasks.prontoqa_exercises import (
    PROPERTY_FAMILIES,
    generate_proof_question,
)
from teachback.types import Example

# ---- our own exercises


def test_generated_exercises_hold() -> None:
    for example in made(600, "hold"):
        assert grade_proof(example, gold(example)).outcome == "right"
        assert verify_proof(example.question, gold(example)).outcome == "right"
        assert decide_question(parsed(example.question)).hops == example.meta["hops"]
        wrong = format_proof_answer(str(example.solution), other(example.answer))
        assert (
            grade_proof(example, wrong).outcome
            == verify_proof(example.question, wrong).outcome
            == "wrong"
        )


def test_generated_proofs_are_the_only_ones() -> None:
    for example in made(300, "unique"):
        question = parsed(example.question)
        first = next(p.predicate for p in question.premises if not p.rule)
        front = reached = [first]
        while front:
            front = [
                p.predicate
                for concept in front
                for p in question.premises
                if p.rule and p.subject == concept
            ]
            reached = [*reached, *front]
        assert len(reached) == len(set(reached))
        assert sum(p.rule for p in question.premises) + 1 == len(
            context(example.question)
        )


def test_without_side_rules_no_concept_has_two() -> None:
    for k in range(60):
        example = generate_proof_question(
            1 + k % 6, draw(0, 0, "bare", "", k), side_rules=False
        )
        rules = [p for p in parsed(example.question).premises if p.rule]
        assert len({p.subject for p in rules}) == len(rules) == 2 * (1 + k % 6)
        assert verify_proof(example.question, gold(example)).outcome == "right"


def test_broken_proofs_are_wrong() -> None:
    rows = made(300, "broken", (2, 6))
    for example, stranger in zip(rows, rows[1:] + rows[:1], strict=True):
        steps = str(example.solution).split(". ")
        drop = 2 * (len(steps) // 4)
        broken = [
            steps[:drop] + steps[drop + 1 :],
            steps[:-1],
            steps[:1] + steps[-1:],
            [*steps[:2], *steps[4:], *steps[2:4]],
            str(stranger.solution).split(". "),
        ]
        for proof in broken:
            found = grade_proof(
                example, format_proof_answer(". ".join(proof), str(example.answer))
            )
            assert (found.outcome, found.answer_right) == ("wrong", True), proof


def test_generated_sizes_and_wording() -> None:
    for hops, (least, most) in {1: (5, 7), 2: (5, 8), 3: (6, 10), 6: (12, 17)}.items():
        rows = [generate_proof_question(hops, Random(i)) for i in range(100)]
        sizes = {len(context(row.question)) for row in rows}
        assert least <= min(sizes) <= max(sizes) <= most
        assert all(
            row.meta == {"hops": hops}
            and len(str(row.solution).split(". ")) == 2 * hops + 1
            for row in rows
        )
    starts = Counter(
        premise.split()[0]
        for row in made(200, "wording")
        for premise in context(row.question)[:-1]
    )
    each, every, total = starts["Each"], starts["Every"], starts.total()
    assert min(each, every) > 0.2 * total
    assert max(each, every) < 0.3 * total


def test_premises_are_shuffled_and_the_fact_comes_last() -> None:
    in_order = 0
    for example in made(600, "shuffled", (3, 3)):
        premises, steps = context(example.question), str(example.solution).split(". ")
        rules = [premises.index(step) for step in steps[1::2]]
        assert premises[-1] == steps[0]
        in_order += rules == sorted(rules)
    assert abs(in_order / 600 - 1 / 6) < 0.05


def test_a_family_of_properties_never_meets_itself() -> None:
    family = {word: words for words in PROPERTY_FAMILIES for word in words}
    for example in made(300, "families"):
        question = parsed(example.question)
        owners = [p.subject for p in question.premises if p.predicate in family]
        assert len(owners) == len(set(owners))
        said = Counter(
            family[p.predicate] for p in question.premises if p.predicate in family
        )
        assert said.pop(family[question.query.predicate]) == 2
        assert set(said.values()) <= {1}


def test_labels_are_balanced() -> None:
    labels = Counter(example.answer for example in made(4_000, "balance"))
    assert abs(labels["True"] / 4_000 - 0.5) <= 0.03


def test_the_shortcut_of_the_published_files_does_not_work() -> None:
    rows = made(3_000, "shortcut")
    assert (
        abs(
            accuracy(rows, [shortcut(row, Random(i)) for i, row in enumerate(rows)])
            - 0.5
        )
        < 0.04
    )
    several = [row for row in rows if row.meta["hops"] != 1]
    assert (
        abs(
            accuracy(
                several,
                [shortcut(row, Random(i), most=True) for i, row in enumerate(several)],
            )
            - 0.5
        )
        < 0.04
    )


@pytest.mark.parametrize("position", [0, -1])
def test_order_of_mention_does_not_tell_the_label(position: int) -> None:
    rows, labels = made(3_000, "order"), []
    for row in rows:
        asked = parsed(row.question).query
        mentions = [
            read
            for text in context(row.question)
            if (read := read_sentence(text)) and read.predicate == asked.predicate
        ]
        labels.append(str(mentions[position].negated == asked.negated))
    assert abs(accuracy(rows, labels) - 0.5) < 0.04


def test_words_and_bigrams_do_not_tell_the_label() -> None:
    text = pytest.importorskip("sklearn.feature_extraction.text")
    linear = pytest.importorskip("sklearn.linear_model")
    train, fresh = made(4_000, "train"), made(2_000, "fresh")
    features = text.CountVectorizer(ngram_range=(1, 2), binary=True, min_df=2)
    model = linear.LogisticRegression(solver="liblinear")
    model.fit(
        features.fit_transform([row.question for row in train]),
        [row.answer for row in train],
    )
    assert (
        model.score(
            features.transform([row.question for row in fresh]),
            [row.answer for row in fresh],
        )
        < 0.55
    )


# ---- the program teacher


def ranks(values: list[int]) -> list[float]:
    below, counts = 0, Counter(values)
    rank = {}
    for value in sorted(counts):
        rank[value] = below + (counts[value] + 1) / 2
        below += counts[value]
    return [rank[value] for value in values]


def spearman(left: list[int], right: list[int]) -> float:
    a, b = ranks(left), ranks(right)
    mean = (len(a) + 1) / 2
    cross = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    return cross / math.sqrt(
        sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b)
    )


def written_hops(seed: Example, rng: Random) -> int:
    written = write_prontoqa(seed, rng)
    assert verify_proof(written.question, written.text).outcome == "right"
    return decide_question(parsed(written.question)).hops


def test_written_rows_follow_their_seeds() -> None:
    seeds = made(1_000, "seeds")
    known = [int(str(seed.meta["hops"])) for seed in seeds]
    got = [
        written_hops(seed, draw(0, 0, "teacher", str(i), 0))
        for i, seed in enumerate(seeds)
    ]
    assert spearman(known, got) >= 0.8
    steps = Counter(
        after - before
        for before, after in zip(known, got, strict=True)
        if 1 < before < 6
    )
    assert set(steps) == {-1, 0, 1}
    assert abs(steps[0] / steps.total() - 0.6) < 0.06
    assert abs(steps[1] / steps.total() - 0.2) < 0.05
    assert (min(got), max(got)) == (1, 6)


def test_hops_of_a_seed_without_meta_come_from_its_question() -> None:
    seeds = [replace(seed, meta={}) for seed in made(200, "bare")]
    assert all(
        write_prontoqa(bare, Random(i)) == write_prontoqa(seed, Random(i))
        for i, (bare, seed) in enumerate(zip(seeds, made(200, "bare"), strict=True))
    )


@pytest.mark.parametrize(
    "question",
    ["What is 2 + 2?", QUESTION.replace("Every rompus is", "Every wumpus is")],
)
def test_a_seed_that_cannot_be_followed_is_refused(question: str) -> None:
    with pytest.raises(DataError, match="seed odd"):
        write_prontoqa(Example("odd", question), Random(0))


def test_the_same_draw_writes_the_same_row_and_another_draw_another() -> None:
    assert (
        write_prontoqa(EXAMPLE, Random(1))
        == write_prontoqa(EXAMPLE, Random(1))
        != write_prontoqa(EXAMPLE, Random(2))
    )
