"""Every behaviour of a real endpoint, against a real server on this machine: what comes of it, what
it costs, and that the key is in no file.
"""

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from endpoint_behaviours import BEHAVIOURS, Behaviour
from raw_server import (
    RawRequest,
    Respond,
    good_response,
    make_completion,
    run_raw_server,
)
from teachback.endpoints.endpoint import Endpoint
from teachback.errors import TeachbackError, TeacherDown
from teachback.ledger.group_commit import GroupCommit
from teachback.ledger.ledger import Ledger
from teachback.teachers.client import Client, Halt
from teachback.teachers.outcomes import FailedTry
from teachback.types import Draft
from teaching import KEY, buy, good, rows

OPTIONS: dict[str, Any] = {
    "in_flight": 3,
    "tries": 2,
    "deadline_s": 2.0,
    "patience_s": 0.1,
    "key_env": "THE_KEY",
}


@pytest.fixture(autouse=True)
def key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", KEY)


def bill(request: RawRequest) -> int:
    usage = make_completion(request)["usage"]
    return int(usage["prompt_tokens"] + usage["completion_tokens"])


def check_no_key(folder: Path, *texts: str) -> None:
    """In no file and no text: not the key, nor its first or its last 8 characters."""
    kept = [file.read_bytes() for file in folder.rglob("*") if file.is_file()]
    assert len(kept) >= 1
    for content in [*kept, *(text.encode() for text in texts)]:
        for secret in (KEY, KEY[:8], KEY[-8:], KEY.encode().hex()):
            assert secret.lower().encode() not in content.lower()


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_what_comes_of_it(tmp_path: Path, path: Path, name: str) -> None:
    behaviour = BEHAVIOURS[name]
    error: TeachbackError | None = None
    drafts: tuple[Draft, ...] = ()
    with run_raw_server(behaviour.respond) as server, Ledger(path) as ledger:
        try:
            drafts = buy(server.base_url, ledger, 3, **OPTIONS)
        except TeacherDown as down:
            error = down
        spend = ledger.spend()
        requests = list(server.requests)

    kind, _, expected = behaviour.outcome.partition(": ")
    if kind == "down":
        assert error is not None
        assert expected in str(error)
    elif kind == "reason":
        assert {draft.reason for draft in drafts} == {expected}
    else:
        assert [draft.reason for draft in drafts] == [None] * 3
    states = Counter(state for (state,) in rows(path, "SELECT state FROM calls"))
    assert set(states) == {behaviour.state}
    assert sum(states.values()) == len(requests)
    if behaviour.is_billed:
        assert spend.tokens >= sum(map(bill, requests))
    check_no_key(tmp_path, str(error), repr(error), repr(drafts))


# Nothing of theirs is tried again: the request, the key or the account is refused.
FINAL = {
    "200 with 401", "200 with invalid_api_key", "200 with insufficient_quota",
    "400", "401", "402", "403", "404", "405", "451", "301", "429 with a date",
    "429 with a reset", "429 without quota", "429 in a list", "key in 401", "key in 400",
    "key masked",
}  # fmt: skip
FAILURES = [
    name
    for name, behaviour in BEHAVIOURS.items()
    if behaviour.outcome.startswith("down: ") and name not in FINAL
]


@pytest.mark.parametrize("name", FAILURES)
def test_the_next_try_is_asked_for_and_paid(path: Path, name: str) -> None:
    """Only the first try of each request fails; the second is answered."""
    behaviour = BEHAVIOURS[name]
    seen = Counter[bytes]()

    def respond(request: RawRequest) -> bytes | None:
        seen[request.body] += 1
        is_first = seen[request.body] == 1
        return behaviour.respond(request) if is_first else good_response(request)

    options = {**OPTIONS, "patience_s": 5.0}
    with run_raw_server(respond) as server, Ledger(path) as ledger:
        drafts = buy(server.base_url, ledger, 3, **options)
        spend = ledger.spend()
    assert all(map(good, drafts))
    states = Counter(state for (state,) in rows(path, "SELECT state FROM calls"))
    assert states == {"answered": 6, behaviour.state: 6}
    assert (spend.in_doubt_tokens > 0) == (behaviour.state == "in_doubt")


