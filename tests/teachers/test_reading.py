import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.endpoints.json_values import is_count
from teachback.endpoints.replies import UnusableReply, parse_completion
from teachback.ledger.costs import Usage

MOST = 400
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)
# Words that mean something to the reader, so that random texts get deep into it.
SAID = st.lists(
    st.sampled_from(
        ["<question>", "</question>", "<solution>", "</solution>", "<think>", "</think>",
        '{"question":', '"a"', "\n",
         ',"answer":', "}", "\ud800", "[]"]
    )
    | st.text(max_size=5),
    max_size=12,
).map("".join)  # fmt: skip
MESSAGE = st.fixed_dictionaries(
    {},
    optional={
        "content": JSON
        | SAID
        | st.lists(
            st.fixed_dictionaries({"type": st.just("text"), "text": JSON | SAID})
        ),
        "refusal": JSON,
        "reasoning_content": JSON | SAID,
        "reasoning": JSON,
    },
)
COUNTS = st.none() | st.booleans() | st.integers(-2, 2**54) | st.floats() | st.text()
USAGE = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": COUNTS,
        "completion_tokens": COUNTS,
        "total_tokens": COUNTS,
        "prompt_cache_hit_tokens": COUNTS,
        "prompt_tokens_details": JSON
        | st.fixed_dictionaries({"cached_tokens": COUNTS}),
        "completion_tokens_details": JSON
        | st.fixed_dictionaries({"reasoning_tokens": COUNTS}),
    },
)
CHOICE = st.fixed_dictionaries(
    {"message": MESSAGE | JSON}, optional={"finish_reason": JSON, "error": JSON}
)
BODY = st.fixed_dictionaries(
    {},
    optional={
        "choices": st.lists(CHOICE | JSON) | JSON,
        "error": JSON,
        "usage": USAGE | JSON,
    },
)


def body(
    content: object = None,
    finish: object = "stop",
    usage: object = None,
    **message: object,
) -> str:
    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": content, **message},
    }
    return json.dumps({"choices": [choice], "usage": usage})


def reason(raw: str) -> str:
    with pytest.raises(UnusableReply) as why:
        parse_completion(raw).text()
    return str(why.value)


# ---- whatever is sent


@given(st.text() | st.one_of(JSON, BODY).map(json.dumps))
def test_whatever_a_server_sends_gives_text_or_a_reason(raw: str) -> None:
    completion = parse_completion(raw)
    if completion.usage is not None:
        usage = completion.usage
        assert 0 <= usage.cached_tokens <= usage.input_tokens
        assert 0 <= usage.reasoning_tokens <= usage.output_tokens
        assert not usage.estimated
    for take in (
        completion.text,
        lambda: completion.text(thinking=True),
        lambda: completion.question(MOST),
        lambda: completion.pair(MOST),
        lambda: completion.pair(MOST, thinking=True),
    ):
        try:
            taken = take()
        except UnusableReply as unusable:
            taken = str(unusable)
            assert len(taken) < 200
        for text in (taken,) if isinstance(taken, str) else taken:
            assert text.strip() == text != ""
            text.encode()


@pytest.mark.parametrize("depth", [900, 990, 10**5])
@pytest.mark.parametrize(
    "before", ["", '{"error": ', '{"choices": [{"message": {"content": ']
)
def test_no_nesting_is_too_deep(before: str, depth: int) -> None:
    closing = {"": "", '{"error": ': "}"}.get(before, "}}]}")
    assert reason(before + "[" * depth + "]" * depth + closing)
    with pytest.raises(UnusableReply, match="no question"):
        parse_completion(body("[" * depth)).pair(MOST)


def test_an_error_that_can_just_be_read_but_not_written_out() -> None:
    for depth in range(500, 1000):  # where that is depends on the stack
        assert parse_completion('{"error": ' + "[" * depth + "]" * depth + "}").problem


@pytest.mark.parametrize("raw", ["", "<html>it works</html>", "{}", "[]", "null", '{"choices": []}',
                                 '{"choices": "abc"}',
                                 '{"choices": [{"text": "old"}]}'])  # fmt: skip
def test_what_is_no_completion(raw: str) -> None:
    assert reason(raw) == "the teacher's answer is not a chat completion"


# ---- text


