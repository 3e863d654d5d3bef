"""What is pushed to the Hub, as a server on this machine that speaks its calls gets it."""

import json
import os
import pty
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from huggingface_hub import ModelCard
from typer import Abort

import teachback
from commands import Done, command
from exporting import ExportedFolder
from hub_server import TOKEN, HubServer, run_hub_server
from teachback.commands.questions_first import ask_before_pushing
from teachback.errors import ConfigError, PushFailed
from teachback.export.exported_run import ExportedRun
from teachback.export.hub.push import HubUpload

# huggingface_hub itself calls its HTTP client so, where it sends a file without Xet.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

NAME = "me/my.rows"
DATASET = f"datasets/{NAME}"


@pytest.fixture(scope="module")
def session() -> Iterator[None]:
    """One HTTP client for all tests: making it takes longer than a push."""
    from huggingface_hub import close_session

    yield
    close_session()


@pytest.fixture
def hub(session: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """The Hub of the environment."""
    from huggingface_hub import constants

    with run_hub_server() as server:
        # The library reads these once, when it is loaded.
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


def push(run: ExportedFolder, *options: object, what: str = "data") -> Done:
    target = f"hub:{NAME}"
    return command("export", run.folder, "--to", target, "--what", what, *options)


def local_files(run: ExportedFolder, form: str, folder: Path) -> dict[str, bytes]:
    """What an export to a folder writes, with the card's title that a push gives it."""
    folder.mkdir()
    run.export(form, folder, card=True)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("what", "file"), [("data", "messages.jsonl"), ("parquet", "messages.parquet")]
)
def test_what_arrives_is_what_an_export_writes_and_private(
    what: str, file: str, exported: ExportedFolder, hub: HubServer, tmp_path: Path
) -> None:
    done = push(exported, "--yes", what=what)
    assert done.returncode == 0, done.stderr
    repo = hub.repos[DATASET]
    assert repo.is_private
    form = what if what != "data" else "messages"
    written = local_files(exported, form, tmp_path / "here")
    assert set(repo.files) == {file, "README.md"}
    assert repo.files[file] == written[file]
    card, here = (
        text.decode() for text in (repo.files["README.md"], written["README.md"])
    )
    here = here.replace("FOLDER OR ORGANISATION/NAME", NAME).replace(
        "# run", "# my.rows"
    )
    assert card == here.replace("pretty_name: run", "pretty_name: my.rows")
    assert bool(repo.large) == (what == "parquet")
    assert f"private dataset {NAME}: {hub.url}/{DATASET}/commit/" in done.stdout


def test_a_student_and_its_rows_are_pushed_together(
    finished: ExportedRun, hub: HubServer, tmp_path: Path
) -> None:
    push = teachback.export(finished.folder, to=f"hub:{NAME}", what="both")
    assert [(repo.repo_type, repo.is_private) for repo in push.repos] == [
        ("dataset", True),
        ("model", True),
    ]
    model = hub.repos[f"models/{NAME}"]
    assert model.large == {"model.safetensors"}
    out = tmp_path / "student"
    teachback.export(finished.folder, to="safetensors", out=out)
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    cards = [
        ModelCard(files.pop("README.md").decode()).data.to_dict()
        for files in (model.files, written)
    ]
    assert model.files == written
    assert cards[0]["datasets"] == [NAME]
    assert "datasets" not in cards[1]
    assert set(hub.repos[DATASET].files) == {"README.md", "messages.jsonl"}


def test_the_token_is_sent_to_the_api_alone_and_never_shown(
    exported: ExportedFolder, hub: HubServer
) -> None:
    done = push(exported, "--yes", what="parquet")
    assert TOKEN not in done.stdout + done.stderr
    assert hub.paths("PUT")
    keys = {method: key for method, _, key in hub.requests}
    assert keys == {
        "GET": f"Bearer {TOKEN}",
        "POST": f"Bearer {TOKEN}",
        "PUT": "",
    }


def test_without_yes_it_is_shown_and_nothing_is_sent(
    exported: ExportedFolder, hub: HubServer
) -> None:
    done = push(exported)
    assert done.returncode == 2
    assert "add --yes" in done.stderr
    assert "## From drafts to rows" in done.stderr
    assert f"to {hub.url}: the dataset {NAME}, private, new" in done.stderr
    assert "messages.jsonl" in done.stderr
    assert " bytes" in done.stderr
    assert not hub.repos
    assert not hub.paths("POST")


