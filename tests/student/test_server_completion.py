"""Reading a completion: both forms with all they say, and everything that can be missing is
refused by name.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import StudentError
from teachback.student.engines.completion import (
    DecodingOptions,
    ServerAnswer,
    parse_student_completion,
)

ENDS = frozenset({2, 7})
EIGHT_TOKENS = DecodingOptions(8)

# As llama.cpp's llama-server (build 11434) wrote the end of an answer by SmolLM2-135M-Instruct,
# and counted it.
LLAMA_COMPLETION = """
{"choices": [{"text": ".", "index": 0, "logprobs": {"content": [
  {"id": 30, "token": ".", "bytes": [46], "logprob": -0.5656806230545044, "top_logprobs": [
    {"id": 30, "token": ".", "bytes": [46], "logprob": -0.5656806230545044},
    {"id": 28, "token": ",", "bytes": [44], "logprob": -0.862994372844696}]},
  {"id": 2, "token": "", "bytes": [], "logprob": -0.2567639946937561, "top_logprobs": [
    {"id": 2, "token": "", "bytes": [], "logprob": -0.2567639946937561},
    {"id": 657, "token": " It", "bytes": [32, 73, 116], "logprob": -3.1914563179016113}]}]},
    "finish_reason": "stop"}],
 "model": "student", "object": "text_completion",
 "usage": {"completion_tokens": 2, "prompt_tokens": 37}}
