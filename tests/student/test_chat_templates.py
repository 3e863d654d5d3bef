"""Chat templates as models come with: what is lost is refused, what changes is pinned."""

import itertools
from datetime import date
from pathlib import Path

import pytest

from teachback.errors import StudentError
from teachback.student import chat_date
from teachback.student.attempt import AttemptRequest, answer_questions
from teachback.student.chat import Chat, prompt_ids, row_ids
from teachback.student.chat_check import check_messages
from teachback.student.chat_date import (
    choose_date,
    folder_uses_date,
    pin_template_date,
)
from teachback.student.engines.server import load_weightless_student
from teachback.student.inference import load_for_inference
from teachback.student.loading import LoadedStudent, load_student
from teachback.student.training.finetune import Recipe, finetune
from teachback.testing import tiny_student

TURN = "<|{{ m.role }}|>{{ m.content }}<|end|>"
TURNS = "{% for m in messages %}" + TURN + "{% endfor %}"
ASK = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
# Past answers without their thoughts; the prompt opens one.
OPENS_THOUGHT = (
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "<|assistant|>{{ m.content.split('</think>')[-1] }}<|end|>"
    "{% else %}" + TURN + "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n{% endif %}"
)
# A thought before each answer; the prompt has an empty one where thinking is off.
EMPTY_THOUGHT = (
    "{% for m in messages %}{% if m.role == 'assistant' %}"
    "<|assistant|><think>\n{{ '' }}\n</think>\n\n{{ m.content }}<|end|>"
    "{% else %}" + TURN + "{% endif %}{% endfor %}{% if add_generation_prompt %}"
    "<|assistant|>{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
DATED = (
    "<|system|>{{ strftime_now('%d %b %Y') }} {{ strftime_now('%-d.%-m.%y') }}<|end|>"
    + TURNS
    + ASK
)
NO_THINKING = Chat(options={"enable_thinking": False})
THOUGHT = "<think>two and two</think>4"


def load(folder: Path, template: str, chat: Chat | None = None) -> LoadedStudent:
    return load_student(tiny_student(folder, chat_template=template), chat or Chat())


def decode(student: LoadedStudent, ids: list[int]) -> str:
    return str(student.tokenizer.decode(ids))


@pytest.mark.parametrize(
    ("template", "lost"),
    [
        (
            "{% for m in messages %}<|{{ m.role }}|>{% for c in m.content %}"
            "{% if c.type == 'text' %}{{ c.text }}{% endif %}{% endfor %}<|end|>"
            "{% endfor %}" + ASK,
            "question",
        ),
        (TURNS.replace("m.content", "m.content | upper") + ASK, "question"),
        (TURNS.replace("m.content", "m.content[:40]") + ASK, "question"),
        ("<|user|>{{ messages[0].content[-30:] }}<|end|>" + ASK, "question"),
        (
            "{% for m in messages if m.role == 'user' %}" + TURN + "{% endfor %}" + ASK,
            "answer",
        ),
    ],
    ids=["parts only", "upper case", "cut off", "the end only", "no answers"],
)
def test_a_template_that_loses_the_question_or_the_answer_is_no_student_s(
    template: str, lost: str, tmp_path: Path
) -> None:
    folder = tiny_student(tmp_path, chat_template=template)
    for load_it in (load_student, load_for_inference, load_weightless_student):
        with pytest.raises(StudentError, match=f"drops or changes the {lost}"):
            load_it(folder)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "{% for m in messages if m.role != 'system' %}"
            + TURN
            + "{% endfor %}"
            + ASK,
            "drops or changes the system message",
        ),
        (
            "{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}"
            "{% endif %}" + TURNS + ASK,
            r"takes no system message[\s\S]*no system role",
        ),
    ],
    ids=["dropped", "refused"],
)
def test_a_system_message_that_does_not_arrive_is_refused_where_there_is_one(
    template: str, message: str, tmp_path: Path
) -> None:
    folder = tiny_student(tmp_path, chat_template=template)
    load_student(folder)
    with pytest.raises(
        StudentError, match=rf"{message}[\s\S]*leave student.system out"
    ):
        load_student(folder, Chat("Be brief."))


