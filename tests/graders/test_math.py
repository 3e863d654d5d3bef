"""The `math` grader: no wrong yes, no answer that hangs the run, no process left behind.

About 20 s: a new process loads sympy for a second, and some 15 are started here.
"""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teachback.errors import ConfigError
from teachback.graders import math, math_pool
from teachback.graders.math import MATH_GRADER
from teachback.graders.math_text import math_key
from teachback.types import Example

pytest.importorskip("math_verify")
PAIRS = (
    Path(__file__).with_name("math_pairs.txt").read_text(encoding="utf-8").split("\n")
)
HANGS = ["9**9**9", "9^{9^{9}}", "((100!)!)!", r"\left(10^{10^{10}}\right)!"]


def outcome(gold: str, answer: str, question: str = "") -> str:
    return MATH_GRADER.grade(
        Example("x", question, gold), rf"So it is $\boxed{{{answer}}}$."
    ).outcome


@pytest.mark.parametrize(
    "pair", [line for line in PAIRS if line and not line.startswith("#")]
)
def test_pairs(pair: str) -> None:
    gold, answer, expected, *question = pair.split(" @ ")
    assert outcome(gold, answer, *question) == expected


@pytest.mark.parametrize(
    ("text", "expected", "answer"),
    [
        (r"\boxed{4}. No: \boxed{\frac{3}{4}}", "right", r"\frac{3}{4}"),
        ("Answer: 3/4", "right", "3/4"),
        ("#### 0.75", "right", "0.75"),
        (r"it is \fbox{0.75}", "right", "0.75"),
        (r"it is $\boxed 4$, so", "wrong", "4"),
        (r"\boxed{0.75}" + "\n\nNote: the answer is a common one.", "right", "0.75"),
        (r"\boxed{4}" + "\n\nAnswer: 0.75", "right", "0.75"),
        ("it is 3/4", "unparsed", None),
        (r"so \boxed{\frac{3}{4}", "unparsed", None),
        (r"\boxed{\frac{3}{4 + }}", "unparsed", r"\frac{3}{4 + }"),
        (r"\boxed{" + "1+" * 5_000_000 + "1}", "unparsed", None),
    ],
)
def test_the_final_answer_of_a_text(
    text: str, expected: str, answer: str | None
) -> None:
    grade = MATH_GRADER.grade(Example("x", "", r"\frac34"), text)
    assert (grade.outcome, grade.answer, grade.answer_right) == (
        expected,
        answer,
        expected == "right",
    )
    assert (grade.reason is None) == (expected == "right")


def test_a_rows_own_solution_is_read_by_its_last_box() -> None:
    """As MATH's gold answers are: they may be a part of what is written, or one of two."""
    solution = r"Hence $t = \boxed{3}$ or $t = \boxed{4}$."
    own = Example("x", "", "4", solution)
    assert MATH_GRADER.grade(own, solution).outcome == "right"
    assert MATH_GRADER.grade(own, solution.replace("Hence", "So")).outcome == "wrong"
    assert (
        MATH_GRADER.grade(own, r"$t = \boxed{3}$, twice $\boxed{4}$").outcome != "right"
    )


@pytest.mark.parametrize("power", [60, 400])
def test_numbers_that_differ_by_very_little_differ(power: int) -> None:
    pairs = [
        ("0", f"10^{{-{power}}}"),
        (f"10^{{-{power}}}", f"10^{{-{power + 1}}}"),
        (f"10^{{{power}}}", rf"\sqrt{{10^{{{2 * power}}}+1}}"),
        (r"\sqrt{2}", rf"\sqrt{{2+10^{{-{power}}}}}"),
        ("(0,1)", f"(10^{{-{power}}},1)"),
    ]
    assert [outcome(*pair) for pair in pairs] == ["wrong"] * len(pairs)
    assert outcome(rf"\frac{{1}}{{10^{{{power}}}}}", f"10^{{-{power}}}") == "right"


def test_parse_says_whether_there_is_something_to_compare() -> None:
    texts = (
        r"\boxed{\frac12}",
        r"\boxed{\text{east}}",
        r"\boxed{(1,2]}",
        r"\boxed{\frac{1}{}",
        r"\boxed{1/0}",
        "no",
    )
    said = [MATH_GRADER.parse("", text) for text in texts]
    assert [grade.outcome for grade in said] == ["right"] * 3 + ["unparsed"] * 3
    assert not any(grade.answer_right for grade in said)


def test_equal_text_needs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(math, "ask_math_worker", lambda *given: pytest.fail("asked"))
    assert outcome(r"\left( 3, \dfrac{\pi}{2} \right)", r"(3,\frac\pi2)") == "right"
    assert outcome(r"9^{9^{9^9}}", r"9^{9^{9^9}}") == "right"


