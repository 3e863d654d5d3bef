"""What is thinking and what is an answer, in the marks of many models; and what no row may hold."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.endpoints.json_pairs import parse_json_pair
from teachback.endpoints.replies import UnusableReply, parse_completion
from teachback.endpoints.thinking import find_control, find_mark, split_thinking

ANSWER = "1 + 2 = 3.\nAnswer: 3"


def body(content: object, finish: object = "stop") -> str:
    choice = {"message": {"content": content}, "finish_reason": finish}
    return json.dumps({"choices": [choice]})


def reason(content: object, finish: object = "stop", *, thinking: bool = False) -> str:
    with pytest.raises(UnusableReply) as why:
        parse_completion(body(content, finish)).text(thinking=thinking)
    return str(why.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<think>hm</think>", ""),
        ("<think>\nhm\n</think>\n\n", ""),
        ("hm</think>", ""),
        ("<Thinking>hm</Thinking>", ""),
        ("<thought>hm</thought>", ""),
        ("<reasoning>hm</reasoning>\n", ""),
        ("<antThinking>hm</antThinking>", ""),
        ("<seed:think>hm</seed:think>", ""),
        ("[THINK]hm[/THINK]", ""),
        ("hm[/THINK]", ""),
        ("<|begin_of_thought|>hm<|end_of_thought|>", ""),
        ("<|START_THINKING|>hm<|END_THINKING|>", ""),
        ("◁think▷hm◁/think▷", ""),
        ("<|channel>thought\nhm<channel|>", ""),
        ("<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
         "<|channel|>final<|message|>", ""),
        ("<|start|>assistant<|channel|>analysis<|message|>hm<|end|>"
         "<|start|>assistant<|channel|>final<|message|>", "<|return|>"),
        ("analysishm\n\nassistantfinal", ""),
        ("<s><think>hm</think>", "</s>"),
        ("<think>hm</think>", "<|im_end|>"),
        ("<think>hm</think>", "<|eot_id|>\n<|end_of_text|>"),
        ("<think>hm</think>", "<｜end▁of▁sentence｜>"),
        ("<think>hm</think>", "<end_of_turn>\n<eos>"),
    ],
)  # fmt: skip
def test_thinking_comes_before_the_answer(before: str, after: str) -> None:
    completion = parse_completion(body(f"{before}{ANSWER}{after}"))
    assert (completion.thought, completion.answer) == ("hm", ANSWER)
    assert completion.text() == ANSWER
    assert completion.text(thinking=True) == f"<think>\nhm\n</think>\n\n{ANSWER}"


@pytest.mark.parametrize(
    "content",
    ["<think>hm", "[THINK]hm", "<|channel|>analysis<|message|>hm", "<thinking>hm</thin",
     "<|channel>thought\nhm"],
)  # fmt: skip
def test_thinking_without_an_end_was_cut_off(content: str) -> None:
    assert reason(content) == "cut off while thinking"


@pytest.mark.parametrize(
    "mark",
    ["<think>", "</think>", "<THOUGHT>", "[/THINK]", "<|im_start|>", "<|im_end|>", "<|endoftext|>",
     "<|channel|>", "<channel|>", "<｜Assistant｜>", "</s>", "<end_of_turn>", "[INST]", "<<SYS>>",
     "<|reserved_special_token_7|>", "[TOOL_CALLS]", "<pad>"],
)  # fmt: skip
def test_a_mark_in_the_answer_is_refused(mark: str) -> None:
    content = f"<think>a</think>One {mark} two."
    assert reason(content) == f"the teacher's answer holds the mark {mark}"
    question = f"<question>What is {mark}?</question>"
    with pytest.raises(UnusableReply, match="holds the mark"):
        parse_completion(body(f"<think>a</think>{question}")).question(400)
    pair = json.dumps({"question": "q", "answer": f"a {mark} b"})
    # A closing mark alone ends thinking: then too little is left.
    with pytest.raises(UnusableReply, match=r"holds the mark|no question"):
        parse_completion(body(pair)).pair(400)


def test_a_mark_in_the_thinking_matters_where_that_is_trained_on() -> None:
    content = f"<think>a <|im_end|> b</think>{ANSWER}"
    assert parse_completion(body(content)).text() == ANSWER
    said = "the teacher's thinking holds the mark <|im_end|>"
    assert reason(content, thinking=True) == said


@pytest.mark.parametrize(
    "text",
    ["a < b > c", "List<int> x", "x |> f <| y", "arr[THEN]", "[3] = 4", "<b>bold</b>",
     "a <| b |> c", "\\left[ 1 \\right]", "<question>", "P(A|B) <= 1", "if a<b|c>d", "[X]",
     "“<…>”", "a\tb\r\nc"],
)  # fmt: skip
def test_ordinary_text_is_no_mark(text: str) -> None:
    assert find_mark(text) is None
    assert find_control(text) is None
    assert parse_completion(body(text)).text() == text


@pytest.mark.parametrize(
    "control", ["\x00", "\x07", "\x08", "\x0b", "\x0c", "\x1b", "\x7f", "\x9b"]
)
def test_control_characters_are_refused(control: str) -> None:
    said = f"a control character in the teacher's answer: \\x{ord(control):02x}"
    assert reason(f"One{control}two") == said
    pair = json.dumps({"question": f"q{control}r", "answer": "s"})
    with pytest.raises(UnusableReply, match=r"control character|LaTeX command"):
        parse_completion(body(pair)).pair(400)


@given(st.text(), st.text())
def test_whatever_is_written_is_split_and_nothing_is_added(
    head: str, tail: str
) -> None:
    for close in ("</think>", "[/THINK]", "<channel|>", "<|im_end|>"):
        content = f"{head}{close}{tail}"
        split = split_thinking(content)
        assert all(
            part in content for part in (*split.thought.splitlines(), split.answer)
        )


@pytest.mark.parametrize(
    "part", ["<", "<|", "<think>", "<|a", "analysis", "</s> ", "[", "◁think▷", "<｜"]
)
def test_no_text_takes_long(part: str) -> None:
    started = time.monotonic()
    split_thinking(part * 30_000)
    find_mark(part * 30_000)
    assert time.monotonic() - started < 3


# ---- finish reasons


@pytest.mark.parametrize(
    "finish",
    [
        None,
        "stop",
        "STOP",
        "eos",
        "eos_token",
        "stop_sequence",
        "end_turn",
        "completed",
    ],
)
def test_an_answer_that_is_whole(finish: object) -> None:
    assert parse_completion(body(ANSWER, finish)).text() == ANSWER


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        ("max_tokens", "cut off by the token limit"),
        ("MAX_TOKENS", "cut off by the token limit"),
        ("model_length", "cut off by the token limit"),
        ("model_context_window_exceeded", "cut off by the token limit"),
        ("SAFETY", "held back by the teacher's content filter"),
        ("abort", "not finished: finish_reason abort"),
        ("error", "not finished: finish_reason error"),
        (
            "insufficient_system_resource",
            "not finished: finish_reason insufficient_system_resource",
        ),
        ("network_error", "not finished: finish_reason network_error"),
        ("tool_calls", "not finished: finish_reason tool_calls"),
        ("", "not finished: finish_reason"),
        (False, "not finished: finish_reason false"),
        ({"type": "stop"}, 'not finished: finish_reason {"type": "stop"}'),
        ("x" * 500, "not finished: finish_reason " + "x" * 120),
    ],
)
def test_an_answer_that_is_not(finish: object, expected: str) -> None:
    assert reason(ANSWER, finish).strip() == expected


# ---- JSON in the text


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ('{"question": "q", "answer": 5}', ("q", "5")),
        ('{"question": "q", "answer": 0.10}', ("q", "0.10")),
        ('{"question": "q", "answer": -3e2}', ("q", "-3e2")),
        ('{"question": "q", "answer": %s}' % ("9" * 5000), ("q", "9" * 5000)),
        ('```json\n{"question": "q", "answer": "s"}\n```', ("q", "s")),
        ('```\n{"question": "q", "answer": "s"}\n```', ("q", "s")),
        ('Here it is:\n```JSON\r\n{"question": "q",\n "solution": "s"}\r\n```\nDone.', ("q", "s")),
        ('```json\n{"a": 1}\n```\n```json\n{"question": "q", "answer": "s"}\n```', ("q", "s")),
        (r'{"question": "q", "answer": "\\frac{1}{2}\nso"}', ("q", "\\frac{1}{2}\nso")),
        (r'{"question": "q", "answer": "a\nThen\n\nnot\tto"}', ("q", "a\nThen\n\nnot\tto")),
        ('{"question": "q", "answer": true}', None),
        ('{"question": "q", "answer": NaN}', None),
        ('{"question": 5, "answer": "s"}', None),
        ('[{"question": "q", "answer": "s"}]', None),
        ("{" * 100_000, None),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_a_pair_in_json(text: str, pair: tuple[str, str] | None) -> None:
    assert parse_json_pair(text) == pair


@pytest.mark.parametrize(
    "command",
    ["frac{1}{2}", "beta", "begin{cases}", "binom{3}{2}", "times 3", "text{cm}", "theta", "tan x",
     "right)", "rho", "rightarrow", "neq 0", "nabla", "forall"],
)  # fmt: skip
def test_a_latex_command_that_json_has_eaten_is_refused(command: str) -> None:
    solution = f"so $x = \\{command}$\\nAnswer: 1"
    text = f'{{"question": "q", "answer": "{solution}"}}'
    with pytest.raises(UnusableReply, match="second backslash") as why:
        parse_completion(body(text)).pair(400)
    assert "\\" + command[:3] in str(why.value)
    doubled = text.replace("\\" + command, "\\\\" + command)
    assert (
        parse_completion(body(doubled)).pair(400)[1].startswith("so $x = \\" + command)
    )