def test_a_system_message_may_stand_in_the_question(tmp_path: Path) -> None:
    template = (
        "{% if messages[0].role == 'system' %}{% set head = messages[0].content + '\n' %}"
        "{% set turns = messages[1:] %}{% else %}{% set head = '' %}"
        "{% set turns = messages %}{% endif %}{% for m in turns %}<|{{ m.role }}|>"
        "{{ head if loop.first else '' }}{{ m.content | trim }}<|end|>{% endfor %}"
        + ASK
    )
    student = load(tmp_path, template, Chat("Be brief."))
    prompt = prompt_ids(student, Chat("Be brief."), "Why?")
    assert decode(student, prompt) == "<|user|>Be brief.\nWhy?<|end|><|assistant|>"


@pytest.mark.parametrize(
    "template", ["{% for m in messages %}{{ m.content ", "{{ messages.no.such }}"]
)
def test_a_broken_template_is_one_message(template: str, tmp_path: Path) -> None:
    with pytest.raises(
        StudentError, match=r"can't write a question[\s\S]*mend chat_template.jinja"
    ):
        load(tmp_path, template)


def test_a_template_that_draws_at_random_is_refused(tmp_path: Path) -> None:
    template = "<|system|>{{ range(10 ** 5) | random }}<|end|>" + TURNS + ASK
    with pytest.raises(StudentError, match="the same question in different ways"):
        load(tmp_path, template)


# -- the date --------------------------------------------------------------------------


def test_a_dated_prompt_is_that_of_the_pinned_day_and_nothing_else_changes(
    tmp_path: Path,
) -> None:
    pinned = Chat(today=date(2025, 3, 4))
    student = load(tmp_path, DATED, pinned)
    prompt = decode(student, prompt_ids(student, pinned, "Why?"))
    assert (
        prompt == "<|system|>04 Mar 2025 4.3.25<|end|><|user|>Why?<|end|><|assistant|>"
    )
    today = Chat(today=date.today())
    unpinned = prompt_ids(student, Chat(), "Why?")
    assert prompt_ids(student, today, "Why?") == unpinned
    other_day = Chat(today=date(2025, 3, 5))
    assert prompt_ids(student, other_day, "Why?") != prompt_ids(student, pinned, "Why?")
    assert student.tokenizer.chat_template == DATED, "what is saved stays as it came"


@pytest.mark.parametrize("start", ["\n", "  {% if true %}x{% endif %}", "{{- '' }} y"])
def test_pinning_moves_no_white_space(start: str, tmp_path: Path) -> None:
    student = load(tmp_path, start + DATED)
    today = Chat(today=date.today())
    assert prompt_ids(student, today, "Why?") == prompt_ids(student, Chat(), "Why?")


def test_every_code_of_the_date_is_pinned(tmp_path: Path) -> None:
    day = date(2024, 2, 29)
    codes = [f"%{code}" for code in chat_date.FORMAT_CODES if code not in "nt"]
    template = "{{ strftime_now(" + repr(" ".join(codes)) + ") }}" + TURNS + ASK
    chat = Chat(today=day)
    student = load(tmp_path, template, chat)
    prompt = decode(student, prompt_ids(student, chat, "Why?"))
    assert prompt.startswith(day.strftime(" ".join(codes)))


def test_only_a_template_that_asks_for_the_date_has_one(tmp_path: Path) -> None:
    plain = tiny_student(tmp_path / "plain")
    dated = tiny_student(tmp_path / "dated", chat_template=DATED)
    assert not folder_uses_date(plain)
    assert folder_uses_date(dated)
    assert (choose_date(plain), choose_date(dated)) == (None, date.today())
    assert pin_template_date(TURNS, date.today()) == TURNS


# -- thinking --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("4", "\n</think>\n\n4<|end|>"),
        (THOUGHT, "two and two</think>4<|end|>"),
        ("<think>\ntwo\n</think>\n\n4", "two\n</think>\n\n4<|end|>"),
    ],
)
def test_an_answer_follows_the_thought_that_its_prompt_opens(
    answer: str, expected: str, tmp_path: Path
) -> None:
    student = load(tmp_path, OPENS_THOUGHT)
    prompt, ids = row_ids(student, Chat(), "Why?", answer)
    assert prompt == prompt_ids(student, Chat(), "Why?")
    assert decode(student, prompt) == "<|user|>Why?<|end|><|assistant|><think>\n"
    assert decode(student, ids) == expected