def test_the_text_is_stripped() -> None:
    assert parse_completion(body(" Well.\nAnswer: 1 \n")).text() == "Well.\nAnswer: 1"


@pytest.mark.parametrize(
    "content", [None, "", " \n", 3, {}, [], [{"type": "image_url", "text": "x"}], ["x"]]
)
def test_no_text(content: object) -> None:
    assert reason(body(content)) == "no text in the teacher's answer"


def test_parts_are_joined() -> None:
    parts = [
        {"type": "text", "text": "One "},
        {"type": "thinking", "thinking": []},
        {"type": "text", "text": "two"},
    ]
    assert (
        parse_completion(
            body([*parts, {"type": "text", "text": None}, "x", None])
        ).text()
        == "One two"
    )


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (body("x", "length"), "cut off by the token limit"),
        (body("<think>a</think>x", "length"), "cut off by the token limit"),
        (
            body("", "length"),
            "cut off while thinking",
        ),  # a model whose thinking is hidden
        (body("<think>a", "length"), "cut off while thinking"),
        (body("x", "content_filter"), "held back by the teacher's content filter"),
        (body(None, refusal="I can't\n help \ud800."), "refused: I can't help ?."),
        (body("x", "content_filter", refusal="y" * 200), "refused: " + "y" * 120),
        (body("\ud83d"), "the teacher's answer is not valid Unicode"),
    ],
)
def test_an_answer_that_may_not_be_used_says_why(raw: str, expected: str) -> None:
    assert reason(raw) == expected


@pytest.mark.parametrize("refusal", [None, "", " ", 0, {}])
def test_no_refusal_is_no_refusal(refusal: object) -> None:
    assert parse_completion(body("x", refusal=refusal)).text() == "x"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({"message": "overloaded\ud800", "code": 503}, "overloaded?"),
        ({"message": "z" * 300}, "z" * 120),
        ({"code": 5}, '{"code": 5}'),
        ("quota", "quota"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_an_error_with_http_200(error: object, said: str) -> None:
    expected = f"the teacher's answer is an error: {said}"
    assert reason(json.dumps({"error": error})) == expected
    good = json.loads(body("x"))
    assert reason(json.dumps({**good, "error": error})) == expected
    assert (
        reason(json.dumps({"choices": [{**good["choices"][0], "error": error}]}))
        == expected
    )
    assert parse_completion(json.dumps({**good, "error": None})).text() == "x"


def test_what_was_not_usable_still_has_its_usage() -> None:
    completion = parse_completion(
        body("x", "length", {"prompt_tokens": 5, "completion_tokens": 7})
    )
    assert completion.usage == Usage(5, 7)
    assert completion.problem == "cut off by the token limit"


# ---- thinking


@pytest.mark.parametrize(
    "raw",
    [
        body("So.\nAnswer: 1", reasoning_content="Hm.\nYes."),
        body("So.\nAnswer: 1", reasoning=" Hm.\nYes.\n"),
        body("So.\nAnswer: 1", reasoning_content=None, reasoning="Hm.\nYes."),
        body("So.\nAnswer: 1", reasoning_content="Hm.\nYes.", reasoning="other"),
        body(" <think>\nHm.\nYes.\n</think>\n\nSo.\nAnswer: 1"),
        body("Hm.\nYes.\n</think>\n\nSo.\nAnswer: 1"),  # the chat template opened it
        body(
            [
                {"type": "text", "text": "<think>Hm.\nYes."},
                {"type": "text", "text": "</think>So.\nAnswer: 1"},
            ]
        ),
    ],
)
def test_thinking_is_left_out_unless_asked_for(raw: str) -> None:
    assert parse_completion(raw).text() == "So.\nAnswer: 1"
    assert (
        parse_completion(raw).text(thinking=True)
        == "<think>\nHm.\nYes.\n</think>\n\nSo.\nAnswer: 1"
    )


@pytest.mark.parametrize(
    "raw",
    [body("So."), body("<think>\n\n</think>\n\nSo."), body("So.", reasoning_content=3)],
)
def test_without_thinking_nothing_is_put_before_the_text(raw: str) -> None:
    assert (
        parse_completion(raw).text(thinking=True)
        == parse_completion(raw).text()
        == "So."
    )


def test_thinking_that_was_not_finished() -> None:
    assert reason(body("<think>Hm. So:\nAnswer: 1")) == "cut off while thinking"
    assert reason(body("<think>Hm.</think> ")) == "no text in the teacher's answer"


def test_a_tag_later_in_the_text_is_refused() -> None:
    assert (
        reason(body("Write <think> and </think>."))
        == "the teacher's answer holds the mark <think>"
    )


def test_bad_unicode_in_the_thinking_matters_where_it_is_used() -> None:
    completion = parse_completion(body("So.", reasoning="\ud800"))
    assert completion.text() == "So."
    with pytest.raises(UnusableReply, match="Unicode"):
        completion.text(thinking=True)


@given(st.text(), st.text(min_size=1))
def test_what_was_written_with_thinking_reads_back(thought: str, answer: str) -> None:
    first = parse_completion(body(answer, reasoning_content=thought))
    if (
        first.problem is None
        and "</think>" not in thought + answer
        and not answer.strip().startswith("<think>")
    ):
        try:
            second = parse_completion(body(first.text(thinking=True)))
        except UnusableReply:
            return  # lone surrogates
        assert (
            (second.thought, second.answer)
            == (first.thought, first.answer)
            == (thought.strip(), answer.strip())
        )


# ---- questions and pairs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What is 1 + 2?", None),
        ("<question>  </question>", None),
        ("What is 1 + 2?</question>", None),
        ("<question>What is 1 + 2?", None),
        ("<think><question>no</question></think>", None),
        ("<think><question>no</question></think><question>yes</question>", "yes"),
        (
            "I use <question> and </question>. <question>no</question> <question>\nyes\n</"
            "question> ok",
            "yes",
        ),
    ],
)
def test_the_question_is_what_stands_in_the_last_tags(
    text: str, expected: str | None
) -> None:
    if expected:
        assert parse_completion(body(text)).question(MOST) == expected
    else:
        with pytest.raises(
            UnusableReply, match=r"^no (question|text) in the teacher's answer$"
        ):
            parse_completion(body(text)).question(MOST)


