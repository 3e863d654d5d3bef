"""The benchmarks run, check what they compare, and print their last line. Numbers go untested."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAST = r"{} ratio=\d+\.\d\d target=\d+(\.\d+)? rss=\d+ gate=ok"


SLOW = ("dedup", "grade", "tails", "limits", "contamination", "intervals")


@pytest.mark.parametrize(
    "name",
    [
        "client",
        "ledger",
        *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW),
    ],
)
def test_quick(name: str, request: pytest.FixtureRequest) -> None:
    if name == "client":
        pytest.importorskip("openai")
        pytest.importorskip("httpx")
    if name == "dedup":
        pytest.importorskip("datasketch")
    if name in ("grade", "contamination"):
        pytest.importorskip("math_verify")
        pytest.importorskip("reasoning_gym")
        request.getfixturevalue("data")
    results = ROOT / "bench" / "results"
    before = {path: path.stat().st_mtime_ns for path in results.iterdir()}
    done = subprocess.run(
        [sys.executable, "-m", "bench", name, "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(LAST.format(name), done.stdout.strip().rpartition("\n")[2])
    assert {path: path.stat().st_mtime_ns for path in results.iterdir()} == before


def test_a_gate_that_fails_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from bench.outcome import Outcome, run_benchmark

    assert (
        run_benchmark(
            "other", lambda quick: Outcome(9.0, 5.0, False, 1.0, {}), quick=True
        )
        == 1
    )
    assert capsys.readouterr().out.endswith(
        "\nother ratio=9.00 target=5 rss=1 gate=FAILED\n"
    )


def test_a_target_that_is_missed_is_told_and_kept(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from bench import outcome

    monkeypatch.setattr(outcome, "RESULTS", tmp_path)
    assert (
        outcome.run_benchmark(
            "slow", lambda quick: outcome.Outcome(4.9, 5.0, True, 1.0, {}), quick=False
        )
        == 1
    )
    assert "missed: ratio 4.90, target 5" in capsys.readouterr().out
    assert '"missed"' in (tmp_path / "slow.json").read_text()
    assert (
        outcome.run_benchmark(
            "fast", lambda quick: outcome.Outcome(5.1, 5.0, True, 1.0, {}), quick=False
        )
        == 0
    )
