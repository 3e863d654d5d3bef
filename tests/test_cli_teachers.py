"""Teachers from the command line: a rehearsal against our own server, and the pool.

Also the plan, the bill and the key.
"""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from commands import command
from teachback import Result, api
from teachback.config.reading import read_config
from teachback.errors import InputsChanged
from teachback.ledger.costs import Budget
from teachback.ledger.ledger import Ledger
from teachback.ledger.settings import BudgetSettings
from test_cli import ENTRY

KEY = "sk-proj-0123456789-abcdefghij"
PRICES = "prices: {rehearsal: {as_of: 2026-11-01, input: 2.5, output: 10, parameters: 8.0e9}}\n"


@contextmanager
def rehearsal(config: Path, *options: str) -> Iterator[str]:
    """`teachback serve-program`; gives its base URL."""
    with subprocess.Popen(
        [*ENTRY, "serve-program", str(config), *options],
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(10) == 0


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Path:
    path = tmp_path_factory.mktemp("asked") / "task.yaml"
    path.write_text(
        "task: {name: prontoqa, hops: [1, 2], seeds: 12, dev: 6, test: 5}\n"
        f"student: {{model: {tiny}, max_new_tokens: 8, precision: float32}}\n"
        "teacher: {name: openai, base_url: 'http://127.0.0.1:9/v1', model: rehearsal,"
        " prompts: logic, key_env: THE_KEY, in_flight: 4, deadline_s: 2, patience_s: 5}\n"
        f"{PRICES}criterion: random\nper_round: 4\nrounds: 2\nbudget: {{usd: 0.5}}\n"
        "finetune: {epochs: 1, rows_per_step: 4}\nmachine: {threads: 1}\n",
        encoding="utf-8",
    )
    return path


def test_a_rehearsal_with_faults_ends_as_the_program_teacher_would(
    asked: Path, tmp_path: Path
) -> None:
    """The same rows, a bill by role and round, and the key in no file."""
    log = tmp_path / "log.jsonl"
    with rehearsal(asked, "--faults", "500:0.1,reset:0.05", "--log", str(log)) as url:
        run = command(
            "run",
            asked,
            "--run-dir",
            tmp_path / "run",
            "--set",
            f"teacher.base_url={url}",
            "--yes",
            THE_KEY=KEY,
        )
    assert run.returncode == 0, run.stderr
    assert "8 rows generated, 8 accepted" in run.stdout
    go(asked, tmp_path / "free", *FREE)
    rows = [
        [
            (r["id"], r["question"], r["text"])
            for round in (0, 1)
            for r in curated(tmp_path / name, round)
        ]
        for name in ("run", "free")
    ]
    assert rows[0] == rows[1]
    found = command("status", tmp_path / "run", "--costs", "--json")
    facts = json.loads(found.stdout)
    assert [(c["role"], c["round"], c["calls"]) for c in facts["costs"]] == [
        ("question", 0, 4), ("answer", 0, 4), ("question", 1, 4), ("answer", 1, 4)
    ]  # fmt: skip
    came = [json.loads(line) for line in log.read_text().splitlines()]
    assert sum(c["sent"] for c in facts["costs"]) == len(came)
    usage = [line["usage"] for line in came if line["status"] == 200 and line["usage"]]
    paid = (
        sum(u["prompt_tokens"] * 2.5 + u["completion_tokens"] * 10 for u in usage) / 1e6
    )
    assert facts["spend"]["usd"] == pytest.approx(paid)
    assert facts["spend"]["flops"] == 16e9 * sum(
        u["prompt_tokens"] + u["completion_tokens"] for u in usage
    )
    text = command("status", tmp_path / "run", "--costs").stdout
    assert "median s" in text
    assert "of $0.5" in text
    for file in (tmp_path / "run").rglob("*"):
        assert not file.is_file() or KEY.encode() not in file.read_bytes(), file
    assert KEY not in run.stdout + run.stderr


FREE = ("teacher={name: program}", "budget={}", "prices={}")


def go(asked: Path, folder: Path, *changes: str) -> Result:
    """The same in this process, which has torch loaded."""
    return api.run(read_config(asked, changes, folder))


def curated(folder: Path, round: int) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(
        (folder / f"round-0{round}/curate.json").read_text()
    )["rows"]
    return found


def test_a_teacher_that_is_down_is_exit_code_4_and_everything_is_kept(
    asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = command("run", asked, "--run-dir", tmp_path / "run", "--yes", THE_KEY=KEY)
    assert down.returncode == 4
    assert "no connection" in down.stderr
    assert "Traceback" not in down.stderr
    assert (tmp_path / "run/round-00/select.json").exists()
    monkeypatch.setenv("THE_KEY", KEY)
    with rehearsal(asked) as url:
        assert (
            len(go(asked, tmp_path / "run", f"teacher.base_url={url}").history.rounds)
            == 2
        )


def test_no_key_is_said_before_anything_else(asked: Path, tmp_path: Path) -> None:
    missing = command("run", asked, "--run-dir", tmp_path / "run", "--yes")
    assert missing.returncode == 2
    assert "THE_KEY" in missing.stderr
    assert not (tmp_path / "run/ledger.sqlite").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["budget={}"], "teacher costs money and no budget limits it"),
        (["budget={accepted: 4}"], "teacher costs money and no budget limits it"),
        (
            ["prices={}"],
            "budget.usd needs input, output of the teacher's model: add prices.rehearsal",
        ),
        (
            ["budget={flops: 1e15}", "prices.rehearsal.parameters=null"],
            "budget.flops needs parameters",
        ),
        (["teacher={name: program}"], "budget.usd: the program teacher costs none"),
        (
            ["teacher.votes=3", "teacher.options={temperature: 0}"],
            "votes at temperature 0",
        ),
        (
            [
                "verifier={base_url: x, model: y}",
                "teacher={name: program}",
                "budget={}",
            ],
            "verified by a second model",
        ),
        (["prices.rehearsal.as_of=soon"], "prices.rehearsal.as_of"),
        (["prices.rehearsal.inptu=3"], "did you mean input?"),
        (["teacher.options={api_key: abcdefgh}"], "looks like a credential"),
    ],
)
def test_a_config_that_cannot_be_paid_for_is_refused(
    asked: Path, tmp_path: Path, changes: list[str], said: str
) -> None:
    sets = [part for change in changes for part in ("--set", change)]
    refused = command(
        "run", asked, "--run-dir", tmp_path / "run", *sets, "--yes", THE_KEY=KEY
    )
    assert refused.returncode == 2
    assert said in refused.stderr
    assert not (tmp_path / "run/ledger.sqlite").exists()