def test_an_answer_follows_the_empty_thought_of_a_prompt_without_thinking(
    tmp_path: Path,
) -> None:
    student = load(tmp_path, EMPTY_THOUGHT, NO_THINKING)
    prompt, ids = row_ids(student, NO_THINKING, "Why?", "4")
    assert decode(student, prompt).endswith("<|assistant|><think>\n\n</think>\n\n")
    assert decode(student, ids) == "4<|end|>"
    with pytest.raises(StudentError, match=r"answer thinks[\s\S]*thinking off"):
        row_ids(student, NO_THINKING, "Why?", THOUGHT)


def test_a_thought_that_the_template_leaves_out_is_trained_on(tmp_path: Path) -> None:
    template = OPENS_THOUGHT.replace("<|assistant|><think>\n", "<|assistant|>")
    student = load(tmp_path, template)
    assert decode(student, row_ids(student, Chat(), "Why?", THOUGHT)[1]) == (
        f"{THOUGHT}<|end|>"
    )


@pytest.mark.parametrize(
    ("template", "chat"),
    [(OPENS_THOUGHT, Chat()), (EMPTY_THOUGHT, NO_THINKING)],
    ids=["opens", "empty"],
)
def test_rows_continue_what_the_student_is_asked(
    template: str, chat: Chat, tmp_path: Path
) -> None:
    student = load(tmp_path, template, chat)
    for question, answer in itertools.product(
        ["Why?", "<think>", "x\ny"], ["4", "a b"]
    ):
        prompt, ids = row_ids(student, chat, question, answer)
        assert prompt == prompt_ids(student, chat, question)
        assert decode(student, ids).endswith(f"{answer}<|end|>")


@pytest.mark.parametrize(
    ("template", "chat"),
    [(OPENS_THOUGHT, Chat()), (EMPTY_THOUGHT, NO_THINKING)],
    ids=["opens", "empty"],
)
def test_a_student_learns_to_answer_such_a_prompt(
    template: str, chat: Chat, tmp_path: Path
) -> None:
    rows = [("What is 1 + 1?", "It is 2."), ("Say hello", "Hello!")]
    folder = tiny_student(tmp_path / "model", chat_template=template)
    recipe = Recipe(lr=3e-2, epochs=60, rows_per_step=2)
    trained = finetune(folder, rows, tmp_path, chat=chat, recipe=recipe, seed=0)
    student = load_for_inference(trained, chat=chat)
    requests = [AttemptRequest(question, question) for question, _ in rows]
    attempts = answer_questions(student, chat, requests, 40).attempts
    opened = "\n</think>\n\n" if template == OPENS_THOUGHT else ""
    assert [attempt.text for attempt in attempts] == [
        opened + answer for _, answer in rows
    ]


# -- ends and lengths ------------------------------------------------------------------


def test_a_template_without_an_end_gets_one_that_the_student_knows(
    tmp_path: Path,
) -> None:
    student = load(
        tmp_path,
        TURNS.replace("<|end|>", "") + "{% if add_generation_prompt %}[a]{% endif %}",
    )
    student.tokenizer.eos_token = None
    assert row_ids(student, Chat(), "Why?", "4")[1][-1] == min(student.ends)


def test_questions_beyond_the_context_are_refused_before_any_is_answered(
    tiny: Path,
) -> None:
    student = load_for_inference(tiny)
    fits = "x" * (student.max_tokens or 0)
    check_messages(student, Chat(), ["short"], 8)
    n_prompt = len(prompt_ids(student, Chat(), ""))
    check_messages(student, Chat(), [fits[n_prompt + 8 :]], 8)
    with pytest.raises(
        StudentError,
        match=r"too long for the student's context: 'xxx[\s\S]*max_new_tokens",
    ):
        check_messages(student, Chat(), ["short", fits[n_prompt + 7 :]], 8)
