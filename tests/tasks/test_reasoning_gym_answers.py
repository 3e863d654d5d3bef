"""How answers to reasoning-gym's exercises are read and graded."""

import json
import time
from functools import cache, partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import DataError
from teachback.rng import draw
from teachback.tasks import reasoning_gym
from teachback.tasks.gym_answers import (
    MULTILINE_DATASETS,
    format_gym_answer,
    read_answer,
)
from teachback.tasks.gym_datasets import open_source
from teachback.tasks.gym_forms import has_answer_form
from teachback.tasks.keys import text_key
from teachback.types import Example, Grade, Task

pytest.importorskip("reasoning_gym")

USED = [
    "basic_arithmetic", "binary_matrix", "chain_sum", "coin_flip", "complex_arithmetic",
    "countdown", "figlet_font", "game_of_life_halting", "graph_color", "gsm_symbolic",
    "knights_knaves", "leg_counting", "mini_sudoku", "n_queens", "number_sorting",
    "prime_factorization", "propositional_logic", "puzzle24", "spiral_matrix", "string_insertion",
    "tower_of_hanoi", "zebra_puzzles",
]  # fmt: skip


@cache
def task(dataset: str) -> Task:
    return reasoning_gym.load_reasoning_gym(
        dataset=dataset,
        options={},
        levels=None
        if dataset == "gsm_symbolic"
        else (1, 1)
        if dataset == "propositional_logic"
        else (0, 0),
        seeds=3,
        dev=1,
        test=1,
        seed=0,
    )


def grade(dataset: str, answer: str) -> Grade:
    e = task(dataset).test[0]
    return task(dataset).grade(
        e, format_gym_answer(answer, dataset in MULTILINE_DATASETS)
    )


def gold(dataset: str) -> str:
    return str(task(dataset).test[0].answer)


@pytest.mark.parametrize("dataset", USED)
def test_gold_is_right_in_every_form_and_other_golds_are_not(dataset: str) -> None:
    rows = task(dataset).seeds
    for e in rows:
        target, answer = str(task(dataset).target(e)), str(e.answer)
        for text in (
            target,
            f"Let me see.\n\n{target}",
            f"<answer>{answer}</answer>",
            f"I think\n<answer>\n{answer}\n</answer>\n",
        ):
            assert task(dataset).grade(e, text) == Grade(
                "right", read_answer(text, dataset in MULTILINE_DATASETS), True
            )
        assert (
            task(dataset).grade(e, answer).outcome == "unparsed"
        )  # without a mark there is no answer
    changed = f"{gold(dataset)}7" if gold(dataset)[-1].isdigit() else gold(dataset)[:-3]
    assert not grade(dataset, changed).answer_right


@pytest.mark.parametrize(
    "dataset", ["leg_counting", "chain_sum", "basic_arithmetic", "gsm_symbolic"]
)
def test_numbers(dataset: str) -> None:
    number = int(gold(dataset))
    assert grade(dataset, f"{number}.").outcome == "right"
    for wrong in (number + 1, -number, f"{number}0", "many"):
        assert grade(dataset, str(wrong)).outcome == "wrong"


def test_partial_credit_is_wrong_and_the_score_is_said() -> None:
    found = grade("chain_sum", f"about {gold('chain_sum')}")
    assert found.outcome == "wrong"
    assert "(score 0." in str(found.reason)


def test_any_expression_that_makes_the_target_counts() -> None:
    target = gold("countdown")
    assert grade("countdown", f"-(-({target}))").outcome == "right"
    assert (
        grade("countdown", f"({target}) * 1").outcome == "wrong"
    )  # 1 is not among the numbers
    assert grade("countdown", target.replace("+", "-", 1)).outcome == "wrong"
    assert grade("countdown", f"{target} = 5").outcome == "unparsed"
    assert grade("countdown", "1 / 0").outcome == "unparsed"


def test_puzzle24_takes_the_numbers_that_were_given_only() -> None:
    other = next(
        a
        for a in ("4*3*2*1", "5*5 - 1*1")
        if sorted(a[::2]) != sorted(gold("puzzle24"))
    )
    assert grade("puzzle24", other).outcome == "wrong"


def test_any_colouring_counts() -> None:
    colours: dict[str, int] = json.loads(gold("graph_color"))
    swapped = {
        vertex: {1: 2, 2: 1}.get(colour, colour) for vertex, colour in colours.items()
    }
    assert swapped != colours
    assert grade("graph_color", json.dumps(swapped)).outcome == "right"
    assert (
        grade("graph_color", json.dumps(dict.fromkeys(colours, 1))).outcome == "wrong"
    )
    assert grade("graph_color", "{").outcome == "wrong"


