import json
import math
import os
import time
from collections import Counter
from dataclasses import replace
from itertools import chain
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachback.draws import draw
from teachback.errors import ConfigError, DataError
from teachback.tasks import prontoqa
from teachback.tasks.jsonl_file import read_jsonl
from teachback.tasks.ontology import Question, plural, read_question, read_sentence, settle
from teachback.tasks.prontoqa import generate, grade, key, load, target, verify, write
from teachback.types import Example

HERE = Path(__file__).resolve().parents[2]
DATA = HERE / os.environ.get("TEACHBACK_DATA", "../shared/data")
needs_data = pytest.mark.skipif(not (DATA / "prontoqa_train.jsonl").exists(), reason=f"no ProntoQA files in {DATA}")

QUESTION = (
    "Each yumpus is not red. Rompuses are hot. Tumpuses are impuses. Every rompus is a jompus. Jompuses are tumpuses. "
    "Jompuses are dull. Yumpuses are rompuses. Wumpuses are not dull. Polly is a rompus.\n"
    "True or false: Polly is not dull."
)
PROOF = "Polly is a rompus. Every rompus is a jompus. Polly is a jompus. Jompuses are dull. Polly is dull."
EXAMPLE = Example("one", QUESTION, "False", PROOF, {"hops": 2})

BUTTERFLIES = (
    "Each painted lady is a butterfly. Butterflies are lepidopterans. Every lepidopteran is an insect. "
    "Sheep are woolly. Insects are not bony. Alex is a painted lady.\nTrue or false: Alex is bony."
)
WORDS = (
    "Each", "Every", "All", "jompus", "jompuses", "tumpuses", "is", "are", "not", "a", "an", "dull", "Polly", "3", ".",
    "\n", "True or false:", "Answer:", "True", "False",
)  # fmt: skip


def made(n: int, purpose: str, hops: tuple[int, int] = (1, 6)) -> list[Example]:
    draws = (draw(0, 0, purpose, str(i), 0) for i in range(n))
    return [generate(rng.randint(*hops), rng) for rng in draws]


def gold(example: Example) -> str:
    return target(str(example.solution), str(example.answer))


def other(label: str | None) -> str:
    return {"True": "False", "False": "True"}[str(label)]


def parsed(question: str) -> Question:
    read = read_question(question)
    assert read is not None
    return read


def context(question: str) -> list[str]:
    return question.split("\n")[0].removesuffix(".").split(". ")


# ---- what is read


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("Each jompus is dull", "Jompuses are dull"),
        ("Every wolf is not an impus", "Wolves are not impuses"),
        ("each painted lady is a butterfly", "Painted ladies are butterflies"),
        ("Each Mersenne prime is a prime number", "Mersenne primes are prime numbers"),
        ("Every sheep is herbivorous", "Sheep are herbivorous"),
        ("Each lepidopteran is an insect", "All Lepidopterans are insects"),
        ("Every fox is a monkey", "Foxes are monkeys"),
        ("Each horse is six-legged", "Horses are six-legged"),
        ("Every knife is a hero", "Knives are heroes"),
    ],
)
def test_singular_and_plural_wordings_are_one_rule(one: str, many: str) -> None:
    assert read_sentence(one) == read_sentence(many) is not None


def test_different_sentences_stay_different() -> None:
    texts = [
        "Each can is dull",
        "Each cane is dull",
        "Each can is a dull",
        "Each can is not dull",
        "Max is dull",
        "Sam is dull",
    ]
    assert len({read_sentence(text) for text in texts} - {None}) == len(texts)


@pytest.mark.parametrize(
    "text",
    [
        "", "is", "Max is", "is dull", "Max dull", "Each is dull", "Max is not", "Max is a", "Each wumpus are dull",
        "All wumpus is dull", "A wumpus is dull", "No wumpus is dull", "Max is dull and red", "If Max is dull",
        "Wumpuses are a tumpus", "Wumpuses are usually dull", "Max Sam is dull", "Max is very dull", "Max is dull!",
    ],
)  # fmt: skip
def test_other_sentences_are_not_read(text: str) -> None:
    assert read_sentence(text) is None


def test_plural_of_the_last_word() -> None:
    assert [plural(one) for one in ("prime number", "box", "city", "day", "church")] == [
        "prime numbers", "boxes", "cities", "days", "churches",
    ]  # fmt: skip


# ---- grading


