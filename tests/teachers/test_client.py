"""One endpoint, asked through the ledger: tries, faults, refusals, the key; against a real server
on this machine.
"""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from loopback import Fault, Request, addition_teacher, loopback
from teachback.endpoints.retries import parse_retry_after
from teachback.errors import ConfigError, LedgerError, TeacherDown
from teachback.ledger.ledger import Ledger
from teachback.types import Example, Pick
from teaching import KEY, about, buy, buy_picks, closed_port, good, only, rows

pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.mark.parametrize("at", [0, 7])
@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        (Fault("hang"), "in_doubt", "nothing within 1 s"),
        (Fault("reset"), "in_doubt", "connection lost after sending"),
        (Fault("status", 429), "refused", "HTTP 429: a fault that the test asked for"),
        (Fault("status", 500), "refused", "HTTP 500: a fault that the test asked for"),
        (Fault("status", 503), "refused", "HTTP 503: a fault that the test asked for"),
    ],
    ids=lambda value: (
        f"{value.kind}{value.status}" if isinstance(value, Fault) else None
    ),
)
def test_a_lost_try_is_tried_again(
    path: Path, ledger: Ledger, fault: Fault, state: str, reason: str, at: int
) -> None:
    with loopback(faults=only(fault, at)) as server:
        drafts = buy(server.base_url, ledger, deadline_s=1)
    assert len(drafts) == 6
    assert all(map(good, drafts))
    assert server.calls == 13
    ((found, why, worst),) = rows(
        path, "SELECT state, reason, worst_tokens FROM calls WHERE state != 'answered'"
    )
    assert found == state
    assert why.startswith(reason)
    assert ledger.spend().in_doubt_tokens == (worst if state == "in_doubt" else 0)


def test_the_window_slides(ledger: Ledger) -> None:
    """One slow pair holds one place, not the batch: the other eleven pass it."""
    start = time.monotonic()
    slow = about(Fault("hang"), 0)
    requests: list[Request] = []

    def held(request: Request) -> bool:
        if request not in requests:
            requests.append(request)
        return (
            slow(request) is not None
            and len(requests) < 1 + 2 * 11
            and time.monotonic() < start + 4
        )

    with loopback(hold_while=held) as server:
        drafts = buy(server.base_url, ledger, 12, in_flight=2)
    assert all(map(good, drafts))
    assert time.monotonic() < start + 4
    assert server.requests[-1].prompt == f"Solve: {drafts[0].question}"


def test_the_window_opens_to_in_flight_and_no_further(ledger: Ledger) -> None:
    seeds = {f"s{i}": Example(f"s{i}", f"Seed {i}:") for i in range(600)}
    these = [Pick(f"s{i}", 0, i, None) for i in range(600)]
    with loopback(latency_s=lambda request: 0.15) as server:
        drafts = buy_picks(
            these, server.base_url, ledger, seeds, in_flight=130, deadline_s=30
        )
    assert len(drafts) == 600
    assert server.peak == 130  # aiohttp alone stops at 100 connections


@pytest.mark.parametrize("count", [1, 6])
def test_a_server_that_is_down_keeps_the_pairs_for_later(
    path: Path, count: int
) -> None:
    url = closed_port()
    with (
        Ledger(path) as ledger,
        pytest.raises(TeacherDown, match="no connection") as down,
    ):
        buy(url, ledger, count)
    assert down.value.exit_code == 4
    assert url in str(down.value)
    assert {state for (state,) in rows(path, "SELECT state FROM pairs")} == {"open"}
    assert {state for (state,) in rows(path, "SELECT state FROM calls")} == {"refused"}
    with loopback() as server, Ledger(path) as ledger:
        drafts = buy(server.base_url, ledger, count)
        assert server.calls == 2 * count
    assert len(drafts) == count
    assert all(map(good, drafts))


def test_a_server_that_goes_down_midway_keeps_what_was_bought(path: Path) -> None:
    def gone(request: Request) -> Fault | None:
        return Fault("status", 503) if request.index >= 7 else None

    with (
        loopback(faults=gone) as server,
        Ledger(path) as ledger,
        pytest.raises(TeacherDown, match="HTTP 503"),
    ):
        buy(server.base_url, ledger, 12, in_flight=2, tries=2)
    assert rows(path, "SELECT count(*) FROM pairs WHERE state = 'failed'") == [(0,)]
    with loopback() as server, Ledger(path) as ledger:
        drafts = buy(server.base_url, ledger, 12)
    assert all(map(good, drafts))
    assert server.calls == 24 - 7