def test_grids_are_read_to_the_end_of_the_text() -> None:
    rows = gold("mini_sudoku").split("\n")
    sudoku = task("mini_sudoku")
    e = sudoku.test[0]
    for text in (
        f"Answer: {gold('mini_sudoku')}",
        f"**Answer:**\n```\n{gold('mini_sudoku')}\n```\n",
        f"Answer: ?\nAnswer:\n{gold('mini_sudoku')}",
    ):
        assert sudoku.grade(e, text).outcome == "right", text
    assert sudoku.grade(e, f"Answer:\n{rows[0]}").outcome == "wrong"
    assert (
        grade("mini_sudoku", "\n".join([rows[1], rows[0], *rows[2:]])).outcome
        == "wrong"
    )
    assert sudoku.grade(e, "Answer:\n\n").outcome == "unparsed"


@pytest.mark.parametrize(
    ("dataset", "wrong"),
    [
        ("game_of_life_halting", "maybe"),  # full marks from the library, all of them
        ("coin_flip", "0"),
        ("complex_arithmetic", "nan"),
        ("gsm_symbolic", "-{gold}"),
        ("figlet_font", "{gold}x"),
    ],
)
def test_full_marks_for_wrong_answers_are_not_taken_over(
    dataset: str, wrong: str
) -> None:
    assert grade(dataset, wrong.format(gold=gold(dataset))).outcome in (
        "wrong",
        "unparsed",
    )


# Their scorers pick out what they look for, and pass over the rest of a text.
LENIENT = [
    "fraction_simplification", "kakurasu", "knights_knaves", "letter_jumble", "pool_matrix",
    "puzzle24", "quantum_lock", "rubiks_cube", "sokoban", "spell_backward", "survo",
    "time_intervals", "word_sorting",
]  # fmt: skip


@pytest.mark.parametrize("dataset", LENIENT)
def test_more_than_an_answer_is_not_right(dataset: str) -> None:
    level = 1 if dataset == "sokoban" else 0
    source = open_source(dataset, {}, (level, level))
    for i in range(3):
        item = source.draw(level, draw(0, 0, "test", str(i), 0))
        gold = str(item.example.answer)
        grade = partial(
            reasoning_gym.grade_gym, source, {text_key(item.example.question): item}
        )
        for more in (
            "{} or 17", "{} 17", "{} (or not)", "not {}", "I am not sure that {}", "{} is wrong",
            "{}?", "{} # or 17", "{}, or another", "{}\n17", "{} or {}", "7 {}",
        ):  # fmt: skip
            text = format_gym_answer(
                more.replace("{}", gold), dataset in MULTILINE_DATASETS
            )
            found = grade(item.example, text.replace("\n17", " \n17"))
            if more == "{}\n17" and dataset not in MULTILINE_DATASETS:
                continue  # the line below the answer is no part of it
            assert found.outcome != "right", (gold, more)
        assert grade(item.example, f"<answer>{gold}</answer>").outcome == "right"


@pytest.mark.parametrize(
    ("dataset", "answer", "is_form"),
    [
        ("knights_knaves", "Ann is a knight, and Bob is a knave", True),
        ("knights_knaves", "Bob is a knave and Ann is a knight.", True),
        ("knights_knaves", "Ann is not a knight, and Bob is a knave.", False),
        ("quantum_lock", "A→B -> C", True),
        ("quantum_lock", "A then B", False),
        ("fraction_simplification", r"\frac{1}{2}", True),
        ("fraction_simplification", r"\frac{1}{2} = 0.5", False),
        ("time_intervals", "3 days, 00:10", True),
        ("time_intervals", "3 days or 4", False),
        ("complex_arithmetic", "-3+2i", True),
        ("complex_arithmetic", "-3+2i or 4", False),
        ("propositional_logic", "(P ∧ Q)", True),
        ("propositional_logic", "(P ∧ Q", False),
        ("sokoban", "LRUD", True),
        ("sokoban", "LRUD or UD", False),
        ("kakurasu", "1 0\n0 1", True),
        ("kakurasu", "1 0\n0 1 9", False),
        ("chain_sum", "1.0", True),
        ("chain_sum", "1 apple", False),
    ],
)
def test_forms_of_an_answer(dataset: str, answer: str, is_form: bool) -> None:
    gold = {"kakurasu": "0 1\n1 0", "chain_sum": "2"}.get(dataset)
    assert has_answer_form(dataset, answer, gold) == is_form