@pytest.mark.parametrize("over", [0, 1])
def test_the_longest_question_is_counted_in_bytes_of_a_request(over: int) -> None:
    text = "数" * 10 + '"\n' * 20 + "\N{PILE OF POO}" * 5  # 30, 80 and 20 bytes
    text += "x" * (MOST - 130 + over)
    tagged = f"<question>{text}</question>"
    takes: list[Callable[[], str]] = [
        lambda: parse_completion(body(tagged)).question(MOST),
        lambda: parse_completion(body(f"{tagged}<solution>s</solution>")).pair(MOST)[0],
        lambda: parse_completion(
            body(json.dumps({"question": text, "answer": "s"}))
        ).pair(MOST)[0],
    ]
    for take in takes:
        if not over:
            assert take() == text
        else:
            with pytest.raises(UnusableReply, match=f"longer than {MOST} bytes"):
                take()


@pytest.mark.parametrize(
    "text",
    [
        "<question>What is {n}?</question>\n<solution>\nWell.\nAnswer: 1\n</solution>",
        "I use <question></question> and <solution></solution>. <question>no</"
        "question><solution>no</solution>\n"
        "<question>\nWhat is {n}?\n</question> and <solution>Well.\nAnswer: 1</solution>.",
        "<think><question>a</question><solution>b</solution></think>"
        "<question>What is {n}?</question><solution>Well.\nAnswer: 1</solution>",
        '{"question": " What is {n}?", "answer": "Well.\\nAnswer: 1\\n"}',
        '<think>{</think>{"question": "What is {n}?", "solution": "Well.\\nAnswer: 1", '
        '"answer": "1", "more": []}',
        '{"question": "What is {n}?", "solution": null, "answer": "Well.\\nAnswer: 1"}',
    ],
)
def test_a_pair(text: str) -> None:
    assert parse_completion(body(text)).pair(MOST) == (
        "What is {n}?",
        "Well.\nAnswer: 1",
    )


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("<question>q</question>", "solution"),
        ("<question>q</question><solution> </solution>", "solution"),
        ("<question>q</question><solution>s", "solution"),
        ("<question>q</question>s</solution>", "solution"),
        ("<solution>s</solution>", "question"),
        ("<solution>s</solution><question>q</question>", "question"),
        ("<question> </question><solution>s</solution>", "question"),
        ('{"question": 3, "answer": "s"}', "question"),
        ('{"question": "q", "answer": [3]}', "question"),
        ('{"question": "q", "answer": " "}', "solution"),
        ('{"question": "", "answer": "s"}', "question"),
        ('[{"question": "q", "answer": "s"}]', "question"),
        ("neither", "question"),
    ],
)
def test_a_pair_that_is_not_whole(text: str, missing: str) -> None:
    with pytest.raises(UnusableReply, match=f"^no {missing} in the teacher's answer$"):
        parse_completion(body(text)).pair(MOST)


