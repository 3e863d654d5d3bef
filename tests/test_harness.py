"""The comparison with lm-eval: it explains a difference only by what is proven.

Tests that need lm-eval are slow: importing it alone takes longer than all the others.
"""

import importlib
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from teachback.student.attempt import summarise_attempt
from teachback.student.chat import Chat, prompt_ids
from teachback.student.decode import decode_batch
from teachback.student.inference import load_for_inference
from teachback.student.loading import load_student
from teachback.tasks import gsm8k
from teachback.types import Example, Grade

ROOT = Path(__file__).parents[1]
ONE = Example(
    "one",
    "How much does she make?",
    "18",
    "She sells 9 eggs at $2.\n9 * 2 = <<9*2=18>>18\n#### 18",
)
LAST = r"harness ratio=1\.00 target=1 rss=\d+ gate=ok"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.syspath_prepend(ROOT)
    names = ("reasons", "rewritten", "harness", "process")
    return SimpleNamespace(
        **{name: importlib.import_module(f"bench.{name}") for name in names}
    )


@pytest.mark.parametrize(
    ("text", "filter", "read", "theirs", "reason"),
    [
        ("Answer: 18", "strict-match", "[invalid]", False, "only hashes"),
        ("#### $18", "strict-match", "[invalid]", False, "bare digits"),
        ("#### 19\nNo:\n#### 18", "strict-match", "19", False, "first hashes"),
        ("#### 18\nNo:\n#### 19", "strict-match", "18", True, "first hashes"),
        ("#### 18\nNo.\nAnswer: 19", "strict-match", "18", True, "first hashes"),
        ("#### 18.00", "strict-match", "18.00", False, "as text"),
        ("#### 18 dozen", "strict-match", "18", True, "a part"),
        ("Answer: 36/2", "flexible-extract", "2", False, "a part"),
        ("Answer: - 18", "flexible-extract", "18", True, "a part"),
        ("Answer: 19 or 18", "flexible-extract", "18", True, "a part"),
        ("Answer: $18.00", "flexible-extract", "$18.00", False, "as text"),
        (r"It is $\boxed{18}$.", "flexible-extract", "$.", False, "punctuation"),
        ("Answer: 18\nIn 2 days.", "flexible-extract", "2", False, "later number"),
        (
            "Answer: 19\nFirst I had 18.",
            "flexible-extract",
            "18.",
            True,
            "later number",
        ),
        ("So she makes 18.", "flexible-extract", "18.", True, "no mark"),
    ],
)
def test_a_difference_has_its_reason(
    bench: SimpleNamespace, text: str, filter: str, read: str, theirs: bool, reason: str
) -> None:
    ours = gsm8k.NUMBER_GRADER.grade(ONE, text)
    assert (
        bench.reasons.find_reason(
            bench.reasons.Case("18", text, ours, filter, read, theirs)
        )
        == reason
    )


@pytest.mark.parametrize(
    ("text", "filter", "read", "theirs"),
    [
        (
            "Answer: 18",
            "strict-match",
            "18",
            False,
        ),  # it read something that isn't there
        (
            "#### 18",
            "strict-match",
            "18",
            False,
        ),  # it read what ours did, and calls it wrong
        ("#### 18", "strict-match", "[invalid]", False),
        ("#### 19", "strict-match", "19", True),
        ("Answer: 18", "flexible-extract", "18", False),
        (
            "In 2 days.\nAnswer: 18",
            "flexible-extract",
            "2",
            False,
        ),  # not the last number
        ("Answer: 19", "flexible-extract", "18", True),
    ],
)
def test_what_no_reason_explains_fails(
    bench: SimpleNamespace, text: str, filter: str, read: str, theirs: bool
) -> None:
    r = bench.reasons
    ours = gsm8k.NUMBER_GRADER.grade(ONE, text)
    other = next(name for name in r.FILTERS if name != filter)
    judged = r.PeerVerdict(
        "", text, {filter: (read, theirs), other: ("", ours.outcome == "right")}
    )
    (found,) = r.find_differences([r.Row("one", "18", text, ours, judged)])
    assert (found.filter, found.reason) == (filter, None)
    assert r.summarise([found.row])["differences"][filter]["UNEXPLAINED"]["count"] == 1


def test_a_cut_answer_is_told_before_anything_else(bench: SimpleNamespace) -> None:
    case = bench.reasons.Case(
        "18", "Answer: 18", Grade("truncated"), "flexible-extract", "18", True
    )
    assert bench.reasons.find_reason(case) == "cut off"


@pytest.mark.parametrize(
    ("theirs", "gap", "reason", "at"),
    [
        ("First. ", 5.0, "stop string", 7),
        ("First. Answer: 2", 1e-4, "near tie", 7),
        ("First. Answer: 2", 0.1, None, 7),
        ("First. Question", 0.1, None, 15),  # cut, but not at the stop string
    ],
)
def test_texts_part_for_a_reason(
    bench: SimpleNamespace, theirs: str, gap: float, reason: str | None, at: int
) -> None:
    r = bench.reasons
    row = r.Row(
        "one",
        "18",
        "First. Question: Answer: 1",
        Grade("wrong"),
        r.PeerVerdict("", theirs, {}),
    )
    found = r.describe_parting(row, ["Question:", "</s>"], gap)
    assert (found["reason"], found["at"]) == (reason, at)


def test_verdicts_on_different_texts_are_not_compared(bench: SimpleNamespace) -> None:
    r = bench.reasons
    judged = r.PeerVerdict("", "Answer: 18", dict.fromkeys(r.FILTERS, ("18", True)))
    found = [
        *r.find_differences(
            [r.Row("one", "18", "Answer: 19", Grade("wrong", "19"), judged)]
        )
    ]
    assert [one.reason for one in found] == ["other text", "other text"]


