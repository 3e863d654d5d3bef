"""The README and the start page: short, true, and every command on them runs.

A command stands in a block marked `sh`. Blocks marked `text` show what depends on the reader.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from commands import command
from teachback import __version__
from teachback.errors import EXTRA_MODULES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
START = (ROOT / "docs/start.md").read_text(encoding="utf-8")
MAX_WORDS = 500
SHELL_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SCRIPT = re.compile(
    r"^```python\n# make_questions\.py\n(.*?)^```$", re.DOTALL | re.MULTILINE
)

# -- what it says --------------------------------------------------------------------------


def test_the_readme_is_short() -> None:
    assert len(README.split()) <= MAX_WORDS


def test_the_first_screen() -> None:
    """A sentence, the two commands, the picture, init to run, three links, and when not to."""
    first_screen, _, rest = README.partition("\n## ")
    places = [
        first_screen.index(words)
        for words in (
            "Finetune a small language model",
            "make demo",
            "make test",
            "docs/pictures/loop.svg",
            "teachback init",
            "teachback plan",
            "teachback run",
            "(docs/start.md)",
            "(docs/guides/my-data.md)",
            "(docs/findings.md)",
            "does not help",
        )
    ]
    assert places == sorted(places)
    assert len(re.findall(r"!\[", first_screen)) == len(re.findall(r"!\[", rest)) == 1


def test_the_demos_numbers_are_the_records() -> None:
    record = json.loads((ROOT / "bench/results/demo.json").read_bytes())
    shown = set(re.findall(r"\d+%", README))
    assert set(re.findall(r"\d+%", record["said"])) <= shown


def test_the_wheel_of_the_start_page_is_this_one() -> None:
    ((version, extras),) = re.findall(
        r"'dist/teachback-(.*)-py3-none-any\.whl\[(.*)\]'", START
    )
    assert version == __version__
    assert set(extras.split(",")) <= EXTRA_MODULES.keys()


@pytest.mark.parametrize("name", ["loop.svg", "gains.svg"])
def test_a_picture_is_readable_in_light_and_dark(name: str) -> None:
    text = (ROOT / "docs/pictures" / name).read_text(encoding="utf-8")
    assert "prefers-color-scheme:dark" in text
    assert "http" not in text.replace("http://www.w3.org/2000/svg", "")


# -- its commands --------------------------------------------------------------------------


def shell_commands(text: str) -> list[str]:
    lines = "".join(SHELL_BLOCK.findall(text)).splitlines()
    return [line.split("#")[0].strip() for line in lines]


def write_questions(folder: Path) -> None:
    """As the script of the start page does."""
    (script,) = SCRIPT.findall(START)
    (folder / "make_questions.py").write_text(script, encoding="utf-8")
    subprocess.run([sys.executable, "make_questions.py"], cwd=folder, check=True)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make` reads, with this environment in the place of the one that it would install.

    Its suite is one test: this one can't run the whole suite again.
    """
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / "tests").mkdir()
    (folder / "tests/test_one.py").write_text("def test_one() -> None: ...\n")
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(Path(sys.executable).parent)
    for name in (".ready", ".ready-to-test"):
        (folder / ".venv" / name).touch()
    write_questions(folder)
    return folder


def shell(line: str, folder: Path) -> str:
    environment = os.environ | {"COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
    environment.pop("OMP_NUM_THREADS", None)
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]
    done = subprocess.run(
        ["bash", "-e", "-c", line],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_make_test_runs_the_tests(checkout: Path) -> None:
    assert "make test" in shell_commands(README)
    assert "1 passed" in shell("make test", checkout)


def test_the_commands_of_teachback_run_with_a_tiny_student(
    tiny: Path, tmp_path: Path
) -> None:
    """All of the start page, one after the other, but for the demo and its environment."""
    write_questions(tmp_path)
    lines = list(teachback_commands(START))
    assert set(teachback_commands(README)) <= set(lines)
    for line in lines:
        done = command(*line.split()[1:], cwd=tmp_path, OMP_NUM_THREADS="1")
        assert done.returncode == 0, (line, done.stderr)
        if " init " in line:
            make_tiny(tmp_path / "questions.yaml", tiny)
    assert (tmp_path / "runs/questions/round-02/evaluate.json").exists()


def teachback_commands(text: str) -> Iterator[str]:
    for line in shell_commands(text):
        if line.startswith(("make ", ". .venv/", "python make_questions.py")):
            continue
        assert line.startswith("teachback "), line
        if not line.startswith(("teachback demo", "teachback doctor")):
            yield line


def make_tiny(config: Path, student: Path) -> None:
    """Another student and fewer questions in the config that `init` wrote."""
    tree = yaml.safe_load(config.read_text(encoding="utf-8"))
    tree["student"] |= {"model": str(student), "max_new_tokens": 8}
    tree["student"] |= {"precision": "float32"}
    tree["task"] |= {"n_seeds": 8, "n_dev": 4, "n_test": 4}
    tree["teacher"]["n_rows"] = 20
    tree |= {"per_round": 2, "budget": {"generated": 6}}
    config.write_text(yaml.safe_dump(tree), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("text", [README, START], ids=["README.md", "start.md"])
def test_every_command_runs_as_it_is_written(text: str, checkout: Path) -> None:
    """With the real student: the demo alone takes minutes."""
    commands = shell_commands(text)
    shown = shell("\n".join(commands), checkout)
    assert "dev accuracy" in shown
    for name in ("demo", "questions"):
        assert (checkout / f"runs/{name}/round-01/evaluate.json").exists()