@pytest.mark.parametrize(
    "proof",
    [
        PROOF,
        "Polly is a jompus. Polly is dull.",
        "Polly is a rompus.\nRompuses are jompuses.\nPolly is a jompus.\nEach jompus is dull.\nPolly is dull.",
        "Polly is hot. Polly is a jompus. Polly is a tumpus. Polly is dull",
    ],
)
def test_right_with_label_and_proof(proof: str) -> None:
    assert grade(EXAMPLE, target(proof, "False")).outcome == "right"
    assert verify(QUESTION, target(proof, "False")).outcome == "right"


@pytest.mark.parametrize(
    ("proof", "reason"),
    [
        ("", "no proof"),
        ("Polly is dull.", "one step"),
        ("Polly is a rompus. Every rompus is a jompus. Jompuses are dull. Polly is dull.", "one step"),
        ("Polly is a tumpus. Polly is a jompus. Polly is dull.", "one step"),
        ("Polly is a yumpus. Polly is a rompus. Polly is a jompus. Polly is dull.", "one step"),
        ("Polly is a jompus. Rompuses are dull. Polly is dull.", "not a rule of the question"),
        ("Polly is a jompus. Polly is dull. Obviously.", "not a fact or a rule"),
        ("Polly is jompuses. Polly is dull.", "not a fact or a rule"),
        ("Polly is a jompus. Jompuses are dull.", "settle"),
        ("Polly is a jompus. Polly is dull. Polly is a jompus.", "settle"),
        ("Polly is a jompus. Polly is not dull.", "one step"),
        ("Max is a rompus. Max is a jompus. Max is dull.", "one step"),
        (f"{PROOF}\nAnswer: False", "not a fact or a rule"),
    ],
)
def test_right_label_with_a_bad_proof_is_wrong(proof: str, reason: str) -> None:
    found = grade(EXAMPLE, target(proof, "False"))
    assert (found.outcome, found.answer, found.answer_right) == ("wrong", "False", True)
    assert found.reason is not None
    assert reason in found.reason


def test_wrong_label_is_wrong() -> None:
    found = grade(EXAMPLE, target(PROOF, "True"))
    assert (found.outcome, found.answer, found.answer_right, found.reason) == (
        "wrong",
        "True",
        False,
        "the answer is False",
    )


def test_a_proof_must_imply_its_own_label() -> None:
    assert (
        grade(replace(EXAMPLE, answer="True"), target(PROOF, "True")).reason
        == "the proof shows False, the answer says True"
    )


@pytest.mark.parametrize(
    "text",
    [
        "", PROOF, f"{PROOF} Answer: False", f"{PROOF}\nAnswer: maybe", f"{PROOF}\nanswer: false",
        f"{PROOF}\nAnswer: False\nMore.",
        f"Answer: True\n{PROOF}\nAnswer: False", f"{PROOF} answer: true\nAnswer: False",
    ],
)  # fmt: skip
def test_no_final_answer_or_several_are_unparsed(text: str) -> None:
    assert grade(EXAMPLE, text).outcome == verify(QUESTION, text).outcome == "unparsed"
    assert not grade(EXAMPLE, text).answer_right


def test_whitespace_around_the_answer_does_not_matter() -> None:
    assert grade(EXAMPLE, f"\n {PROOF}\r\n\n  Answer:  False. \r\n\n").outcome == "right"


def test_premises_bind_a_proof_of_irregular_nouns() -> None:
    proof = "Alex is a butterfly. Each butterfly is a lepidopteran. Alex is a lepidopteran. Alex is an insect. "
    proof += "Alex is not bony."
    assert verify(BUTTERFLIES, target(proof, "False")).outcome == "right"
    assert verify(BUTTERFLIES, target(proof.replace("Alex is an insect. ", ""), "False")).outcome == "wrong"


# ---- verifying


@pytest.mark.parametrize(
    ("question", "outcome", "reason"),
    [
        (QUESTION.replace("Jompuses are dull", "Jompuses are not dull"), "wrong", "the answer is True"),
        (QUESTION.replace("Every rompus is", "Every wumpus is"), "wrong", "does not settle"),
        (QUESTION.replace("Tumpuses are", "Each jompus is a wumpus. Tumpuses are"), "wrong", "contradicts itself"),
        (QUESTION.replace("Rompuses are hot", "Rompuses are hot. No rompus is dull"), "unparsed", "facts, rules"),
        (
            QUESTION.replace("Rompuses are hot", "Rompuses are hot. Max is wumpuses. Each wumpus is red"),
            "unparsed",
            "facts, rules",
        ),
        (QUESTION.split("\n")[0], "unparsed", "facts, rules"),
        (f"{QUESTION} Polly is red.", "unparsed", "facts, rules"),
        (QUESTION.replace("Polly is not dull", "Jompuses are dull"), "unparsed", "facts, rules"),
        (f"{QUESTION}\nTrue or false: Polly is red.", "unparsed", "facts, rules"),
        ("", "unparsed", "facts, rules"),
    ],
)
def test_bad_questions_are_not_trained_on(question: str, outcome: str, reason: str) -> None:
    found = verify(question, target(PROOF, "False"))
    assert found.outcome == outcome
    assert not found.answer_right
    assert reason in str(found.reason)