@pytest.mark.parametrize("answer", ["y", "n"])
def test_on_a_terminal_it_asks(
    answer: str,
    exported: ExportedFolder,
    hub: HubServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    person, terminal = pty.openpty()
    os.write(person, f"{answer}\n".encode())
    with os.fdopen(terminal) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with nullcontext() if answer == "y" else pytest.raises(Abort):
            teachback.export(
                exported.folder,
                to=f"hub:{NAME}",
                what="data",
                confirm=ask_before_pushing,
            )
    os.close(person)
    assert bool(hub.repos) == (answer == "y")


def test_the_same_push_again_sends_no_file_twice(
    exported: ExportedFolder, hub: HubServer
) -> None:
    push(exported, "--yes", what="parquet")
    before = dict(hub.repos[DATASET].files)
    done = push(exported, "--yes", what="parquet")
    assert done.returncode == 0, done.stderr
    assert hub.repos[DATASET].files == before
    assert len(hub.repos[DATASET].commits) == 1
    assert len(hub.paths("PUT")) == 1
    assert hub.paths("POST").count("/api/repos/create") == 1


@pytest.mark.parametrize("call", ["repos/create", "store", "commit"])
def test_a_refused_push_says_so_and_the_same_command_ends_it(
    call: str, exported: ExportedFolder, hub: HubServer
) -> None:
    hub.refuse = lambda method, path: 403 if call in path else None
    done = push(exported, "--yes", what="parquet")
    assert done.returncode == 1
    assert f"error: {NAME} could not be pushed to {hub.url}" in done.stderr
    assert "403" in done.stderr
    assert "run the same command" in done.stderr
    assert TOKEN not in done.stderr
    assert not [repo for repo in hub.repos.values() if repo.files]

    hub.refuse = lambda method, path: None
    assert push(exported, "--yes", what="parquet").returncode == 0
    assert set(hub.repos[DATASET].files) == {"README.md", "messages.parquet"}


def test_a_public_repository_takes_public(
    exported: ExportedFolder, hub: HubServer
) -> None:
    assert push(exported, "--yes", "--public").returncode == 0
    assert not hub.repos[DATASET].is_private
    n_requests = len(hub.paths("POST"))
    done = push(exported, "--yes")
    assert done.returncode == 2
    assert f"the dataset {NAME} is public" in done.stderr
    assert len(hub.paths("POST")) == n_requests
    assert push(exported, "--yes", "--public").returncode == 0


def test_what_is_replaced_is_shown_first(
    exported: ExportedFolder, hub: HubServer
) -> None:
    shown: list[HubUpload] = []
    for _ in range(2):
        teachback.export(
            exported.folder, to=f"hub:{NAME}", what="csv", confirm=shown.extend
        )
    assert [upload.is_new for upload in shown] == [True, False]
    assert [set(upload.replaced) for upload in shown] == [
        set(),
        {"README.md", "rows.csv"},
    ]


def test_json_says_where_it_is(exported: ExportedFolder, hub: HubServer) -> None:
    (repo,) = json.loads(push(exported, "--yes", "--json").stdout)
    assert repo["repo_id"] == NAME
    assert repo["is_private"] is True
    assert repo["files"] == ["README.md", "messages.jsonl"]


def test_a_wrong_token_ends_in_an_error(
    exported: ExportedFolder, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "hf_wrong_0123456789_fedcba"
    monkeypatch.setenv("HF_TOKEN", wrong)
    with pytest.raises(PushFailed, match="401") as failure:
        teachback.export(exported.folder, to=f"hub:{NAME}", what="data")
    assert wrong not in str(failure.value)
    assert not hub.repos


def test_without_a_token_nothing_is_sent(
    exported: ExportedFolder,
    hub: HubServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with pytest.raises(ConfigError, match="HF_TOKEN"):
        teachback.export(exported.folder, to=f"hub:{NAME}", what="data")
    assert not hub.requests


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "hub:nobody", "--what", "data"], "hub:ORGANISATION/NAME"),
        (["--to", f"hub:{NAME}"], "--what data"),
        (["--to", f"hub:{NAME}", "--what", "rows"], "student, both, messages"),
        (
            ["--to", f"hub:{NAME}", "--what", "data", "--out", "x"],
            "--out means nothing",
        ),
        (["--to", "csv", "--out", "x.csv", "--public"], "--public means nothing"),
        (["--to", "csv"], "--out is missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_can_not_be_meant_are_refused(
    options: list[str], words: str, exported: ExportedFolder, tmp_path: Path
) -> None:
    done = command("export", exported.folder, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert not any(tmp_path.iterdir())