"""


def decode(ids: Sequence[int]) -> str:
    return "".join(chr(ord("a") + i) for i in ids)


def make_vllm(
    ids: Sequence[int], finish: str = "stop", values: Sequence[object] | None = None
) -> dict[str, Any]:
    values = values if values is not None else [-0.5] * len(ids)
    logprobs = {
        "text_offset": [0] * len(ids),
        "tokens": [f"token_id:{i}" for i in ids],
        "token_logprobs": values,
        "top_logprobs": [
            {f"token_id:{i}": v, "token_id:9": -2.5}
            for i, v in zip(ids, values, strict=False)
        ],
    }
    choice = {
        "index": 0,
        "text": decode(ids),
        "logprobs": logprobs,
        "finish_reason": finish,
        "stop_reason": None,
    }
    return {"choices": [choice], "usage": {"completion_tokens": len(ids)}}


def parse(
    data: object, decoding: DecodingOptions = EIGHT_TOKENS, n: int = 1
) -> list[ServerAnswer]:
    return parse_student_completion(json.dumps(data), n, ENDS, decoding, decode)


def make_changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    data = make_vllm([5, 6, 2])
    change(data["choices"][0])
    return data


def test_both_forms_say_the_same() -> None:
    vllm_completion = make_vllm(
        [30, 2], values=[-0.5656806230545044, -0.2567639946937561]
    )
    for top, second in zip(
        vllm_completion["choices"][0]["logprobs"]["top_logprobs"],
        (-0.862994, -3.191456),
        strict=True,
    ):
        top["token_id:9"] = second
    (vllm_answer,) = parse(vllm_completion)
    (llama_answer,) = parse_student_completion(
        LLAMA_COMPLETION, 1, ENDS, EIGHT_TOKENS, decode
    )
    assert (vllm_answer.tokens, vllm_answer.nll, vllm_answer.has_ended) == (
        [30, 2],
        [0.5656806230545044, 0.2567639946937561],
        True,
    )
    assert (llama_answer.tokens, llama_answer.nll, llama_answer.has_ended) == (
        vllm_answer.tokens,
        vllm_answer.nll,
        vllm_answer.has_ended,
    )
    assert vllm_answer.gap == pytest.approx(
        [0.567974 - 0.421896, 0.773551 - 0.041112], abs=1e-5
    )
    assert llama_answer.gap == pytest.approx(vllm_answer.gap, abs=1e-5)


@given(
    st.lists(
        st.tuples(st.sampled_from([3, 4, 5, 6]), st.floats(-30, 0)),
        min_size=1,
        max_size=7,
    ),
    st.booleans(),
)
def test_tokens_and_log_probabilities_come_through_as_they_are(
    tokens: list[tuple[int, float]], has_ended: bool
) -> None:
    ids = [i for i, _ in tokens]
    values = [v for _, v in tokens]
    if has_ended:
        ids = [*ids, 7]
        values = [*values, -0.125]
    data = make_vllm(ids, "stop" if has_ended else "length", values)
    data["choices"][0]["logprobs"]["top_logprobs"] = None
    (answer,) = parse(data, DecodingOptions(8 if has_ended else len(ids)))
    assert (answer.tokens, [-x for x in answer.nll], answer.gap, answer.has_ended) == (
        ids,
        values,
        None,
        has_ended,
    )


REFUSED = {
    "no logprobs": (
        make_changed(lambda c: c.update(logprobs=None)),
        "sends no log-probabilities",
    ),
    "a field missing": (
        make_changed(lambda c: c["logprobs"].pop("token_logprobs")),
        "no completion with log-probabilities",
    ),
    "a value missing": (
        make_vllm([5, 6, 2], values=[-0.5, None, -0.5]),
        "no completion with log-probabilities",
    ),
    "fewer values than tokens": (
        make_vllm([5, 6, 2], values=[-0.5, -0.5]),
        "no completion with log-probabilities",
    ),
    "not a number": (
        make_vllm([5, 6, 2], values=[-0.5, float("nan"), -0.5]),
        "can't be one(.|\n)*got: nan",
    ),
    "a probability above 1": (make_vllm([5, 2], values=[0.5, -0.5]), "can't be one"),
    "a probability of 0": (make_vllm([5, 2], values=[-9999.0, -0.5]), "can't be one"),
    "tokens as text": (
        make_changed(lambda c: c["logprobs"].update(tokens=["a", "b", "</s>"])),
        "names tokens by their text",
    ),
    "the end token hidden": (
        make_vllm([5, 6]),
        r"without its end token(.|\n)*last token is 6(.|\n)*\[2, 7\]",
    ),
    "cut short": (
        make_vllm([5, 6], "length"),
        r"cut short(.|\n)*2 of 8 tokens(.|\n)*longer context",
    ),
    "filtered": (make_vllm([5, 6], "content_filter"), "no ordinary end"),
    "not greedy": (
        make_vllm([5, 2], values=[-3.5, -0.5]),
        "did not choose the most likely token",
    ),
    "no tokens": (make_vllm([]), "no tokens"),
    "tokens not told": (
        make_vllm([5, 2]) | {"usage": {"completion_tokens": 4}},
        "2 log-probabilities of 4 tokens",
    ),
    "an error": ({"error": {"message": "no"}}, "no completion(.|\n)*message"),
    "no object": ([1], "no completion"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_missing_is_refused(case: str) -> None:
    data, message = REFUSED[case]
    with pytest.raises(StudentError, match=message) as raised:
        parse(data)
    assert "vLLM" in str(raised.value), "it says which servers do"


def test_an_answer_that_is_no_json_is_refused() -> None:
    with pytest.raises(StudentError, match="it works"):
        parse_student_completion("<html>it works</html>", 1, ENDS, EIGHT_TOKENS, decode)


def test_sampled_answers_need_not_be_the_most_likely() -> None:
    (answer,) = parse(
        make_vllm([5, 2], values=[-6.0, -0.5]), DecodingOptions(8, temperature=1.0)
    )
    assert answer.nll == [6.0, 0.5]


def test_a_stop_text_ends_an_answer_too() -> None:
    (answer,) = parse(make_vllm([5, 6]), DecodingOptions(8, stop=("fg",)))
    assert (answer.tokens, answer.has_ended) == ([5, 6], True)
    with pytest.raises(StudentError, match="without its end token"):
        parse(make_vllm([5, 6]), DecodingOptions(8, stop=("xy",)))


def make_several(*answers: Sequence[int]) -> dict[str, Any]:
    choices = [
        {**make_vllm(ids)["choices"][0], "index": i, "text": decode(ids[:-1])}
        for i, ids in enumerate(answers)
    ]
    return {
        "choices": choices[::-1],
        "usage": {"completion_tokens": sum(map(len, answers))},
    }


def test_n_answers_come_in_the_order_of_their_numbers() -> None:
    decoding = DecodingOptions(8, temperature=1.0)
    data = make_several([5, 2], [6, 6, 2])
    assert [one.tokens for one in parse(data, decoding, n=2)] == [[5, 2], [6, 6, 2]]
    with pytest.raises(StudentError, match=r"answers were asked for(.|\n)*2 answers"):
        parse(data, decoding, n=3)


def test_of_n_answers_a_server_may_count_the_first_if_their_texts_are_whole() -> None:
    decoding = DecodingOptions(8, temperature=1.0)
    data = make_several([5, 2], [6, 6, 2])
    data["usage"]["completion_tokens"] = 2  # llama.cpp does
    assert len(parse(data, decoding, n=2)) == 2
    data["choices"][0]["text"] = "something more"
    with pytest.raises(StudentError, match="not every token"):
        parse(data, decoding, n=2)