IMPOSSIBLE_USAGE = [
    "no usage", "usage 0", "usage 1", "usage negative", "usage without completion",
    "usage of texts", "usage of 10^15", "reasoning alone",
]  # fmt: skip


@pytest.mark.parametrize("name", IMPOSSIBLE_USAGE)
def test_a_usage_that_can_not_be_is_charged_in_full(path: Path, name: str) -> None:
    with run_raw_server(BEHAVIOURS[name].respond) as server, Ledger(path) as ledger:
        buy(server.base_url, ledger, 3, **OPTIONS)
        assert ledger.spend().estimated_calls == 6
    worst = rows(path, "SELECT sum(worst_tokens), sum(input_tokens) FROM calls")
    assert worst[0][0] == worst[0][1]


REFUSED_ONCE = ["400", "403", "404", "424", "451", "405", "301", "200 with 502"]


@pytest.mark.parametrize("name", REFUSED_ONCE)
def test_one_seed_that_is_refused_costs_its_pair_only(path: Path, name: str) -> None:
    """The endpoint has answered the seed before it."""
    with (
        run_raw_server(about_seed(1, BEHAVIOURS[name])) as server,
        Ledger(path) as ledger,
    ):
        drafts = buy(server.base_url, ledger, 4, **{**OPTIONS, "in_flight": 1})
    assert [good(draft) for draft in drafts] == [True, False, True, True]


@pytest.mark.parametrize("name", ["403", "404", "451"])
def test_a_first_seed_that_is_refused_does_not_end_every_start(
    path: Path, name: str
) -> None:
    """At the first start the endpoint counts as down; at the second, others are asked first."""
    options = {**OPTIONS, "in_flight": 1}
    with run_raw_server(about_seed(0, BEHAVIOURS[name])) as server:
        with Ledger(path) as ledger, pytest.raises(TeacherDown, match=f"HTTP {name}"):
            buy(server.base_url, ledger, 4, **options)
        with Ledger(path) as ledger:
            drafts = buy(server.base_url, ledger, 4, **options)
    assert [good(draft) for draft in drafts] == [False, True, True, True]
    assert str(drafts[0].reason).startswith(f"refused: HTTP {name}: ")


def test_a_first_refusal_waits_for_the_calls_in_flight(path: Path) -> None:
    """One of them may show that the endpoint answers others."""
    refuse = BEHAVIOURS["403"].respond

    def respond(request: RawRequest) -> bytes | None:
        if "Seed 0:" in request.prompt:
            return refuse(request)
        time.sleep(0.2)
        return good_response(request)

    with run_raw_server(respond) as server, Ledger(path) as ledger:
        drafts = buy(server.base_url, ledger, 4, **{**OPTIONS, "in_flight": 4})
    assert [good(draft) for draft in drafts] == [False, True, True, True]


def test_refusals_that_go_on_end_the_run(path: Path) -> None:
    def respond(request: RawRequest) -> bytes | None:
        late = request.index >= 4
        return BEHAVIOURS["403"].respond(request) if late else good_response(request)

    with run_raw_server(respond) as server, Ledger(path) as ledger:
        with pytest.raises(TeacherDown, match=r"(?s)last 3 pairs.*HTTP 403.*access"):
            buy(server.base_url, ledger, 12, **{**OPTIONS, "in_flight": 1})
        assert len(server.requests) == 7


def test_a_call_that_was_let_in_late_says_nothing_of_the_endpoint(
    ledger: Ledger,
) -> None:
    """Only a call that has itself been turned away for so long does."""
    endpoint = Endpoint(base_url="http://127.0.0.1:9/v1", model="m", patience_s=5)
    client = Client(endpoint, ledger, GroupCommit(ledger), Halt())
    client._last_answer_at -= 60
    now = time.monotonic()
    client._check_patience(FailedTry("HTTP 429"), since=now)
    with pytest.raises(TeacherDown, match="for 5 s"):
        client._check_patience(FailedTry("HTTP 429"), since=now - 6)


def about_seed(seed: int, behaviour: Behaviour) -> Respond:
    return lambda request: (
        behaviour.respond(request)
        if f"Seed {seed}:" in request.prompt
        else good_response(request)
    )