def test_sorted_numbers_are_the_numbers_given() -> None:
    first = gold("number_sorting").split("'")[1]
    assert (
        grade("number_sorting", gold("number_sorting").replace("'", '"')).outcome
        == "right"
    )
    assert (
        grade(
            "number_sorting",
            gold("number_sorting").replace(first, f"{float(first) - 0.5}", 1),
        ).outcome
        == "wrong"
    )


@pytest.mark.parametrize(
    "dataset",
    [
        "binary_matrix",
        "countdown",
        "n_queens",
        "puzzle24",
        "spiral_matrix",
        "string_insertion",
    ],
)
def test_text_is_never_evaluated(dataset: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    for text in (
        f"open({str(made)!r}, 'w')",
        f"__import__('pathlib').Path({str(made)!r}).touch()",
    ):
        assert not grade(dataset, text).answer_right
    assert not made.exists()


@pytest.mark.parametrize(
    ("dataset", "text"),
    [
        ("coin_flip", "1e9999999"),
        ("propositional_logic", "¬" * 3000),
        ("rubiks_cube", "R99999999"),
        ("rush_hour", "A+999999999"),
        ("countdown", "9" * 3000 + "**9**9"),
        ("countdown", "(" * 900),
        ("prime_factorization", "two × three"),
        ("leg_counting", "1" * 100_000),
    ],
)
def test_texts_that_a_scorer_cannot_take_are_unparsed_at_once(
    dataset: str, text: str
) -> None:
    e = task(dataset).test[0]
    start = time.perf_counter()
    found = task(dataset).grade(e, f"<answer>{text}</answer>")
    assert time.perf_counter() - start < 2
    assert found.outcome == "unparsed"
    assert "can't be scored" in str(found.reason)


def test_questions_from_elsewhere_are_compared_by_their_answer() -> None:
    legs = task("leg_counting")
    assert (
        legs.grade(Example("", "How many legs has a cat?", "4"), "Answer: 4.0").outcome
        == "right"
    )
    assert (
        legs.grade(Example("", "How many legs has a cat?", "4"), "Answer: 5").outcome
        == "wrong"
    )
    assert (
        legs.grade(Example("", "Which animal?", "A cat"), "Answer: a  cat.").outcome
        == "right"
    )
    with pytest.raises(DataError, match="no answer"):
        legs.grade(Example("", "How many?"), "Answer: 4")
    own = legs.test[
        0
    ]  # against another answer than the task's own: what a vote is compared with
    assert (
        legs.grade(Example("", own.question, "no number"), "Answer: no number").outcome
        == "right"
    )


def test_a_row_needs_a_question_and_an_answer() -> None:
    verify = task("leg_counting").verify
    assert verify("How many?", "Four.\nAnswer: 4") == Grade("right", "4")
    assert verify("How many?", "Four").outcome == "unparsed"
    assert verify(" ", "Answer: 4").outcome == "unparsed"


def test_the_prompt_says_the_form_that_is_read() -> None:
    for dataset in ("leg_counting", "mini_sudoku"):
        e = task(dataset).test[0]
        assert task(dataset).prompt(e.question).startswith(e.question)
        assert "Answer:" in task(dataset).prompt(e.question)


ROWS = st.lists(
    st.text("0123 xQ_.", min_size=1).filter(str.strip), min_size=1, max_size=5
)


@given(ROWS, st.sampled_from(["", "Some thought.\n\n", "Answer: not yet\n"]))
def test_blocks_survive_being_written_and_read(rows: list[str], before: str) -> None:
    block = "\n".join(rows).rstrip()
    assert (
        read_answer(before + format_gym_answer(block, multiline=True), multiline=True)
        == block
    )
    assert read_answer(f"{before}<answer>\n{block}\n</answer>", multiline=True) == block


@given(
    st.text(max_size=200),
    st.sampled_from(
        ["leg_counting", "n_queens", "puzzle24", "prime_factorization", "coin_flip"]
    ),
)
def test_no_text_breaks_a_scorer(text: str, dataset: str) -> None:
    found = task(dataset).grade(task(dataset).test[0], f"<answer>{text}</answer>")
    assert found.outcome in ("wrong", "unparsed") or found.answer_right
