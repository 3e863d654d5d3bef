"""What real endpoints do, as bytes of responses, with the outcome that is right for each."""

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from raw_server import RawRequest, good_text, make_completion, make_response

Behave = Callable[[RawRequest], bytes | None]

HTML = "<!DOCTYPE html><html><body>Please sign in to the network.</body></html>"
NESTED = "[" * 100_000 + "]" * 100_000
GOOD = "good"


@dataclass(frozen=True)
class Behaviour:
    respond: Behave
    # GOOD: every draft is. "reason: …": of every draft. "down: …": in the error that ends the run.
    outcome: str
    # In which the ledger keeps the calls that met it.
    state: str = "answered"
    # Whether a provider would ask money for it.
    is_billed: bool = True


def text(
    make: Callable[[RawRequest], object], finish: object = "stop", **more: object
) -> Behave:
    return lambda request: make_response(
        make_completion(request, make(request), finish, **more)
    )


def whole(finish: object) -> Behave:
    return text(good_text, finish)


def usage(make: Callable[[dict[str, int]], object]) -> Behave:
    def respond(request: RawRequest) -> bytes:
        body = make_completion(request)
        return make_response({**body, "usage": make(body["usage"])})

    return respond


def edited(edit: Callable[[str], str]) -> Behave:
    return lambda request: make_response(edit(json.dumps(make_completion(request))))


def encoded(encode: Callable[[bytes], bytes], *headers: str) -> Behave:
    return lambda request: make_response(
        encode(json.dumps(make_completion(request)).encode()), 200, *headers
    )


def fixed(
    body: Any, status: int = 200, *headers: str, kind: str = "application/json"
) -> Behave:
    return lambda request: make_response(body, status, *headers, kind=kind)


def error(
    status: int, code: object = None, message: str = "no", *headers: str
) -> Behave:
    return fixed({"error": {"message": message, "code": code}}, status, *headers)


def raw(response: bytes) -> Behave:
    return lambda request: (
        response.replace(b"KEY", request.key.encode()) + b"Connection: close"
    )


def free(respond: Behave, outcome: str, state: str = "refused") -> Behaviour:
    return Behaviour(respond, outcome, state, is_billed=False)


def without_finish(request: RawRequest) -> bytes:
    body = make_completion(request)
    del body["choices"][0]["finish_reason"]
    return make_response(body)


def choice_error(code: object) -> Behave:
    choice = {"error": {"message": "up", "code": code}, "message": {"content": ""}}
    return fixed({"choices": [choice]})


def key_back(request: RawRequest) -> bytes:
    return make_response(
        make_completion(request, f"{good_text(request)}\n{request.key}")
    )


def sse(request: RawRequest) -> bytes:
    body = f"data: {json.dumps(make_completion(request))}\n\ndata: [DONE]\n\n"
    return make_response(body, kind="text/event-stream")


def echo_key(status: int, show: Callable[[str], str]) -> Behave:
    return lambda request: make_response(
        {"error": {"message": f"Incorrect key {show(request.key)}."}}, status
    )


def mark_reason(mark: str) -> str:
    return f"reason: the teacher's answer holds the mark {mark}"


GARBLED = "down: connection lost after sending"
CUT = "reason: cut off by the token limit"
HELD_BACK = "reason: held back by the teacher's content filter"
NO_TEXT = "reason: no text in the teacher's answer"

