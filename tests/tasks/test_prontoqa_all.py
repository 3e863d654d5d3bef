"""Published proofs are right, also in other words, and a near miss is wrong.

The suite reads every fifth row; slow tests read all 11,434. Labels come from the premises by
forward chaining, not from the file.
"""

from collections.abc import Iterator

import pytest

from exercises import DATA, gold, needs_data, other, parsed
from teachback.files.json_rows import read_jsonl
from teachback.tasks import prontoqa
from teachback.tasks.ontology import read_sentence, split_sentences
from teachback.tasks.prontoqa_answers import (
    format_proof_answer,
    grade_proof,
    verify_proof,
)
from teachback.tasks.wording import WordedRule, singular
from teachback.types import Example

FILES = {
    "prontoqa_train": 6834, "prontoqa_test": 500, "prontoqa_test_shuffled": 500,
    "prontoqa_test_long": 600, "prontoqa_test_branching": 800, "prontoqa_train_branching": 1700,
    "prontoqa_test_trueontology": 500,
}  # fmt: skip


def test_how_many_they_are() -> None:
    assert sum(FILES.values()) - FILES["prontoqa_test_trueontology"] == 10_934


def otherwise(sentence: str, concepts: set[str]) -> str:
    """A rule in the plural where it is in the singular, and the other way round; a fact as it is.

    concepts: what the question has rules about. "Dumpuses are impuses" stays as it is where
    nothing tells a noun from a property.
    """
    found = read_sentence(sentence)
    if found is None or not found.rule:
        return sentence
    noun = found.form == "concept" or found.predicate in concepts
    if not noun and found.form != "property" and found.predicate.endswith("s"):
        return sentence
    one = singular(found.predicate) if noun else found.predicate
    rule = WordedRule(singular(found.subject), one, noun, found.negated)
    return rule.wording("Every" if found.form == "either" else None).removesuffix(".")


def rewritings(example: Example) -> Iterator[str]:
    steps, label = split_sentences(str(example.solution)), str(example.answer)
    concepts = {premise.subject for premise in parsed(example.question).premises}
    yield ".\n".join(steps) + f".\nAnswer: {label}."
    yield format_proof_answer(
        ". ".join(otherwise(step, concepts) for step in steps) + ".", label
    )
    yield (
        format_proof_answer(
            ".  ".join(step[0].lower() + step[1:] for step in steps) + ".", label
        )
        + "  \n\n"
    )


def near_misses(example: Example) -> Iterator[tuple[str, bool]]:
    """Texts that are wrong, and whether their label is right."""
    steps, label = split_sentences(str(example.solution)), str(example.answer)
    yield format_proof_answer(str(example.solution), other(label)), False
    yield format_proof_answer(". ".join(steps[:-1]) + ".", label), True
    last = (
        steps[-1].replace(" is not ", " is ")
        if " is not " in steps[-1]
        else steps[-1].replace(" is ", " is not ", 1)
    )
    yield format_proof_answer(". ".join([*steps[:-1], last]) + ".", label), True


@needs_data
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", FILES)
def test_rows(name: str, step: int) -> None:
    rows = [
        prontoqa.read_prontoqa_row(row, name)
        for row in read_jsonl(DATA / f"{name}.jsonl")
    ]
    assert len(rows) == FILES[name]
    looked_at = rows[::step]
    reworded = 0
    for e in looked_at:
        assert (
            grade_proof(e, gold(e)).outcome
            == verify_proof(e.question, gold(e)).outcome
            == "right"
        ), e
        texts = list(rewritings(e))
        assert all(grade_proof(e, text).outcome == "right" for text in texts), (
            e,
            texts,
        )
        reworded += texts[1] != gold(e)
        for text, label_right in near_misses(e):
            found = grade_proof(e, text)
            assert (found.outcome, found.answer_right) == ("wrong", label_right), (
                e,
                text,
            )
    assert reworded > 0.95 * len(looked_at)