@pytest.mark.parametrize(
    ("answer", "deadline"), [*zip(HANGS, (0.3, 2.0, 0.3, 0.3), strict=True)]
)
def test_an_answer_that_hangs_times_out(
    answer: str, deadline: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert math.DEADLINE_S == 2.0
    monkeypatch.setattr(math, "DEADLINE_S", deadline)
    assert (
        outcome("5", "5.0") == "right"
    )  # a worker is there: starting one is not part of the deadline
    started = time.monotonic()
    grade = MATH_GRADER.grade(Example("x", "", "5"), rf"\boxed{{{answer}}}")
    assert deadline <= time.monotonic() - started < deadline + 0.5
    assert (grade.outcome, grade.reason) == (
        "timed_out",
        f"not decided within {deadline:g} s",
    )


def test_the_worker_is_dead_afterwards_and_the_next_is_new() -> None:
    late = math_pool.ask_math_worker("5", HANGS[1], "", 0.2)
    assert (late.outcome, alive(late.pid)) == ("late", False)
    after = math_pool.ask_math_worker("5", "4+1", "", 2.0)
    assert after.outcome == "yes"
    assert after.pid != late.pid
    assert (
        math_pool.ask_math_worker("5", "3+2", "", 2.0).pid == after.pid
    )  # and it is kept
    os.kill(after.pid, 9)
    assert math_pool.ask_math_worker("5", "6-1", "", 2.0).outcome == "yes"


def test_neighbours_keep_their_verdicts() -> None:
    asked = [
        ("5", HANGS[1], "timed_out"),
        *((str(n), f"{n - 1} + {1 + n % 2}", "") for n in range(40)),
    ]
    said: dict[int, str] = {}
    lanes = [range(lane, len(asked), 4) for lane in range(4)]

    def grade(lane: range) -> None:
        for at in lane:
            said[at] = outcome(asked[at][0], asked[at][1])

    threads = [threading.Thread(target=grade, args=(lane,)) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said[0] == "timed_out"
    assert [said[n + 1] for n in range(40)] == [
        "wrong" if n % 2 else "right" for n in range(40)
    ]
    assert len(math_pool.MATH_POOL.idle) <= math_pool.MAX_WORKERS


def alive(pid: int) -> bool:
    """A zombie that its new parent has not reaped yet counts as dead."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


def script(tmp_path: Path, code: str) -> "subprocess.Popen[str]":
    path = tmp_path / "script.py"
    path.write_text(code)
    source = str(Path(math.__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": source}
    return subprocess.Popen(
        [sys.executable, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_no_worker_outlives_a_killed_parent(tmp_path: Path) -> None:
    code = """
from teachback.graders.math_pool import MATH_POOL
idle, busy = MATH_POOL.take_worker(), MATH_POOL.take_worker()
print(idle.process.pid, busy.process.pid, flush=True)
busy.ask({"gold": "5", "answer": "9^{9^{9}}", "question": ""}, 2.0)
"""
    with script(tmp_path, code) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        time.sleep(0.3)
        assert [alive(pid) for pid in pids] == [True, True]
        parent.kill()
    until = time.monotonic() + 6
    while any(alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert [alive(pid) for pid in pids] == [False, False]


def test_a_script_without_a_main_guard_that_forks_after_threads(tmp_path: Path) -> None:
    code = """
import os, threading
from teachback.graders.math import MATH_GRADER
from teachback.types import Example
def grade():
    grade = MATH_GRADER.grade(Example("x", "", "5"), "Answer: 4+1")
    print(os.getpid() == parent, grade.outcome, flush=True)
parent = os.getpid()
thread = threading.Thread(target=grade)
thread.start()
thread.join()
if (child := os.fork()) == 0:
    grade()
    os._exit(0)
os.waitpid(child, 0)
grade()
"""
    with script(tmp_path, code) as process:
        out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == ("True right\nFalse right\nTrue right\n", 0)


def test_memory_is_a_limit_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        math_pool,
        "WORKER_COMMAND",
        "from teachback.graders import math_worker as w;"
        " w.MAX_MEMORY_BYTES = 2**28; w.serve_comparisons()",
    )
    pool = math_pool.MathWorkerPool(1)
    monkeypatch.setattr(math, "ask_math_worker", pool.ask)
    grade = MATH_GRADER.grade(
        Example("x", "", "(a+b+c+d+f)^{60} + 1"), r"\boxed{(a+b+c+d+f)^{60}}"
    )
    assert (grade.outcome, grade.reason) == ("timed_out", "out of memory")
    assert pool.idle == []


def test_math_verify_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "math_verify", None)
    with pytest.raises(ConfigError, match=r"pip install 'teachback\[math\]'"):
        outcome("5", "4+1")


PIECES = (
    r"\frac \sqrt { } ( ) [ ] \left \right , ; = < \le \in 1 23 0.5 x ** ^ _ \text{cm} \pm "
    r"\cup \% $ \\ & ! - + \boxed{"
)
ANSWERS = st.lists(
    st.sampled_from([*PIECES.split(), " ", "\n", "\ud800", "é"]), max_size=12
).map("".join)


@given(ANSWERS, ANSWERS)
@settings(max_examples=60)
def test_any_text_gets_an_outcome(gold: str, answer: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(math, "DEADLINE_S", 0.5)
        grade = MATH_GRADER.grade(Example("x", "", gold), f"Answer: {answer}")
        assert grade.outcome in ("right", "wrong", "unparsed", "timed_out")
        assert (
            (grade.outcome == "right") == grade.answer_right == (grade.reason is None)
        )
        if grade.outcome == "right" and grade.answer is not None:
            assert MATH_GRADER.parse(
                "", f"Answer: {grade.answer}"
            ).outcome == "right" or math_key(gold) == math_key(grade.answer)


def test_hostile_text_is_tidied_in_no_time() -> None:
    started = time.monotonic()
    for piece in (
        "{",
        "(",
        "**",
        "1,",
        r"\text{",
        r"\text{a}",
        "9 ",
        r"\boxed{",
        r"\frac",
        "=",
        "$",
        "a_",
        " ",
        "\\",
    ):
        math_key(piece * (2000 // len(piece)))
    assert time.monotonic() - started < 2
