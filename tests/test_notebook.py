"""A real kernel: what a cell shows, and how it is interrupted."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ipykernel")
nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

DOCS = Path(__file__).parents[1] / "docs"

pytestmark = [
    pytest.mark.slow,
    # The client of the kernel is not ours.
    pytest.mark.filterwarnings("default"),
]

SETUP = """
# It warns that there is no ipywidgets.
import tqdm.auto
import teachback
tree = {{
    "task": {{"name": "prontoqa", "hops": [1, 2], "seeds": 40, "dev": 6, "test": 5}},
    "student": {{"model": {student!r}, "max_new_tokens": 8, "precision": "float32"}},
    "per_round": 4, "rounds": 2, "machine": {{"threads": 1}},
    "finetune": {{"method": "full", "lr": 1e-3, "epochs": 1, "rows_per_step": 4}},
}}
"""


class Notebook:
    """Cells in one kernel, run one after the other."""

    def __init__(self, folder: Path) -> None:
        self.book = nbformat.v4.new_notebook()
        self.client = nbclient.NotebookClient(
            self.book, timeout=240, resources={"metadata": {"path": str(folder)}}
        )

    def run(self, source: str) -> Any:
        """The cell, with its outputs. Raises CellExecutionError."""
        cell = nbformat.v4.new_code_cell(source)
        self.book.cells.append(cell)
        return self.client.execute_cell(cell, len(self.book.cells) - 1)

    def interrupt_later(self, file: Path) -> None:
        """From inside the kernel: Ctrl-C when the file is there, as the stop button does."""
        self.run(
            "import os, signal, threading, time, pathlib\n"
            "def stop():\n"
            f"    while not pathlib.Path({str(file)!r}).exists(): time.sleep(0.001)\n"
            "    os.kill(os.getpid(), signal.SIGINT)\n"
            "threading.Thread(target=stop, daemon=True).start()"
        )


@pytest.fixture(scope="module")
def notebook(
    tmp_path_factory: pytest.TempPathFactory, tiny: Path
) -> Iterator[Notebook]:
    notebook = Notebook(tmp_path_factory.mktemp("notebook"))
    with notebook.client.setup_kernel():
        notebook.run(SETUP.format(student=str(tiny)))
        yield notebook


def outputs_of(cell: Any, kind: str) -> list[str]:
    return [
        output["data"][kind]
        for output in cell.outputs
        if output.output_type in ("display_data", "execute_result")
    ]


def test_a_cell_shows_progress_and_the_result(notebook: Notebook) -> None:
    cell = notebook.run("result = teachback.run(tree, run_dir='run')\nresult")
    progress, table = outputs_of(cell, "text/html")
    assert progress.startswith("<pre")
    assert "round 1 · the new student answers dev: " in progress
    # The bars are gone.
    assert "━" not in progress
    assert "<th>dev accuracy</th>" in table
    assert re.search(r"<Result: .*run: dev", outputs_of(cell, "text/plain")[1])
    assert not [o for o in cell.outputs if o.output_type == "stream"]


def test_a_cell_shows_nothing_when_it_is_told_so(notebook: Notebook) -> None:
    cell = notebook.run("teachback.select(tree, 2, run_dir='run', progress=False);")
    assert cell.outputs == []


def test_the_loop_of_the_kernel_goes_on(notebook: Notebook) -> None:
    """In a cell that awaits, the call is inside a coroutine of the kernel's own loop."""
    cell = notebook.run(
        "import asyncio\nawait asyncio.sleep(0)\n"
        "report = teachback.evaluate('run', progress=False)\n"
        "await asyncio.sleep(0)\nreport.n"
    )
    assert outputs_of(cell, "text/plain") == ["5"]


@pytest.mark.parametrize("start", ["", "import asyncio\nawait asyncio.sleep(0)\n"])
def test_an_interrupted_cell_ends_and_goes_on(notebook: Notebook, start: str) -> None:
    """Also in a cell that awaits, where Ctrl-C would wait for the loop."""
    name = f"stopped-{len(start)}"
    folder = Path(notebook.client.resources["metadata"]["path"], name)
    notebook.interrupt_later(folder / "round-00/baseline.json")
    call = f"{start}again = teachback.run(tree, run_dir={name!r})"
    with pytest.raises(nbclient.exceptions.CellExecutionError) as raised:
        notebook.run(call)
    assert raised.value.ename == "KeyboardInterrupt"
    assert "the same call goes on from here" in raised.value.evalue
    assert not (folder / "round-01/evaluate.json").exists()
    # Only frames of the cell and of the call are in the traceback.
    assert raised.value.traceback.count("teachback/") <= 6
    notebook.run(call)
    cell = notebook.run("again.history == result.history, again.spend == result.spend")
    assert outputs_of(cell, "text/plain") == ["(True, True)"]


def test_an_interrupted_comparison_leaves_no_process(notebook: Notebook) -> None:
    """Its runs are in child processes, which Ctrl-C does not reach."""
    folder = Path(notebook.client.resources["metadata"]["path"], "compared")
    notebook.interrupt_later(folder / "repeat-0/base/round-00/baseline.json")
    call = (
        "teachback.compare(tree, arms='random,loss', repeats=1, jobs=2, "
        "changes='rounds=1', run_dir='compared')"
    )
    with pytest.raises(nbclient.exceptions.CellExecutionError) as raised:
        notebook.run(call)
    assert raised.value.ename == "KeyboardInterrupt"
    started = time.monotonic()
    cell = notebook.run(
        "import psutil\n[c.name() for c in psutil.Process().children() "
        "if 'serve_jobs' in ' '.join(c.cmdline())]"
    )
    assert outputs_of(cell, "text/plain") == ["[]"]
    assert time.monotonic() - started < 10
    cell = notebook.run(call)
    assert "all runs" not in outputs_of(cell, "text/html")[0]
    assert "<ComparedArms: " in outputs_of(cell, "text/plain")[-1]


@pytest.mark.usefixtures("packaged_tiny")
@pytest.mark.parametrize("name", ["own-data", "own-criterion"])
def test_the_notebooks_of_the_docs_run(name: str, tmp_path: Path) -> None:
    """With a tiny student in the place of the packaged one, and one repeat."""
    book = nbformat.read(DOCS / f"notebooks/{name}.ipynb", 4)
    for cell in book.cells:
        cell.source = cell.source.replace("repeats=2", "repeats=1, jobs=1")
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(book, timeout=240, resources=resources).execute()
    last = [cell for cell in book.cells if cell.cell_type == "code"][-1]
    assert last.outputs