def test_a_pair_with_thinking() -> None:
    raw = body("<question>q</question><solution>s</solution>", reasoning="Hm.")
    assert parse_completion(raw).pair(MOST, thinking=True) == (
        "q",
        "<think>\nHm.\n</think>\n\ns",
    )
    raw = body('{"question": "q", "answer": "s"}', reasoning="Hm.")
    assert parse_completion(raw).pair(MOST, thinking=True) == (
        "q",
        "<think>\nHm.\n</think>\n\ns",
    )


@pytest.mark.parametrize("field", ["question", "answer"])
def test_json_in_the_text_can_hold_bad_unicode_too(field: str) -> None:
    text = json.dumps(
        {"question": "q", "answer": "s"} | {field: "\ud800"}
    )  # ASCII: the surrogate is escaped twice
    with pytest.raises(UnusableReply, match="Unicode"):
        parse_completion(body(text)).pair(MOST)


# ---- usage


def details(
    cached: object = None, reasoning: object = None, **others: object
) -> dict[str, Any]:
    inner = {
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    return {"prompt_tokens": 5, "completion_tokens": 7, **inner, **others}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 7}, Usage(5, 7)),
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}, Usage(5, 7)),
        (
            {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 40},
            Usage(5, 35, 0, 28),
        ),  # hidden reasoning
        ({"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 0}, Usage(5, 7)),
        (
            {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": "x"},
            Usage(5, 7),
        ),
        (
            {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": True},
            Usage(5, 7),
        ),
        ({"prompt_tokens": 5, "completion_tokens": None}, None),
        ({"prompt_tokens": True, "completion_tokens": 1}, None),
        ({"prompt_tokens": -1, "completion_tokens": 1}, None),
        ({"prompt_tokens": 1.0, "completion_tokens": 1}, None),
        ({"prompt_tokens": 10**30, "completion_tokens": 1}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({"prompt_tokens": 0, "completion_tokens": 3, "total_tokens": 3}, None),
        ({"prompt_tokens": 5, "completion_tokens": 0}, Usage(5, 0)),
        (details(3, 4), Usage(5, 7, 3, 4)),
        # Reasoning beside the completion, in no total.
        (details(9, 9), Usage(5, 16, 5, 9)),
        (details(0, 9, total_tokens=12), Usage(5, 16, 0, 9)),
        (details(-1, 1.5), Usage(5, 7)),
        (details("3", True), Usage(5, 7)),
        (
            details(None, 4, prompt_tokens_details=None, prompt_cache_hit_tokens=2),
            Usage(5, 7, 2, 4),
        ),
        (
            details(0, None, completion_tokens_details=[], prompt_cache_hit_tokens=8),
            Usage(5, 7, 5, 0),
        ),
        (details(3, 0, prompt_cache_hit_tokens=2), Usage(5, 7, 3, 0)),
        (details(0, 30, total_tokens=42), Usage(5, 37, 0, 30)),
        (details(0, 0, total_tokens=42), Usage(5, 37, 0, 30)),
        ({}, None),
        (None, None),
        ([], None),
        ("prompt_tokens", None),
    ],
)
def test_usage(usage: object, expected: Usage | None) -> None:
    assert parse_completion(json.dumps({"usage": usage})).usage == expected
    assert parse_completion(body("x", usage=usage)).usage == expected


def test_a_count_is_a_whole_number_that_every_language_can_hold() -> None:
    assert [
        is_count(value) for value in (0, 2**53 - 1, 2**53, -1, True, 1.0, "1", None)
    ] == [True] * 2 + [False] * 6
