import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachback.endpoints.endpoint import Endpoint
from teachback.endpoints.redaction import redact_key
from teachback.errors import ConfigError
from teachback.ledger.costs import UNKNOWN_PRICE, Cost, Price

KEY = "sk-secret-0123/4567+89=abcdef"


def endpoint(**changes: Any) -> Endpoint:
    return Endpoint(**{"base_url": "http://host/v1", "model": "m", **changes})


# ---- requests


def test_a_request_is_exactly_this() -> None:
    """Byte by byte: the ledger knows an answer by its request, over versions too."""
    body = (
        '{"max_tokens": 40, "messages": [{"content": "Wie\\nviel é \\ud800?", "role": '
        '"user"}], "model": "m"}'
    )
    assert endpoint().request_body("Wie\nviel é \ud800?", 40) == body.encode()


def test_options_are_sent_as_they_are_in_one_order() -> None:
    options = {
        "temperature": 0.7,
        "top_p": None,
        "chat_template_kwargs": {"b": [1, {"d": True, "c": "x"}], "a": 2},
    }
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    request = endpoint(options=options, cap_field="max_completion_tokens").request_body(
        turns, 9
    )
    assert json.loads(request) == {
        "model": "m",
        "messages": turns,
        "max_completion_tokens": 9,
        **options,
    }
    turned = {name: options[name] for name in reversed(options)}
    turned["chat_template_kwargs"] = {"a": 2, "b": [1, {"c": "x", "d": True}]}
    assert (
        endpoint(options=turned, cap_field="max_completion_tokens").request_body(
            turns, 9
        )
        == request
    )


@pytest.mark.parametrize("base_url", ["https://host:8/v1", "https://host:8/v1/"])
def test_the_url(base_url: str) -> None:
    assert endpoint(base_url=base_url).url == "https://host:8/v1/chat/completions"


def test_the_worst_case_counts_bytes_template_and_cap() -> None:
    request = endpoint().request_body("数", 10)
    assert endpoint().price == UNKNOWN_PRICE
    assert endpoint().worst_cost(request, 10) == Cost(len(request) + 64 + 10)
    priced = endpoint(price=Price(2, 3, cached=1, flops=5), template_tokens=7)
    tokens = len(request) + 7
    assert priced.worst_cost(request, 10) == Cost(
        tokens + 10, usd=2 * tokens + 30, flops=5 * (tokens + 10)
    )


# ---- what is refused


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "localhost:8000/v1"},
        {"base_url": "ftp://host/v1"},
        {"base_url": "http://"},
        {"base_url": "http://host:port/v1"},
        {"base_url": "http://[::1/v1"},
        {"base_url": "http://me:secret@host/v1"},
        {"base_url": "me:secret@host/v1"},
        {"base_url": "http://me:se/cret#secret@host/v1"},
        {"base_url": "https://host/v1?api-key=secret"},
        {"base_url": "https://host/v1#secret"},
        {"in_flight": 0},
        {"tries": 0},
        {"deadline_s": float("nan")},
        {"patience_s": -1},
        {"patience_s": float("inf")},
        {"requests_per_minute": 0},
        {"tokens_per_minute": float("nan")},
        {"template_tokens": -1},
        {"options": {"max_tokens": 3}},
        {"options": {"n": 2}},
        {"options": {"messages": []}},
        {"options": {"temperature": float("nan")}},
        {"options": {"stop": {"a"}}},
        *(
            {"options": {name: "secret-0"}}
            for name in (
                "api_key",
                "apiKey",
                "api-key",
                "Authorization",
                "token",
                "key",
            )
        ),
        *(
            {"options": {name: "secret-0"}}
            for name in ("access_token", "hf-token", "x-api-token", "password")
        ),
        {"options": {"extra_headers": [{"Authorization": "Bearer secret-0"}]}},
        {"options": {"provider": {"openai_api_key": ["secret-0"]}}},
    ],
    ids=str,
)
def test_an_endpoint_that_cannot_work_is_refused(changes: Mapping[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(changes))) as refused:
        endpoint(**changes)
    assert "secret" not in str(refused.value)


def test_where_a_credential_lies_is_said() -> None:
    with pytest.raises(ConfigError, match=r"got: extra\.headers\.Authorization\n"):
        endpoint(options={"extra": {"headers": [{"Authorization": "x"}]}})