def test_a_teacher_that_never_answers_is_down_but_two_silent_pairs_are_not(
    path: Path,
) -> None:
    with loopback(faults=lambda request: Fault("status", 500)) as server:
        with Ledger(path) as ledger, pytest.raises(TeacherDown, match="last 3 pairs"):
            buy(server.base_url, ledger, 3)
        with Ledger(path.with_name("two")) as ledger:
            assert [draft.reason for draft in buy(server.base_url, ledger, 2)] == [
                "no answer in 3 tries: HTTP 500"
            ] * 2
    with (
        loopback(faults=about(Fault("status", 500), 1, 2, 3)) as server,
        Ledger(path.with_name("three")) as ledger,
    ):
        buy(
            server.base_url, ledger, 1
        )  # it answered earlier: three bad pairs at the end don't stop the run for ever
        drafts = buy(server.base_url, ledger, 4)
    assert [draft.reason is None for draft in drafts] == [True, False, False, False]


@pytest.mark.parametrize("status", [429, 503])
def test_pairs_turned_away_for_too_long_are_asked_again_later(
    path: Path, status: int
) -> None:
    silent = pytest.raises(TeacherDown, match=rf"(?s)for 0\.2 s.*HTTP {status}")
    with (
        loopback(faults=lambda request: Fault("status", status)) as server,
        Ledger(path) as ledger,
        silent,
    ):
        buy(server.base_url, ledger, 1, patience_s=0.2)
    assert rows(path, "SELECT DISTINCT state FROM pairs") == [("open",)]
    with loopback() as server, Ledger(path) as ledger:
        assert all(map(good, buy(server.base_url, ledger, 1)))


def test_a_silent_window_stops_the_run_without_asking_the_rest(path: Path) -> None:
    with (
        loopback(faults=lambda request: Fault("hang")) as server,
        Ledger(path) as ledger,
    ):
        with pytest.raises(
            TeacherDown,
            match=r"last 4 pairs.*nothing within 0\.2 s".replace(".*", r"(.|\n)*"),
        ):
            buy(server.base_url, ledger, 12, in_flight=4, tries=1, deadline_s=0.2)
        assert server.calls == 4
        assert ledger.spend().in_doubt_calls == 4


def test_an_answer_to_another_pair_shows_that_the_fault_is_the_pairs(
    ledger: Ledger,
) -> None:
    with loopback(faults=about(Fault("status", 500), 0, 1)) as server:
        drafts = buy(server.base_url, ledger, in_flight=1)
    assert [draft.reason for draft in drafts] == [
        "no answer in 3 tries: HTTP 500"
    ] * 2 + [None] * 4
    assert ledger.spend().pairs == 4  # what cost nothing does not count as generated


def test_being_turned_away_is_no_try(path: Path, ledger: Ledger) -> None:
    """However often it happens, as long as the endpoint answers someone."""
    with loopback(
        faults=lambda request: Fault("status", 429) if request.index < 4 else None
    ) as server:
        drafts = buy(server.base_url, ledger, 1, tries=1, patience_s=20)
    assert all(map(good, drafts))
    assert server.calls == 4 + 2
    assert ledger.spend().refused_calls == 4


def test_the_finer_of_two_retry_afters_is_taken() -> None:
    assert parse_retry_after({"Retry-After": "1", "retry-after-ms": "250"}) == 0.25
    assert parse_retry_after({"Retry-After": "2", "retry-after-ms": "soon"}) == 2.0
    assert parse_retry_after({"Retry-After": "nan"}) == parse_retry_after({}) == 0.0