def test_verify_needs_no_gold_but_the_true_label() -> None:
    asked_otherwise = QUESTION.replace("Polly is not dull", "Polly is dull")
    assert verify(asked_otherwise, target(PROOF, "True")).outcome == "right"
    assert verify(asked_otherwise, target(PROOF, "False")).reason == "the answer is True"


def test_cyclic_rules_end() -> None:
    question = "Wumpuses are tumpuses. Tumpuses are wumpuses. Max is a wumpus.\nTrue or false: Max is a tumpus."
    assert verify(question, target("Max is a wumpus. Max is a tumpus.", "True")).outcome == "right"


# ---- keys


def test_key_ignores_order_wording_whitespace_and_polarity() -> None:
    rewordings = [
        QUESTION.replace("Rompuses are hot. Tumpuses are impuses.", "Every tumpus is an impus. Each rompus is hot."),
        QUESTION.replace("\n", "  \n ").replace(". ", ".   "),
        QUESTION.replace("Polly is not dull", "Polly is dull"),
        QUESTION.replace("Rompuses are hot.", "Rompuses are hot. Rompuses are hot."),
    ]
    assert {key(question) for question in rewordings} == {key(QUESTION)}


def test_key_tells_exercises_apart() -> None:
    others = [
        QUESTION.replace("Polly", "Max"),
        QUESTION.replace("Rompuses are hot", "Rompuses are not hot"),
        QUESTION.replace("Rompuses are hot. ", ""),
        QUESTION.replace("Polly is not dull", "Polly is red"),
        QUESTION.replace("yumpus", "wumpus"),
        "What is 2 + 2?",
        "What is 2 + 3?",
    ]
    assert len({key(question) for question in [QUESTION, *others]}) == len(others) + 1
    assert key(" What is\n2 + 2?") == key("what is 2 + 2?")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.randoms(use_true_random=False))
def test_key_is_invariant_under_shuffling_generated_premises(hops: int, rng: Random) -> None:
    question = generate(hops, rng).question
    premises = context(question)
    rng.shuffle(premises)
    assert key(". ".join(premises) + ".\n" + question.split("\n")[1]) == key(question)


# ---- hostile text


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join),
    st.text() | st.lists(st.sampled_from(WORDS)).map(" ".join),
)
def test_no_text_crashes(question: str, text: str) -> None:
    for asked in (question, QUESTION, f"{question}\nTrue or false: Polly is dull."):
        assert len(key(asked)) == 32
        for answer in (text, f"{text}\nAnswer: True"):
            assert verify(asked, answer).outcome in ("right", "wrong", "unparsed")
            assert grade(Example("x", asked, "True"), answer).outcome in ("right", "wrong", "unparsed")