def test_what_only_sounds_like_a_credential_is_let_through() -> None:
    schema = {
        "properties": {"password": {"type": "string"}, "token": {"enum": ["a"]}},
        "required": ["password"],
    }
    options = {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "key_value", "schema": schema},
        },
        "min_tokens": 3,
        "stop_token_ids": [1],
        "skip_special_tokens": "x",
        "chat_template_kwargs": {"eos_token": "</s>", "enable_thinking": False},
        "stop": ["token", "api_key"],
        "api_key": None,
        "prompt_cache_key": "run-1",
    }
    assert endpoint(options=options).options == options


def test_limits_may_be_unset_or_fractions() -> None:
    assert (
        endpoint(requests_per_minute=0.5, tokens_per_minute=None).requests_per_minute
        == 0.5
    )


# ---- the key


def test_the_key_comes_from_its_variable_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert endpoint().read_key() is None
    for value in (None, "", " ", "a\x07b"):
        monkeypatch.delenv("THE_KEY", raising=False)
        if value is not None:
            monkeypatch.setenv("THE_KEY", value)
        with pytest.raises(ConfigError, match="environment variable THE_KEY"):
            endpoint(key_env="THE_KEY").read_key()
    monkeypatch.setenv("THE_KEY", f" {KEY}\n")
    assert endpoint(key_env="THE_KEY").read_key() == KEY
    assert KEY not in repr(endpoint(key_env="THE_KEY"))


def plain_base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def sure(before: str, key: str) -> str:
    """The part of the base64 of before + key that the key alone decides."""
    bits = 8 * len(before.encode())
    return plain_base64(before + key)[
        -(-bits // 6) : (bits + 8 * len(key.encode())) // 6
    ]


FORMS: Mapping[str, Callable[[str], str]] = {
    "plain": str,
    "json": lambda key: json.dumps(key)[1:-1],
    "json without ascii": lambda key: json.dumps(key, ensure_ascii=False)[1:-1],
    "json in json": lambda key: json.dumps(json.dumps(key))[3:-3],
    "slashes escaped": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "all escaped": lambda key: "".join(f"\\u{ord(char):04X}" for char in key),
    "html-safe json": lambda key: (
        json.dumps(key)[1:-1].replace("=", "\\u003d").replace("+", "\\u002B")
    ),
    "percent": lambda key: quote(key, safe=""),
    "percent, lower case": lambda key: "".join(f"%{byte:02x}" for byte in key.encode()),
    "percent, slashes kept": quote,
    "percent twice": lambda key: quote(quote(key, safe=""), safe=""),
    "repr of bytes": lambda key: repr(key.encode())[2:-1],
    "repr in repr": lambda key: repr(key.encode())[2:-1].replace("\\", "\\\\"),
}
few = settings(
    max_examples=15, deadline=None
)  # for each form; a pattern takes some milliseconds to make
BASE64: Mapping[str, str] = {"alone": "", "basic": "user:", "bearer": "Bearer "}
KEYS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\\[]"),
    min_size=8,
    max_size=40,
)
ANY_KEYS = KEYS | st.text(
    st.characters(
        categories=["L", "N", "P", "S"], exclude_characters="\\[]", max_codepoint=0xFFFF
    ),
    min_size=8,
)


@pytest.mark.parametrize("form", FORMS)
@few
@given(key=ANY_KEYS)
def test_the_key_is_taken_out_in_every_form(form: str, key: str) -> None:
    there = f"é {FORMS[form](key)} 数"
    assert redact_key(there * 2, key) == "é [key] 数" * 2
    other = key[::-1] + "!"
    has_ends = other[:8].lower() in there.lower() or other[-8:].lower() in there.lower()
    assert redact_key(there, other) == there or form != "plain" or has_ends


@pytest.mark.parametrize("urlsafe", [False, True])
@pytest.mark.parametrize("form", BASE64)
@few
@given(key=KEYS)
def test_the_key_is_taken_out_in_base64(form: str, key: str, urlsafe: bool) -> None:
    before = BASE64[form]
    encoded, core = plain_base64(before + key + "!?"), sure(before, key)
    if urlsafe:
        encoded, core = (
            text.replace("+", "-").replace("/", "_") for text in (encoded, core)
        )
    for there in (
        encoded,
        json.dumps(encoded).replace("/", "\\/"),
        quote(encoded, safe=""),
    ):
        left = redact_key(there, key)
        assert "[key]" in left
        assert core not in unquote(left.replace("\\/", "/"))