@pytest.mark.parametrize(
    ("seconds", "least"),
    [("0.4", 0.4), ("1", 1.0), ("0", 0.0), ("-1", 0.0), ("Fri, 31", 0.0)],
)
def test_retry_after_is_obeyed(ledger: Ledger, seconds: str, least: float) -> None:
    times: list[float] = []

    def faults(request: Request) -> Fault | None:
        times.append(time.monotonic())
        return (
            Fault("status", 429, headers={"Retry-After": seconds})
            if request.index == 0
            else None
        )

    with loopback(faults=faults) as server:
        assert all(map(good, buy(server.base_url, ledger, 1)))
    assert least <= times[1] - times[0] < least + 2


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("status", 429, headers={"Retry-After": "3600"}), "asks to wait 3600 s"),
        (
            Fault("status", 429, body='{"error": {"code": "insufficient_quota"}}'),
            "used up",
        ),
        (Fault("status", 402), "HTTP 402"),
    ],
    ids=["an hour", "no quota", "no money"],
)
def test_an_endpoint_that_is_down_for_good_stops_the_run_at_once(
    path: Path, fault: Fault, said: str
) -> None:
    with loopback(faults=lambda request: fault) as server, Ledger(path) as ledger:
        start = time.monotonic()
        with pytest.raises(TeacherDown, match=said) as down:
            buy(server.base_url, ledger, 6, in_flight=2, patience_s=60)
        assert time.monotonic() - start < 5
        assert server.calls <= 2
    assert down.value.exit_code == 4
    assert {state for (state,) in rows(path, "SELECT state FROM pairs")} == {"open"}


def test_an_error_does_not_wait_for_a_pause_to_end(ledger: Ledger) -> None:
    def faults(request: Request) -> Fault | None:
        if "Seed 0:" in request.prompt:
            return Fault("status", 429, headers={"Retry-After": "30"})
        return Fault("status", 401)

    with loopback(
        faults=faults,
        latency_s=lambda request: 0.2 if "Seed 1:" in request.prompt else 0.0,
    ) as server:
        start = time.monotonic()
        with pytest.raises(TeacherDown, match="401"):
            buy(server.base_url, ledger, 2, patience_s=60)
        assert time.monotonic() - start < 10


