"""The guides' configs are valid, and their commands and examples run one after the other.

A tiny student stands in for the packaged one, and a server on this machine for a paid endpoint.
"""

import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest
import yaml

import teachback
from commands import command
from loopback import loopback
from teachback.config.reading import make_config
from teachback.criteria.criterion import NEEDS
from teachback.criteria.evidence import Evidence
from teachback.report.diagnosis.values import CauseKind
from test_cli import ENTRY

ROOT = Path(__file__).parents[1]
GUIDES = sorted((ROOT / "docs/guides").glob("*.md"))
NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))
BLOCK = re.compile(
    r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE
)
PAID_URL = "https://api.openai.com/v1"
GUIDE_PORT = "8000"
# What a guide's YAML says is put into this config.
BASE: dict[str, Any] = {
    "task": {"name": "prontoqa", "hops": [1, 2]},
    "per_round": 8,
    "rounds": 1,
}
EXIT_CODE = re.compile(r"exit code (\d)")

each_guide = pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)


class Block(NamedTuple):
    language: str
    # The file's name, or "".
    title: str
    text: str


def blocks_of(guide: Path) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall(guide.read_text(encoding="utf-8"))]


@each_guide
def test_the_configs_of_a_guide_are_valid(guide: Path) -> None:
    texts = [block.text for block in blocks_of(guide) if block.language == "yaml"]
    assert texts
    for text in texts:
        make_config({**BASE, **yaml.safe_load(text)})


@each_guide
def test_a_guide_has_nothing_that_no_test_runs(guide: Path) -> None:
    text = guide.read_text(encoding="utf-8")
    assert len(blocks_of(guide)) == len(re.findall(r"^ *```\w", text, re.MULTILINE))
    indented = re.findall(r"^    teachback .*", text, re.MULTILINE)
    assert not indented, "a command belongs into a block"


def test_my_data_explains_every_cause_of_a_run_that_gains_nothing() -> None:
    text = (ROOT / "docs/guides/my-data.md").read_text(encoding="utf-8")
    section = text[text.index("## When a run gains nothing") :]
    first_cells = "".join(re.findall(r"^\| (.*?) \|", section, re.MULTILINE))
    assert [kind for kind in get_args(CauseKind) if kind not in first_cells] == []


def test_extend_lists_all_that_a_criterion_sees() -> None:
    text = (ROOT / "docs/extend.md").read_text(encoding="utf-8")
    names = {*NEEDS, *(field.name for field in fields(Evidence))}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


@dataclass
class Reader:
    """Does in a folder what a guide says."""

    folder: Path
    # What stands in the guide, and what stands in for it here.
    stand_ins: dict[str, str]
    # Servers that the guide starts end with it.
    stack: ExitStack
    namespace: dict[str, Any] = field(default_factory=dict)
    # Of the last block.
    printed: str = ""

    def follow(self, block: Block) -> None:
        text = block.text
        for said, here in self.stand_ins.items():
            text = text.replace(said, here)
        if block.title:
            (self.folder / block.title).write_text(text, encoding="utf-8")
        elif block.language == "sh":
            self.printed = "".join(self.run(line) for line in text.splitlines())
        elif block.language == "python":
            with redirect_stdout(io.StringIO()):
                exec(text, self.namespace)
        elif block.language == "text":
            missing = [line for line in text.splitlines() if line not in self.printed]
            assert not missing

    def run(self, line: str) -> str:
        words = shlex.split(line, comments=True)
        if words[0] == "export":
            os.environ.update(word.split("=", 1) for word in words[1:])
            return ""
        assert words[0] == "teachback", f"no way to run {line}"
        if words[-1] == "&":
            return self.stack.enter_context(serve(words[1:-1]))
        done = command(*words[1:], cwd=self.folder)
        expected = EXIT_CODE.search(line)
        assert done.returncode == (int(expected[1]) if expected else 0), (
            line,
            done.stderr,
        )
        return done.stdout + done.stderr


@contextmanager
def serve(arguments: list[str]) -> Iterator[str]:
    """A command that goes on in the background; its first line."""
    with subprocess.Popen(
        [*ENTRY, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
# transformers' pipelines are not ours.
@pytest.mark.filterwarnings("default")
@pytest.mark.usefixtures("packaged_tiny")
@each_guide
def test_what_a_guide_says_can_be_done(
    guide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    # Put back at the end, whatever the guide exports.
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    rows = [
        {"question": f"What is {a} + {b}?", "answer": str(a + b)}
        for a in range(8)
        for b in range(8)
    ]
    Path("questions.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8"
    )
    with ExitStack() as stack:
        server = stack.enter_context(loopback())
        stand_ins = {PAID_URL: server.base_url, GUIDE_PORT: str(free_port())}
        reader = Reader(work, stand_ins, stack)
        for block in blocks_of(guide):
            reader.follow(block)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stripped_and_uses_the_public_names(path: Path) -> None:
    """test_notebook.py runs them."""
    cells = json.loads(path.read_bytes())["cells"]
    first = "".join(cells[0]["source"])
    assert re.match(r"# .*\n\nFor people ", first)
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    source = "\n".join("".join(cell["source"]) for cell in code)
    assert not re.findall(r"(?:from|import) teachback\.", source)
    names = set(re.findall(r"\bteachback\.(\w+)", source))
    assert names <= set(teachback.__all__)
    prose = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    for link in re.findall(r"\]\(([^)#]+)", prose):
        assert (path.parent / link).exists(), link