@pytest.mark.parametrize(
    "unit",
    [
        ".",
        " ",
        "\n",
        "is ",
        "a",
        "Answer: ",
        "Answer: True\n",
        "True or false: ",
        "s are s. ",
        "x is not",
        "Each y is y. ",
        "\ud800",
    ],
)
def test_a_megabyte_of_anything_takes_no_time(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    question = f"{text}\nTrue or false: Polly is dull."
    for check in (
        lambda: verify(question, PROOF),
        lambda: grade(EXAMPLE, target(text, "False")),
        lambda: key(question),
    ):
        start = time.process_time()
        assert check()
        assert time.process_time() - start < 1.5


def test_work_grows_with_the_length_only() -> None:
    n = 8_000
    rules = [f"C{i}s are p. Each c{i} is a c{i + 1}." for i in range(n)]
    facts = [f"M is a c{i}." for i in range(n)]
    question = " ".join(rules) + " M is a c0.\nTrue or false: M is p."
    proof = " ".join([*facts, "M is p."])
    start = time.process_time()
    assert verify(question, target(proof, "True")).outcome == "right"
    assert time.process_time() - start < 3


# ---- our own exercises


def test_generated_exercises_hold() -> None:
    for example in made(600, "hold"):
        assert grade(example, gold(example)).outcome == "right"
        assert verify(example.question, gold(example)).outcome == "right"
        assert settle(parsed(example.question)).hops == example.meta["hops"]
        wrong = target(str(example.solution), other(example.answer))
        assert grade(example, wrong).outcome == verify(example.question, wrong).outcome == "wrong"


def test_generated_proofs_are_the_only_ones() -> None:
    for example in made(300, "unique"):
        question = parsed(example.question)
        first = next(p.predicate for p in question.premises if not p.rule)
        front = reached = [first]
        while front:
            front = [p.predicate for concept in front for p in question.premises if p.rule and p.subject == concept]
            reached = [*reached, *front]
        assert len(reached) == len(set(reached))
        assert sum(p.rule for p in question.premises) + 1 == len(context(example.question))


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
            found = grade(example, target(". ".join(proof), str(example.answer)))
            assert (found.outcome, found.answer_right) == ("wrong", True), proof


def test_generated_sizes_and_wording() -> None:
    for hops, (least, most) in {1: (5, 7), 2: (5, 8), 3: (6, 10), 6: (12, 17)}.items():
        rows = [generate(hops, Random(i)) for i in range(100)]
        sizes = {len(context(row.question)) for row in rows}
        assert least <= min(sizes) <= max(sizes) <= most
        assert all(row.meta == {"hops": hops} and len(str(row.solution).split(". ")) == 2 * hops + 1 for row in rows)
    starts = Counter(premise.split()[0] for row in made(200, "wording") for premise in context(row.question)[:-1])
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
    family = {word: words for words in prontoqa.FAMILIES for word in words}
    for example in made(300, "families"):
        question = parsed(example.question)
        owners = [p.subject for p in question.premises if p.predicate in family]
        assert len(owners) == len(set(owners))
        said = Counter(family[p.predicate] for p in question.premises if p.predicate in family)
        assert said.pop(family[question.asked.predicate]) == 2
        assert set(said.values()) <= {1}


def test_labels_are_balanced() -> None:
    labels = Counter(example.answer for example in made(4_000, "balance"))
    assert abs(labels["True"] / 4_000 - 0.5) <= 0.03


def shortcut(example: Example, rng: Random, *, most: bool = False) -> str:
    """The label that a sentence about the asked property gives, whose subject also occurs elsewhere (or most often)."""
    question = parsed(example.question)
    terms = Counter(chain.from_iterable((p.subject, p.predicate) for p in question.premises))
    about = sorted(p for p in question.premises if p.rule and p.predicate == question.asked.predicate)
    often = max(terms[p.subject] for p in about) if most else 2
    chosen = rng.choice([p for p in about if terms[p.subject] >= often] or about)
    return str(chosen.negated == question.asked.negated)


def accuracy(rows: list[Example], labels: list[str]) -> float:
    return sum(row.answer == label for row, label in zip(rows, labels, strict=True)) / len(rows)


def test_the_shortcut_of_the_published_files_does_not_work() -> None:
    rows = made(3_000, "shortcut")
    assert abs(accuracy(rows, [shortcut(row, Random(i)) for i, row in enumerate(rows)]) - 0.5) < 0.04
    several = [row for row in rows if row.meta["hops"] != 1]
    assert abs(accuracy(several, [shortcut(row, Random(i), most=True) for i, row in enumerate(several)]) - 0.5) < 0.04


@pytest.mark.parametrize("position", [0, -1])
def test_order_of_mention_does_not_tell_the_label(position: int) -> None:
    rows, labels = made(3_000, "order"), []
    for row in rows:
        asked = parsed(row.question).asked
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
    model.fit(features.fit_transform([row.question for row in train]), [row.answer for row in train])
    assert model.score(features.transform([row.question for row in fresh]), [row.answer for row in fresh]) < 0.55


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
    return cross / math.sqrt(sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b))


def written_hops(seed: Example, rng: Random) -> int:
    written = write(seed, rng)
    assert verify(written.question, written.text).outcome == "right"
    return settle(parsed(written.question)).hops