@pytest.mark.parametrize("form", FORMS)
@few
@given(key=KEYS, text=st.text("é数 \t"))
def test_json_stays_json(form: str, key: str, text: str) -> None:
    said = json.dumps(
        {"said": f"{text}{key}{text}", "again": FORMS[form](key)}, ensure_ascii=False
    )
    assert json.loads(redact_key(said, key)) == {
        "said": f"{text}[key]{text}",
        "again": "[key]",
    }


def test_a_key_beyond_the_basic_plane() -> None:
    key = "schl🔑ssel🔑"
    for form in (
        "plain",
        "json",
        "json without ascii",
        "percent",
        "percent, lower case",
    ):
        assert redact_key(f"<{FORMS[form](key)}>", key) == "<[key]>", form


@pytest.mark.parametrize("key", ["percent%", "menu-menu", "%25%25%25", "u0075u0075"])
def test_a_key_of_characters_that_begin_an_escape(key: str) -> None:
    for form, spell in FORMS.items():
        assert redact_key(f"<{spell(key)}>", key) == "<[key]>", form


def test_a_key_with_backslashes() -> None:
    key = "ab\\cd\\\\ef\\"
    for form in ("plain", "json", "all escaped", "percent"):
        assert redact_key(f"<{FORMS[form](key)}>", key) == "<[key]>", form


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("Authorization: Bearer sk-secr****ef, denied", "Authorization: [key], denied"),
        ("bearer%20sk-secret-01...", "[key]"),
        (f'{{"got": "Bearer {KEY}"}}', '{"got": "[key]"}'),
        ("Bearer bonds are sk-ipped.", "Bearer bonds are sk-ipped."),
    ],
)
def test_a_key_that_is_repeated_in_part(said: str, left: str) -> None:
    assert redact_key(said, KEY) == left


@pytest.mark.parametrize(
    ("shown", "left"),
    [
        (KEY[:8] + "..." + KEY[-4:], "[key]"),
        ("sk-" + "*" * 20 + KEY[-8:], "sk-" + "*" * 20 + "[key]"),
        (KEY[:20] + "...", "[key]"),
        ("..." + KEY[-20:], "...[key]"),
        (KEY[:12] + "\n" + KEY[12:], "[key]\n[key]"),
        (KEY.upper(), "[key]"),
        (KEY.lower(), "[key]"),
        (quote(KEY[:15], safe="") + "...", "[key]"),
        (KEY.encode().hex(), "[key]"),
        (KEY.encode().hex().upper(), "[key]"),
    ],
)
def test_the_beginning_and_the_end_of_a_key_are_taken_out_too(
    shown: str, left: str
) -> None:
    assert redact_key(f"your key {shown} is wrong", KEY) == f"your key {left} is wrong"
    body = json.dumps({"error": f"key\n{shown}\n"})
    assert json.loads(redact_key(body, KEY)) == {"error": f"key\n{left}\n"}


@pytest.mark.parametrize("key", [None, "", "EMPTY", "seven77"])
def test_short_placeholders_are_left(key: str | None) -> None:
    said = "An EMPTY box, seven77 times."
    assert redact_key(said, key) == said


def test_other_text_is_left() -> None:
    said = f"You sent {KEY}.\nAnswer: 1, {KEY[:7]}, {KEY[-7:]}, {KEY[8:-8]}"
    assert redact_key(said, KEY) == said.replace(KEY, "[key]")


@pytest.mark.parametrize(
    "text",
    ["\\" * 10**5, "s" * 10**5, "%25" * 10**5, KEY[1:-1] * 4000, "Bearer " * 10**4],
)
def test_no_text_takes_long(text: str) -> None:
    start = time.monotonic()
    assert redact_key(text, KEY) == text
    for key in (f"{KEY[:4]}%{KEY[4:]}", KEY[1:-1], "s" * 40, "Bearer Bearer "):
        redact_key(text, key)
    assert time.monotonic() - start < 4