BEHAVIOURS = {
    # ---- answers
    "good": Behaviour(lambda request: make_response(make_completion(request)), GOOD),
    "parts": Behaviour(text(lambda r: [{"type": "text", "text": good_text(r)}]), GOOD),
    "output parts": Behaviour(
        text(lambda r: [{"type": "output_text", "text": good_text(r)}]), GOOD
    ),
    "no content": Behaviour(text(lambda r: ""), NO_TEXT, is_billed=False),
    "raw line feeds in strings": Behaviour(
        edited(lambda body: body.replace("\\n", "\n")), GOOD
    ),
    "a number of 5,000 digits": Behaviour(
        edited(lambda body: '{"created": ' + "9" * 5000 + ", " + body[1:]), GOOD
    ),
    "NaN": Behaviour(edited(lambda body: '{"score": NaN, ' + body[1:]), GOOD),
    "byte order mark": Behaviour(encoded(lambda body: b"\xef\xbb\xbf" + body), GOOD),
    "UTF-16": Behaviour(encoded(lambda body: body.decode().encode("utf-16")), GOOD),
    "gzip": Behaviour(encoded(gzip.compress, "Content-Encoding: gzip"), GOOD),
    "a control character": Behaviour(
        text(lambda r: good_text(r).replace("the", "\x00")),
        "reason: a control character in the teacher's answer: \\x00",
    ),
    "an escape sequence": Behaviour(
        text(lambda r: good_text(r) + "\x1b[2J"),
        "reason: a control character in the teacher's answer: \\x1b",
    ),
    # ---- how it ended
    "no finish reason": Behaviour(without_finish, GOOD),
    "finish null": Behaviour(whole(None), GOOD),
    "finish eos": Behaviour(whole("eos"), GOOD),
    "finish STOP": Behaviour(whole("STOP"), GOOD),
    "finish stop_sequence": Behaviour(whole("stop_sequence"), GOOD),
    "finish length": Behaviour(whole("length"), CUT),
    "finish MAX_TOKENS": Behaviour(whole("MAX_TOKENS"), CUT),
    "finish model_length": Behaviour(whole("model_length"), CUT),
    "finish SAFETY": Behaviour(whole("SAFETY"), HELD_BACK),
    "finish abort": Behaviour(
        whole("abort"), "reason: not finished: finish_reason abort"
    ),
    "finish error": Behaviour(
        whole("error"), "reason: not finished: finish_reason error"
    ),
    "finish a number": Behaviour(whole(7), "reason: not finished: finish_reason 7"),
    "finish tool_calls": Behaviour(
        whole("tool_calls"), "reason: not finished: finish_reason tool_calls"
    ),
    # ---- thinking
    "think": Behaviour(
        text(lambda r: f"<think>\nhm\n</think>\n\n{good_text(r)}"), GOOD
    ),
    "think twice": Behaviour(
        text(lambda r: f"<think>a</think><think>b</think>{good_text(r)}"), GOOD
    ),
    "think without a beginning": Behaviour(
        text(lambda r: f"hm\n</think>\n{good_text(r)}"), GOOD
    ),
    "think without an end": Behaviour(
        text(lambda r: "<think>\nhm"), "reason: cut off while thinking", is_billed=False
    ),
    "think late": Behaviour(
        text(lambda r: f"Sure.\n<think>hm</think>\n{good_text(r)}"),
        mark_reason("<think>"),
    ),
    "[THINK]": Behaviour(text(lambda r: f"[THINK]hm[/THINK]{good_text(r)}"), GOOD),
    "<thinking>": Behaviour(
        text(lambda r: f"<thinking>hm</thinking>\n{good_text(r)}"), GOOD
    ),
    "harmony": Behaviour(
        text(
            lambda r: (
                "<|channel|>analysis<|message|>hm<|end|><|start|>assistant"
                f"<|channel|>final<|message|>{good_text(r)}<|return|>"
            )
        ),
        GOOD,
    ),
    "an end token": Behaviour(text(lambda r: f"{good_text(r)}<|im_end|>"), GOOD),
    "another turn": Behaviour(
        text(lambda r: f"{good_text(r)}<|im_end|>\n<|im_start|>user\nmore"),
        mark_reason("<|im_end|>"),
    ),
    # ---- usage
    "no usage": Behaviour(usage(lambda u: None), GOOD),
    "usage 0": Behaviour(usage(lambda u: dict.fromkeys(u, 0)), GOOD),
    "usage 1": Behaviour(usage(lambda u: dict.fromkeys(u, 1)), GOOD),
    "usage negative": Behaviour(usage(lambda u: dict.fromkeys(u, -5)), GOOD),
    "usage without completion": Behaviour(
        usage(lambda u: {**u, "completion_tokens": 0}), GOOD
    ),
    "usage of texts": Behaviour(
        usage(lambda u: {name: str(n) for name, n in u.items()}), GOOD
    ),
    "usage of 10^15": Behaviour(usage(lambda u: {**u, "prompt_tokens": 10**15}), GOOD),
    "reasoning alone": Behaviour(
        usage(
            lambda u: {
                **u,
                "completion_tokens": 0,
                "completion_tokens_details": {"reasoning_tokens": 50},
            }
        ),
        GOOD,
    ),
    # ---- HTTP 200, and no answer
    "200 with 429": free(error(200, 429), "down: HTTP 429 in the body of HTTP 200"),
    "200 with 429 as text": free(
        error(200, "429"), "down: HTTP 429 in the body of HTTP 200"
    ),
    "200 with rate_limit_exceeded": free(
        error(200, "rate_limit_exceeded"), "down: HTTP 429"
    ),
    "200 with 502": free(error(200, 502), "down: HTTP 502 in the body of HTTP 200"),
    "200 with 529 in a choice": free(choice_error(529), "down: HTTP 529"),
    "200 with 401": free(error(200, 401), "down: the teacher refuses: HTTP 401"),
    "200 with invalid_api_key": free(error(200, "invalid_api_key"), "down: HTTP 401"),
    "200 with insufficient_quota": free(
        error(200, "insufficient_quota"), "down: HTTP 402"
    ),
    "200 with 504": Behaviour(error(200, 504), "down: HTTP 504", "in_doubt"),
    "200 with a text": free(
        fixed({"error": "Unexpected endpoint"}), "down: Unexpected endpoint"
    ),
    "200 with base_resp": free(
        fixed(
            {
                "choices": None,
                "base_resp": {"status_code": 1002, "status_msg": "rate limit"},
            }
        ),
        "down: HTTP 429",
    ),
    "200 with code and message": free(
        fixed({"code": 20012, "message": "no model"}), "down: no model"
    ),
    "200 with HTML": free(fixed(HTML, kind="text/html"), "down: Please sign in"),
    "200 empty": Behaviour(
        fixed(b""), "down: HTTP 200 without an answer: empty", "in_doubt"
    ),
    "200 null": Behaviour(
        fixed(b"null"), "down: HTTP 200 without an answer: null", "in_doubt"
    ),
    "200 {}": Behaviour(fixed({}), "down: HTTP 200 without an answer: {}", "in_doubt"),
    "200 nested": Behaviour(
        fixed(NESTED), "down: HTTP 200 without an answer: [[", "in_doubt"
    ),
    "200 no choices": Behaviour(
        fixed({"choices": []}), "down: HTTP 200 without", "in_doubt"
    ),
    "200 events": Behaviour(sse, "down: HTTP 200 without an answer: data:", "in_doubt"),
    "202": Behaviour(
        fixed({"status": "pending"}, 202), "down: HTTP 202 without", "in_doubt"
    ),
    "204": Behaviour(
        lambda request: b"HTTP/1.1 204 No\r\nConnection: close\r\n\r\n",
        "down: HTTP 204 without",
        "in_doubt",
    ),
    # ---- statuses
    "400": free(error(400, None, "use max_completion_tokens"), "down: HTTP 400: "),
    "401": free(error(401), "down: the teacher refuses: HTTP 401"),
    "402": free(error(402), "down: the teacher refuses: HTTP 402"),
    "403": free(error(403), "down: the teacher refuses: HTTP 403"),
    "404": free(error(404), "down: the teacher refuses: HTTP 404"),
    "405": free(
        fixed(HTML, 405, kind="text/html"), "down: the teacher refuses: HTTP 405"
    ),
    "408": free(error(408), "down: HTTP 408"),
    "424": free(fixed({"error": "failed during generation"}, 424), "down: HTTP 424"),
    "451": free(error(451), "down: the teacher refuses: HTTP 451"),
    "498": free(error(498), "down: HTTP 498"),
    "499": free(error(499), "down: HTTP 499"),
    "429": free(error(429), "down: turned every call away"),
    "429 with a date": free(
        error(429, None, "no", "Retry-After: Thu, 01 Jan 2099 00:00:00 GMT"),
        "down: asks to wait",
    ),
    "429 with a reset": free(
        error(
            429,
            None,
            "no",
            "x-ratelimit-reset-requests: 1h",
            "x-ratelimit-remaining-requests: 0",
        ),
        "down: asks to wait 3600 s",
    ),
    "429 without quota": free(
        fixed({"error": {"type": "insufficient_quota", "code": None}}, 429),
        "down: used up",
    ),
    "429 nested": free(fixed(NESTED, 429), "down: turned every call away"),
    "429 in a list": free(
        fixed([{"error": {"details": [{"retryDelay": "3600s"}]}}], 429),
        "down: asks to wait 3600 s",
    ),
    "500": free(error(500), "down: HTTP 500"),
    "502": free(fixed("<html>Bad gateway</html>", 502), "down: HTTP 502"),
    "504": Behaviour(error(504), "down: HTTP 504", "in_doubt"),
    "524": Behaviour(fixed("error code: 524", 524), "down: HTTP 524", "in_doubt"),
    "529": free(error(529), "down: HTTP 529"),
    "301": free(
        fixed(b"", 301, "Location: http://127.0.0.1:9/steal"), "down: HTTP 301"
    ),
    # ---- the key comes back
    "key in an answer": Behaviour(key_back, GOOD),
    "key in 401": free(echo_key(401, str), "down: HTTP 401"),
    "key in 400": free(echo_key(400, lambda key: f"Bearer {key}"), "down: HTTP 400"),
    "key masked": free(
        echo_key(401, lambda key: f"{key[:8]}****{key[-4:]}"), "down: HTTP 401"
    ),
    "key's end": free(echo_key(500, lambda key: f"***{key[-8:]}"), "down: HTTP 500"),
    "key in 200": free(echo_key(200, str), "down: Incorrect key [key]"),
    # ---- HTTP that is none
    "reset": Behaviour(lambda request: None, GARBLED, "in_doubt"),
    **{
        name: Behaviour(raw(response), GARBLED, "in_doubt")
        for name, response in {
            "no HTTP": b"KEY hello\r\n\r\n",
            "a bad status line": b"HTTP/1.1 KEY\r\n\r\n",
            "a bad header": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nno colon KEY\r\n\r\n{}",
            "a bad length": b"HTTP/1.1 200 OK\r\nContent-Length: KEY\r\n\r\n{}",
            "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            "a long header": b"HTTP/1.1 200 OK\r\nX-KEY: "
            + b"KEY" * 20_000
            + b"\r\n\r\n{}",
            "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nKEY\r\n{}\r\n",
            "NUL in a header": b"HTTP/1.1 200 OK\r\nX-KEY: a\0b\r\nContent-Length: 2\r\n\r\n{}",
            "not gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 40\r\n\r\n"
            + b"KEY" * 20,
            "half a body": b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{KEY",
        }.items()
    },
}