def test_written_rows_follow_their_seeds() -> None:
    seeds = made(1_000, "seeds")
    known = [int(str(seed.meta["hops"])) for seed in seeds]
    got = [written_hops(seed, draw(0, 0, "teacher", str(i), 0)) for i, seed in enumerate(seeds)]
    assert spearman(known, got) >= 0.8
    steps = Counter(after - before for before, after in zip(known, got, strict=True) if 1 < before < 6)
    assert set(steps) == {-1, 0, 1}
    assert abs(steps[0] / steps.total() - 0.6) < 0.06
    assert abs(steps[1] / steps.total() - 0.2) < 0.05
    assert (min(got), max(got)) == (1, 6)


def test_hops_of_a_seed_without_meta_come_from_its_question() -> None:
    seeds = [replace(seed, meta={}) for seed in made(200, "bare")]
    assert all(
        write(bare, Random(i)) == write(seed, Random(i))
        for i, (bare, seed) in enumerate(zip(seeds, made(200, "bare"), strict=True))
    )


@pytest.mark.parametrize("question", ["What is 2 + 2?", QUESTION.replace("Every rompus is", "Every wumpus is")])
def test_a_seed_that_cannot_be_followed_is_refused(question: str) -> None:
    with pytest.raises(DataError, match="seed odd"):
        write(Example("odd", question), Random(0))


def test_the_same_draw_writes_the_same_row_and_another_draw_another() -> None:
    assert write(EXAMPLE, Random(1)) == write(EXAMPLE, Random(1)) != write(EXAMPLE, Random(2))


# ---- loading


def test_generated_splits_are_disjoint_and_keep_their_rows() -> None:
    task = load(path=None, hops=(1, 3), seeds=60, dev=30, test=40, seed=3)
    rows = [*task.seeds, *task.dev, *task.test]
    assert (len(task.seeds), len(task.dev), len(task.test)) == (60, 30, 40)
    assert len({task.key(row.question) for row in rows}) == len({row.id for row in rows}) == 130
    assert task.seeds[0].id == "prontoqa-seed-0000"
    assert {row.meta["hops"] for row in rows} == {1, 2, 3}
    more = load(path=None, hops=(1, 3), seeds=70, dev=30, test=50, seed=3)
    assert (more.seeds[:60], more.dev, more.test[:40]) == (task.seeds, task.dev, task.test)
    assert load(path=None, hops=(1, 3), seeds=1, dev=1, test=1, seed=4).seeds != task.seeds[:1]
    assert task.exact
    assert task.write is write


def test_a_row_that_another_split_has_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prontoqa, "generate", lambda hops, rng: generate(hops, Random(rng.randrange(16))))
    task = load(path=None, hops=(2, 2), seeds=5, dev=5, test=5, seed=0)
    assert len({task.key(row.question) for row in (*task.seeds, *task.dev, *task.test)}) == 15


@pytest.mark.parametrize("hops", [(0, 3), (1, 7), (3, 2)])
def test_hops_that_cannot_be_generated_are_refused(hops: tuple[int, int]) -> None:
    with pytest.raises(ConfigError, match="hops"):
        load(path=None, hops=hops, seeds=1, dev=1, test=1, seed=0)


def as_row(example: Example, number: int, **changes: object) -> dict[str, object]:
    fields = {
        "id": f"r{number:03d}",
        "question": example.question,
        "answer": example.answer,
        "solution": example.solution,
    }
    return {**fields, "meta": {"hops": example.meta["hops"], "ordering": "random"}, **changes}