def test_our_grader_says_what_is_meant_of_every_form(
    bench: SimpleNamespace, data: Path
) -> None:
    task = gsm8k.load_gsm8k(path=data, seeds=1, dev=1, test=200, seed=0)
    forms = [
        (e, form)
        for e in task.test
        if e.answer != "0"
        for form in bench.rewritten.solution_forms(e)
    ]
    assert len(forms) > 6000
    for example, form in forms:
        if form.verdict != "open":
            assert (task.grade(example, form.text).outcome == "right") == (
                form.verdict == "right"
            ), form


def test_mistakes_are_counted_for_the_judge_that_makes_them(
    bench: SimpleNamespace,
) -> None:
    r, w = bench.reasons, bench.rewritten
    judged = r.PeerVerdict(
        "", "", {"strict-match": ("[invalid]", False), "flexible-extract": ("18", True)}
    )
    forms = [
        w.Form("good", "right", ""),
        w.Form("bad", "wrong", ""),
        w.Form("so so", "open", ""),
    ]
    rows = [r.Row(form.name, "18", "", Grade("right", "18"), judged) for form in forms]
    found = w.count_mistakes(forms, rows)
    assert found == {
        "ours": {"bad": 1},
        "strict-match": {"good": 1},
        "flexible-extract": {"bad": 1},
    }
    assert w.count_by_form(forms, rows)["good"] == {
        "meant": "right", "texts": 1, "ours": 1, "strict-match": 0, "flexible-extract": 1
    }  # fmt: skip


def test_the_gap_is_of_the_token_where_the_texts_part(
    bench: SimpleNamespace, tiny: Path
) -> None:
    import torch

    student = load_for_inference(tiny)
    prompt = prompt_ids(student, Chat(), "How many?")
    (decoded,) = decode_batch(student, [prompt], 12)
    text = summarise_attempt(student, "one", decoded, ()).text
    shared = student.tokenizer.decode(decoded.tokens[:5], skip_special_tokens=True)
    assert text.startswith(shared)
    assert text != shared
    with torch.inference_mode():
        logits = (
            load_student(tiny)
            .model(torch.tensor([[*prompt, *decoded.tokens]]))
            .logits[0, len(prompt) - 1 :]
        )
    top = logits.topk(2).values
    steps = [float(a - b) for a, b in top.tolist()]
    assert bench.harness.logit_gap(
        student, prompt, decoded, f"{shared}\x00"
    ) == pytest.approx(steps[5], abs=1e-4)
    assert bench.harness.logit_gap(student, prompt, decoded, "\x00") == pytest.approx(
        steps[0], abs=1e-4
    )


@pytest.mark.parametrize(
    ("prompt", "read", "meant", "ratio", "same"),
    [
        (7, "18", "right", 1.0, True),
        (8, "18", "right", 1.0, False),  # asked otherwise
        (7, "19", "right", 0.0, False),  # a difference that nothing explains
        (7, "18", "wrong", 1.0, False),  # our own mistake
    ],
)
def test_the_gate(
    bench: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    prompt: int,
    read: str,
    meant: str,
    ratio: float,
    same: bool,
) -> None:
    h = bench.harness
    monkeypatch.setattr(
        h, "version", lambda name: "1"
    )  # the peer need not be installed
    judged = h.PeerVerdict(
        "",
        "#### 18",
        {"strict-match": (read, read == "18"), "flexible-extract": ("18", True)},
    )
    row = h.Row("one", "18", "#### 18", Grade("right", "18", True), judged)
    their = h.PeerResults([judged], [[prompt]], {}, [], [judged])
    form = bench.rewritten.Form("one", meant, "#### 18")
    found = h.make_outcome(
        {}, {"ours": 1.0}, h.OurResults([], [[7]], {}, 1.0), their, [row], [row], [form]
    )
    assert (found.ratio, found.same) == (ratio, same)


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("lm_eval") is None, reason="needs lm-eval, of the extra bench"
)
def test_lm_eval_grades_by_its_own_task_file(bench: SimpleNamespace) -> None:
    texts = ["#### 1,018.", "#### $1018", "1018 eggs in 2 days", "nothing"]
    docs = [
        bench.harness.Doc("How many eggs?", "9 * 2 + 1000 = 1018\n#### 1,018")
    ] * len(texts)
    config = bench.process.run_fresh(bench.harness.lm_eval_config, 8)
    assert config["task"] == "gsm8k"
    given = bench.harness.FixedAnswers(texts)
    judged, accuracy = bench.process.run_fresh(
        bench.harness.evaluate_docs, given, config, docs, False
    )
    assert [one.extracts["strict-match"] for one in judged] == [
        ("1,018.", True), ("[invalid]", False), ("[invalid]", False), ("[invalid]", False)
    ]  # fmt: skip
    assert [one.extracts["flexible-extract"] for one in judged] == [
        ("1,018.", True), ("$1018", True), ("2", False), ("[invalid]", False)
    ]  # fmt: skip
    assert accuracy == {"strict-match": 0.25, "flexible-extract": 0.5}


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("lm_eval") is None, reason="needs lm-eval, of the extra bench"
)
def test_quick(data: Path) -> None:
    results = ROOT / "bench" / "results"
    before = {path: path.stat().st_mtime_ns for path in results.iterdir()}
    done = subprocess.run(
        [sys.executable, "-m", "bench", "harness", "--quick"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.fullmatch(LAST, done.stdout.strip().rpartition("\n")[2])
    assert {path: path.stat().st_mtime_ns for path in results.iterdir()} == before