@pytest.mark.parametrize("method", ["reserve", "find_answer"])
def test_an_error_of_the_ledger_comes_out_as_it_is(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise LedgerError("the disk is gone")

    monkeypatch.setattr(ledger, method, broken)
    with loopback() as server, pytest.raises(LedgerError, match="the disk is gone"):
        buy(server.base_url, ledger, 6)


def test_a_refused_key_stops_at_once_with_the_likely_fix(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    fault = Fault(
        "status",
        401,
        body="y" * 200 + "z",
        headers={"Location": "/v1/chat/completions"},
    )
    refused = about(fault, 1)
    with loopback(
        faults=refused, latency_s=lambda request: 0.0 if refused(request) else 0.4
    ) as server:
        with Ledger(path) as ledger, pytest.raises(TeacherDown) as down:
            buy(server.base_url, ledger, 6, in_flight=2, key_env="THE_KEY")
        assert server.calls == 2
        said = str(down.value)
        assert f"HTTP 401 from {server.base_url}/chat/completions" in said
        assert "y" * 200 in said
        assert "z" not in said
        assert "THE_KEY" in said.rpartition("fix:")[2]
    # What was in flight is paid for, so it was let finish; and the pairs are asked again.
    states = rows(path, "SELECT seed, role, state FROM calls ORDER BY seed")
    assert states == [("s0", "question", "answered"), ("s1", "question", "refused")]
    with loopback() as server, Ledger(path) as ledger:
        assert all(map(good, buy(server.base_url, ledger, 6)))
    assert server.calls == 11


@pytest.mark.parametrize(
    ("status", "hint"), [(403, "THE_KEY"), (404, "base_url"), (302, "base_url")]
)
def test_an_endpoint_that_refuses_all_stops_at_the_first_calls(
    path: Path, monkeypatch: pytest.MonkeyPatch, status: int, hint: str
) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    fault = Fault("status", status, headers={"Location": "/v1/chat/completions"})
    with loopback(faults=lambda request: fault) as server:
        with Ledger(path) as ledger, pytest.raises(TeacherDown) as down:
            buy(server.base_url, ledger, 6, in_flight=2, key_env="THE_KEY")
        assert server.calls <= 3
        said = str(down.value)
        assert f"HTTP {status} from {server.base_url}/chat/completions" in said
        assert hint in said.rpartition("fix:")[2]
    with loopback() as server, Ledger(path) as ledger:
        assert all(map(good, buy(server.base_url, ledger, 6)))
    assert server.calls == 12


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_that_may_be_about_one_request_costs_its_pair_only(
    path: Path, status: int
) -> None:
    """A content filter, say: not tried again, and the run goes on."""
    with (
        loopback(faults=about(Fault("status", status, body="filtered"), 1)) as server,
        Ledger(path) as ledger,
    ):
        drafts = buy(server.base_url, ledger, 6)
        assert [good(draft) for draft in drafts] == [
            True,
            False,
            True,
            True,
            True,
            True,
        ]
        assert drafts[1].reason == f"refused: HTTP {status}: filtered"
        assert server.calls == 11
        assert ledger.spend().pairs == 5


def test_a_refusal_of_every_request_stops(path: Path) -> None:
    with (
        loopback(
            faults=lambda request: Fault("status", 400, body="no such option")
        ) as server,
        Ledger(path) as ledger,
    ):
        with pytest.raises(
            TeacherDown, match=r"got: HTTP 400: no such option\n.*options"
        ):
            buy(server.base_url, ledger, 6)
        assert server.calls <= 6
    with loopback() as server, Ledger(path) as ledger:
        assert all(map(good, buy(server.base_url, ledger, 6)))


def test_the_key_is_sent_and_kept_nowhere(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", f" {KEY}\n")
    faults = [Fault("status", 500, body=f"bad {KEY}"), Fault("reset")]

    def teacher(messages: Sequence[Mapping[str, str]]) -> str:
        return (
            addition_teacher(messages)
            if "<question>" in messages[-1]["content"]
            else f"You sent {KEY}.\nAnswer: 1"
        )

    with Ledger(path) as ledger:
        with loopback(teacher, faults) as server:
            drafts = buy(server.base_url, ledger, 2, key_env="THE_KEY", in_flight=1)
            assert {
                request.headers["Authorization"] for request in server.requests
            } == {f"Bearer {KEY}"}
        assert {draft.text for draft in drafts} == {"You sent [key].\nAnswer: 1"}
        with (
            loopback(
                faults=lambda request: Fault(
                    "status", 401, body=f"Incorrect key: {KEY}"
                )
            ) as server,
            pytest.raises(TeacherDown, match="Incorrect key") as refused,
        ):
            buy(server.base_url, ledger, 3, key_env="THE_KEY")
        with pytest.raises(TeacherDown) as down:
            buy(closed_port(), ledger, 3, key_env="THE_KEY")
        files = [file for file in tmp_path.iterdir() if file.name.startswith(path.name)]
        assert b"Incorrect key" in b"".join(file.read_bytes() for file in files)
        for kept in [
            *(file.read_bytes() for file in files),
            repr((drafts, refused.value, down.value)).encode(),
        ]:
            assert KEY.encode() not in kept


def test_the_key_comes_from_its_variable_only(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for value in (None, "", " "):
        monkeypatch.delenv("THE_KEY", raising=False)
        if value is not None:
            monkeypatch.setenv("THE_KEY", value)
        with pytest.raises(ConfigError, match="environment variable THE_KEY"):
            buy("http://127.0.0.1:9/v1", ledger, 1, key_env="THE_KEY")
    with loopback() as server:
        buy(server.base_url, ledger, 1)
    assert all("Authorization" not in request.headers for request in server.requests)


def test_an_interrupt_leaves_no_call_open_and_can_be_resumed(
    path: Path, ledger: Ledger
) -> None:
    main, before = threading.main_thread().ident, signal.getsignal(signal.SIGINT)
    assert main is not None
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell's background job begins with it ignored

    def interrupt(request: Request) -> Fault:
        if request.index == 2:
            signal.pthread_kill(main, signal.SIGINT)
        return Fault("hang")

    with loopback(faults=interrupt) as server:
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            buy(server.base_url, ledger, 6, in_flight=3, deadline_s=30)
        assert time.monotonic() - start < 5
    signal.signal(signal.SIGINT, before)
    assert (
        rows(path, "SELECT state, reason FROM calls")
        == [("in_doubt", "interrupted")] * 3
    )
    with loopback() as server:
        drafts = buy(server.base_url, ledger, 6)
    assert len(drafts) == 6
    assert all(map(good, drafts))


def test_importing_the_teacher_does_not_load_aiohttp() -> None:
    code = "import sys, teachback.teachers.openai; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