def put(folder: Path, rows: list[dict[str, object]]) -> Path:
    (folder / "prontoqa_train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


def test_a_file_is_split_by_key_whatever_its_order(tmp_path: Path) -> None:
    rows = [as_row(example, i) for i, example in enumerate(made(60, "file"))]
    twins = [as_row(example, 100 + i) for i, example in enumerate(made(20, "file"))]
    sorted_rows = as_row(made(1, "in order")[0], 200, meta={"hops": 1, "ordering": "preorder"})
    everything = [*rows, *twins, sorted_rows]
    task = load(path=put(tmp_path, everything), hops=(1, 6), seeds=30, dev=10, test=20, seed=0)
    assert {row.id for row in (*task.seeds, *task.dev, *task.test)} == {row["id"] for row in rows}
    Random(0).shuffle(everything)
    again = load(path=put(tmp_path, everything), hops=(1, 6), seeds=30, dev=10, test=20, seed=0)
    assert (again.seeds, again.dev, again.test) == (task.seeds, task.dev, task.test)
    fewer = load(path=tmp_path, hops=(1, 6), seeds=5, dev=10, test=20, seed=0)
    assert (fewer.seeds, fewer.dev, fewer.test) == (task.seeds[:5], task.dev, task.test)
    assert load(path=tmp_path, hops=(1, 6), seeds=30, dev=10, test=20, seed=1).test != task.test
    assert all(row.meta["hops"] == 2 for row in load(path=tmp_path, hops=(2, 2), seeds=1, dev=1, test=1, seed=0).seeds)


def test_too_few_rows_say_how_many_there_are(tmp_path: Path) -> None:
    put(tmp_path, [as_row(example, i) for i, example in enumerate(made(12, "few"))])
    with pytest.raises(DataError, match="12 different ones, 13 wanted"):
        load(path=tmp_path, hops=(1, 6), seeds=11, dev=1, test=1, seed=0)


@pytest.mark.parametrize(
    "bad", [{"answer": "Yes"}, {"question": 3}, {"meta": None}, {"meta": {"hops": 1}}, {"solution": None}]
)
def test_a_bad_row_is_named(tmp_path: Path, bad: dict[str, object]) -> None:
    put(tmp_path, [as_row(EXAMPLE, 0), as_row(EXAMPLE, 1, **bad)])
    with pytest.raises(DataError, match="object 2: not a row of ProntoQA"):
        load(path=tmp_path, hops=(1, 6), seeds=1, dev=0, test=0, seed=0)


def test_two_rows_with_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="same id"):
        load(path=put(tmp_path, [as_row(EXAMPLE, 0), as_row(EXAMPLE, 0)]), hops=(1, 6), seeds=1, dev=0, test=0, seed=0)


def test_jsonl_lines_end_at_line_feeds_only(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + '{"a": "x\u2028y\x85"}\r\n\n  \n{"b": 1.5}'.encode())
    assert read_jsonl(file) == [{"a": "x\u2028y\x85"}, {"b": 1.5}]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[1]",
        b"3",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'"\xff"',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
    ],
)
def test_jsonl_errors_name_the_file_and_the_line(tmp_path: Path, line: bytes) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"a": 1}\n\n' + line + b"\n")
    with pytest.raises(DataError, match=r"rows\.jsonl, line 3"):
        read_jsonl(file)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: can't be read(.|\n)*fix: check the path"):
        read_jsonl(tmp_path / "none.jsonl")


# ---- the published files


def published(name: str, every: int = 1) -> list[Example]:
    rows = read_jsonl(DATA / f"{name}.jsonl")[::every]
    return [prontoqa._example(row, name) for row in rows]


@needs_data
@pytest.mark.parametrize(
    ("name", "every"),
    [
        ("prontoqa_train", 5), ("prontoqa_test", 1), ("prontoqa_test_shuffled", 1), ("prontoqa_test_long", 1),
        ("prontoqa_test_branching", 2), ("prontoqa_train_branching", 5), ("prontoqa_test_trueontology", 1),
    ],
)  # fmt: skip
def test_published_answers_are_right_and_broken_ones_wrong(name: str, every: int) -> None:
    rows = published(name, every)
    assert len(rows) >= 300
    for example, stranger in zip(rows, rows[1:] + rows[:1], strict=True):
        assert grade(example, gold(example)).outcome == verify(example.question, gold(example)).outcome == "right"
        assert grade(example, target(str(example.solution), other(example.answer))).outcome == "wrong"
        assert settle(parsed(example.question)).hops == example.meta["hops"]
        steps = str(example.solution).split(". ")
        broken = [steps[:-1]]
        if example.meta["hops"] != 1:
            broken.append(steps[:1] + steps[-1:])
        if parsed(stranger.question).asked.subject != parsed(example.question).asked.subject:
            broken.append(str(stranger.solution).split(". "))
        for proof in broken:
            found = grade(example, target(". ".join(proof), str(example.answer)))
            assert (found.outcome, found.answer_right) == ("wrong", True), proof


@needs_data
def test_published_files_give_their_labels_away() -> None:
    rows = published("prontoqa_test_shuffled")
    assert accuracy(rows, [shortcut(row, Random(i)) for i, row in enumerate(rows)]) == 1.0


@needs_data
def test_published_rows_load() -> None:
    task = load(path=DATA, hops=(1, 3), seeds=800, dev=300, test=300, seed=0)
    keys = [{task.key(row.question) for row in split} for split in (task.seeds, task.dev, task.test)]
    assert [len(found) for found in keys] == [800, 300, 300]
    assert len(set.union(*keys)) == 1_400
