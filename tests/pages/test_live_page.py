"""`report RUN --serve`: real runs at work, a real server, and what Chromium shows of them."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from commands import command
from teachback.commands.live_page import LiveRun
from teachback.commands.row_sources import read_seed_pool
from teachback.pages.live_server import LivePageServer
from teachback.run.locks import acquire_lock
from teachback.testing import fake_run

# A run that stops before each of these steps until a line comes on its stdin.
STEPPED_RUN = """
import sys
from pathlib import Path
from teachback.testing import fake_run

def listen(event):
    if event.kind == "start" and f"{event.round}/{event.step}" in sys.argv[2:]:
        print(f"{event.round}/{event.step}", flush=True)
        sys.stdin.readline()

fake_run(Path(sys.argv[1]), listen=listen, rounds=2)
"""


class SteppedRun(NamedTuple):
    process: "subprocess.Popen[str]"

    def wait_for(self, step: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == step

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()


@contextmanager
def start_run(folder: Path, *stops: str) -> Iterator[SteppedRun]:
    with subprocess.Popen(
        [sys.executable, "-c", STEPPED_RUN, str(folder), *stops],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield SteppedRun(process)
        finally:
            process.kill()


@contextmanager
def serve(folder: Path) -> Iterator[LivePageServer]:
    """In a thread of this process."""
    with LivePageServer(LiveRun(folder, trust=False)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.stop_event.set()
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teachback.pages.live_server.POLL_S", 0.05)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("live") / "run"
    fake_run(folder, rounds=2)
    return folder


@pytest.fixture
def open_live(chromium: Any) -> Iterator[Callable[..., Any]]:
    """open_live(server): a tab. At its end it must have been silent, and asked that server only."""
    heard: list[str] = []
    contexts: list[Any] = []

    def open_page(server: LivePageServer) -> Any:
        def hear_request(request: Any) -> None:
            if request.url.partition("#")[0] not in (
                server.address,
                f"{server.address}events",
            ):
                heard.append(request.url)

        context = chromium.new_context(viewport={"width": 900, "height": 700})
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: heard.append(message.text))
        tab.on("pageerror", lambda error: heard.append(str(error)))
        tab.on("request", hear_request)
        tab.goto(server.address)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert heard == []


def wait_for_text(tab: Any, selector: str, text: str) -> None:
    """Also where the page is loaded anew meanwhile."""
    tab.locator(selector).filter(has_text=text).wait_for(timeout=10_000)


# -- in a browser --------------------------------------------------------------------------


def test_an_open_page_follows_a_run_from_before_its_start_to_its_end(
    tmp_path: Path, open_live: Callable[..., Any]
) -> None:
    folder = tmp_path / "run"
    with serve(folder) as server:
        tab = open_live(server)
        wait_for_text(tab, "#live", "Waiting for a run to begin")
        assert tab.inner_text(".headline strong") == "no run yet"
        with start_run(folder, "0/baseline", "1/attempt", "1/evaluate") as run:
            run.wait_for("0/baseline")
            wait_for_text(tab, "#live", "At work: the untuned student answers dev")
            wait_for_text(tab, ".headline strong", "not measured yet")
            assert tab.locator("#help").count() == 0
            # From here on the same document is kept up to date.
            tab.evaluate("document.body.dataset.isSame = 'yes'")
            run.go_on()
            run.wait_for("1/attempt")
            wait_for_text(tab, "#live", "At work, round 1: the student answers every")
            wait_for_text(tab, ".state", "1 of 2 rounds finished")
            assert re.match(r"0% → \d+%", tab.inner_text(".headline strong"))
            assert tab.locator("#help tbody").first.locator("tr").count() == 2
            assert "4 calls answered" in tab.inner_text("#live")
            run.go_on()
            run.wait_for("1/evaluate")
            wait_for_text(tab, "#live", "At work, round 1: the new student answers")
            run.go_on()
            assert run.process.wait() == 0
        wait_for_text(tab, "#live", "Finished.")
        wait_for_text(tab, ".state", "2 of 2 rounds finished")
        assert tab.evaluate("document.body.dataset.isSame") == "yes"
        assert tab.inner_text("#rows-count") == "0 of 0"
        tab.click("#live-rows button")
        wait_for_text(tab, "#rows-count", "8 of 8")
        assert tab.locator("#live-rows").count() == 0


def test_a_killed_run_is_said_to_have_stopped(
    tmp_path: Path, open_live: Callable[..., Any]
) -> None:
    folder = tmp_path / "run"
    with serve(folder) as server, start_run(folder, "0/generate") as run:
        run.wait_for("0/generate")
        tab = open_live(server)
        wait_for_text(tab, "#live", "At work, round 0: the teacher writes")
        run.process.send_signal(signal.SIGKILL)
        wait_for_text(
            tab, "#live", "Stopped before the end, round 0: the teacher writes."
        )


def test_a_reader_keeps_what_was_opened_and_where_it_was_read(
    run: Path, tmp_path: Path, open_live: Callable[..., Any]
) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    aside = tmp_path / "aside"
    aside.mkdir()
    for name in ("evaluate", "finetune", "transfer"):
        for path in folder.glob(f"round-01/{name}.json*"):
            path.rename(aside / path.name)
    with serve(folder) as server:
        tab = open_live(server)
        wait_for_text(tab, ".state", "1 of 2 rounds finished")
        tab.click("#selection details:not([open]) summary")
        opened = tab.locator("#selection details[open]").count()
        tab.focus("#selection .scroll >> nth=1")
        tab.evaluate("document.getElementById('selection').scrollIntoView()")
        tab.evaluate("scrollBy(0, 200)")
        top = "document.getElementById('selection').getBoundingClientRect().top"
        before, height = tab.evaluate(top), tab.evaluate("document.body.scrollHeight")
        for path in sorted(aside.iterdir(), key=lambda path: path.suffix == ".json"):
            path.rename(folder / "round-01" / path.name)
        wait_for_text(tab, ".state", "2 of 2 rounds finished")
        assert tab.evaluate("document.body.scrollHeight") > height
        assert tab.evaluate(top) == pytest.approx(before, abs=1)
        assert tab.locator("#selection details[open]").count() == opened
        assert tab.evaluate("document.activeElement.className") == "scroll"


def test_a_damaged_run_is_shown_with_the_reason_until_it_is_mended(
    run: Path, tmp_path: Path, open_live: Callable[..., Any]
) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    settings = folder / "settings.json"
    content = settings.read_text(encoding="utf-8")
    settings.write_text('{"rounds": "<b>many</b>"}', encoding="utf-8")
    with serve(folder) as server:
        tab = open_live(server)
        wait_for_text(tab, "#live", "settings.json can't be read back")
        assert tab.inner_text(".headline strong") == "the run can't be read"
        assert tab.locator("main b").count() == 0
        settings.write_text(content, encoding="utf-8")
        wait_for_text(tab, ".state", "2 of 2 rounds finished")


# -- who is answered -----------------------------------------------------------------------


def get(server: LivePageServer, path: str, host: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    return connection.getresponse()


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/{token}/", "127.0.0.1:{port}", 200),
        ("/{token}/", "localhost:{port}", 200),
        ("/{token}/", "evil.example:{port}", 403),
        ("/{token}/events", "evil.example:{port}", 403),
        ("/{token}/", "127.0.0.1", 403),
        ("/{token}/", "", 403),
        ("/", "127.0.0.1:{port}", 404),
        ("/{token}", "127.0.0.1:{port}", 404),
        ("/{token}x/", "127.0.0.1:{port}", 404),
        ("/wrong/", "127.0.0.1:{port}", 404),
        ("/wrong/events", "127.0.0.1:{port}", 404),
        ("/caf\u00e9/", "127.0.0.1:{port}", 404),
        ("//{token}/events/", "127.0.0.1:{port}", 404),
        ("/{token}/../{token}/run.json", "127.0.0.1:{port}", 404),
        ("/{token}/ledger.sqlite", "127.0.0.1:{port}", 404),
    ],
)
def test_only_its_own_address_is_answered(
    run: Path, path: str, host: str, status: int
) -> None:
    with serve(run) as server:
        known = {"token": server.token, "port": server.port}
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:
            line = f"GET {path.format(**known)} HTTP/1.1\r\n"
            peer.sendall(f"{line}Host: {host.format(**known)}\r\n\r\n".encode())
            response = http.client.HTTPResponse(peer)
            response.begin()
            text = response.read().decode()
    assert response.status == status
    assert ("rounds finished" in text) == (status == 200)
    headers = {name.lower(): value for name, value in response.getheaders()}
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert not [name for name in headers if name.startswith("access-control")]


def test_it_listens_on_loopback_alone_and_its_token_is_new_each_time(run: Path) -> None:
    with serve(run) as first, serve(run) as second:
        assert first.socket.getsockname() == ("127.0.0.1", first.port)
        assert first.token != second.token
        assert min(len(first.token), len(second.token)) >= 32


def test_the_live_page_may_ask_its_server_and_the_file_may_not(
    run: Path, tmp_path: Path
) -> None:
    with serve(run) as server:
        response = get(server, f"/{server.token}/", f"localhost:{server.port}")
        live = response.read().decode()
    assert command("report", run, "--to", tmp_path / "page.html").returncode == 0
    static = (tmp_path / "page.html").read_text(encoding="utf-8")
    for wanted in ("connect-src", "EventSource", "nothing but its own server"):
        assert wanted in live
        assert wanted not in static


# -- what it tells -------------------------------------------------------------------------


def test_finished_shards_are_counted_against_all_of_the_seeds(
    run: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    for path in folder.glob("round-01/*.json"):
        if path.stem != "open":
            path.unlink()
    shards = folder / "round-01/attempt"
    shards.mkdir(exist_ok=True)
    for number in range(3):
        (shards / f"{number:03d}-rows.json").write_text("[1, 2, 3, 4, 5]")
    live = LiveRun(folder, trust=False)
    lock = acquire_lock(folder / "lock")
    assert lock is not None
    try:
        assert live.read_progress().counts.startswith("3 shards done · 8 calls")
        live.render()  # from now on the seeds are known: 16
        assert live.read_progress().counts.startswith("3 of 4 shards done · ")
        (shards / "000-gold.json").write_text("[1, 2, 3, 4, 5]")
        assert live.read_progress().counts.startswith("1 of 4 shards done · ")
    finally:
        os.close(lock)


def test_seeds_are_read_once_and_a_page_is_another_one_after_each_step(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    reads: list[Path] = []

    def count_reads(folder: Path, *rest: Any, **more: Any) -> Any:
        reads.append(folder)
        return read_seed_pool(folder, *rest, **more)

    monkeypatch.setattr("teachback.commands.live_page.read_seed_pool", count_reads)
    live = LiveRun(folder, trust=False)
    live.render()
    first = live.read_progress()
    assert live.read_progress() == first
    assert f'data-version="{first.version}"' in live.render()
    (folder / "round-01/evaluate.json").unlink()
    second = live.read_progress()
    assert (first.state, second.state) == ("finished", "stopped")
    assert second.version != first.version
    live.render()
    assert reads == [folder]


def test_a_file_that_is_gone_for_a_moment_is_no_damage(
    run: Path, tmp_path: Path
) -> None:
    """As where a run that ends closes its ledger."""
    folder = shutil.copytree(run, tmp_path / "run")
    curation = folder / "round-00/curate.json.sha256"
    live = LiveRun(folder, trust=False)
    aside = curation.rename(tmp_path / "aside")
    back = threading.Timer(0.1, aside.rename, [curation])
    back.start()
    assert "2 of 2 rounds finished" in live.render()
    back.join()
    curation.unlink()
    assert "the run can&#39;t be read" in live.render()


# -- the command ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_stopped(run: Path, number: int) -> None:
    code = [sys.executable, "-m", "teachback", "report", str(run), "--serve"]
    with subprocess.Popen(
        code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        address = urlsplit(process.stderr.readline().rpartition(" ")[2].strip())
        assert address.hostname == "127.0.0.1"
        connection = http.client.HTTPConnection(address.netloc, timeout=10)
        connection.request("GET", f"{address.path}events")
        # An open stream does not keep it from ending.
        assert b'"finished"' in connection.getresponse().readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        connection.close()
    assert (process.returncode, out, err) == (0, "", "")


def test_what_can_not_be_served_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "comparison.json").write_text('{"format": 2}')
    (tmp_path / "other").mkdir()
    (tmp_path / "other/notes.txt").write_text("mine")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for arguments, reason in {
            (tmp_path, "--serve"): "is not shown live",
            (tmp_path / "other", "--serve"): "it is no directory of such a run",
            (tmp_path / "other/notes.txt", "--serve"): "is no folder",
            (run, "--serve", "--to", "page.html"): "leave out --to and --json",
            (run, "--serve", "--json"): "leave out --to and --json",
            (run, "--port", "8000"): "add --serve",
            (run, "--serve", "--port", port): f"can't be served on port {port}",
        }.items():
            done = command("report", *arguments)
            assert done.returncode == 2, reason
            assert reason in done.stderr