def on_a_terminal(answer: str, *args: str) -> tuple[int, str]:
    """The exit code and what is shown, with the answer typed in."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [*ENTRY, *args])
    os.write(terminal, answer.encode())
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:  # the other end has gone
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(
        errors="replace"
    )


def test_a_priced_teacher_asks_once_and_shows_the_plan(
    asked: Path, tmp_path: Path
) -> None:
    folder = str(tmp_path / "run")
    code, shown = on_a_terminal("n\n", "run", str(asked), "--run-dir", folder)
    assert code == 1
    assert "USD" in shown
    assert "spend up to that?" in shown
    assert not (tmp_path / "run/ledger.sqlite").exists()
    code, shown = on_a_terminal("y\n", "run", str(asked), "--run-dir", folder)
    assert (code, "is not in the environment variable THE_KEY" in shown) == (2, True), (
        "it went on"
    )
    Ledger(tmp_path / "run/ledger.sqlite").close()
    code, shown = on_a_terminal("", "run", str(asked), "--run-dir", folder)
    assert (code, "spend up to that?" in shown) == (2, False)


def test_accepted_rows_can_be_the_budget(asked: Path, tmp_path: Path) -> None:
    done = go(asked, tmp_path / "run", *FREE, "budget={accepted: 6}", "rounds=null")
    assert [len(r.fresh.rows) for r in done.history.rounds] == [4, 2]
    assert "6 of 6 accepted rows" in command("status", tmp_path / "run").stdout


def test_the_pool_teacher_hands_out_each_row_once(asked: Path, tmp_path: Path) -> None:
    go(asked, tmp_path / "made", *FREE, "task.seed=5")
    mine = [row for round in (0, 1) for row in curated(tmp_path / "made", round)]
    lines = [
        {"id": f"r{i}", "question": row["question"], "solution": row["text"]}
        for i, row in enumerate(mine)
    ]
    reserve = tmp_path / "reserve.jsonl"
    reserve.write_text(
        "".join(json.dumps(line) + "\n" for line in lines[:6]), encoding="utf-8"
    )
    given = (f"teacher={{name: pool, rows: {reserve}}}", "budget={}", "prices={}")
    done = go(asked, tmp_path / "run", *given)
    assert done.closed_early, "six rows for two rounds of four"
    got = [
        row["question"] for round in (0, 1) for row in curated(tmp_path / "run", round)
    ]
    assert sorted(got) == sorted(line["question"] for line in lines[:6])
    assert go(asked, tmp_path / "run", *given) == done
    reserve.write_text(json.dumps(lines[0]) + "\n", encoding="utf-8")
    with pytest.raises(InputsChanged, match="prompts"):
        go(asked, tmp_path / "run", *given)


def test_the_plan_is_a_bill_and_sends_nothing(asked: Path, tmp_path: Path) -> None:
    bill = command("plan", asked, "--run-dir", tmp_path / "run")
    assert bill.returncode == 0, bill.stderr
    assert "rounds 0-1" in bill.stdout
    assert "USD 0.5" in bill.stdout
    assert not (tmp_path / "run").exists()
    facts = json.loads(
        command("plan", asked, "--run-dir", tmp_path / "run", "--json").stdout
    )
    assert facts
    wrong = command("plan", asked, "--probe", "13", THE_KEY=KEY)
    assert wrong.returncode == 2


def test_wrong_orders_to_the_rehearsal_server_are_refused(asked: Path) -> None:
    wrong = command("serve-program", asked, "--faults", "5000:0.1")
    assert wrong.returncode == 2
    assert "allowed: a status of 300 to 599" in wrong.stderr


def test_budgets_are_read_in_their_own_units() -> None:
    made = BudgetSettings(
        generated=5, accepted=4, teacher_tokens=7, usd=0.1, flops=1e18
    ).budget()
    assert made == Budget(5, 7, 10**11, 10**15)
