import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import ConfigError
from teachback.tasks.ontology import read_sentence, split_sentences
from teachback.tasks.prontoqa_answers import verify_proof
from teachback.teachers.prompts import (
    PROMPT_FIELDS,
    SHIPPED,
    Prompts,
    fill_template,
    load_prompts,
)

SETTINGS: Mapping[tuple[Literal[1, 2], bool], list[str]] = {
    (2, False): ["question", "answer"],
    (2, True): ["question", "answer", "question_with_attempt"],
    (1, False): ["pair"],
    (1, True): ["pair", "pair_with_attempt"],
}
setting = pytest.mark.parametrize(("calls", "show_attempt"), SETTINGS)
shipped = pytest.mark.parametrize("name", ["logic", "math", "neutral"])


def folder(path: Path, names: list[str], **texts: str) -> Path:
    for name in names:
        text = f"{name}: " + " ".join(
            f"{{{field}}}" for field in sorted(PROMPT_FIELDS[name])
        )
        (path / f"{name}.txt").write_text(texts.get(name, text), encoding="utf-8")
    return path


# ---- what is read


@setting
def test_a_setting_needs_its_files_and_reads_no_others(
    tmp_path: Path, calls: Literal[1, 2], show_attempt: bool
) -> None:
    needed = SETTINGS[calls, show_attempt]
    folder(
        tmp_path,
        list(PROMPT_FIELDS),
        **{name: "not {valid}" for name in PROMPT_FIELDS if name not in needed},
    )
    prompts = load_prompts(tmp_path, calls=calls, show_attempt=show_attempt)
    assert prompts.calls == calls
    assert [name for name in PROMPT_FIELDS if getattr(prompts, name) is not None] == [
        n for n in PROMPT_FIELDS if n in needed
    ]
    for name in needed:
        text = (tmp_path / f"{name}.txt").read_text(encoding="utf-8")
        assert getattr(prompts, name) == text
        (tmp_path / f"{name}.txt").write_text(text + "!", encoding="utf-8")
        assert (
            load_prompts(tmp_path, calls=calls, show_attempt=show_attempt).sha256
            != prompts.sha256
        )
        (tmp_path / f"{name}.txt").unlink()
        with pytest.raises(ConfigError, match=rf"{name}\.txt can't be read"):
            load_prompts(tmp_path, calls=calls, show_attempt=show_attempt)
        folder(tmp_path, [name])
    assert load_prompts(tmp_path, calls=calls, show_attempt=show_attempt) == prompts


def test_the_hashes_of_runs_before_there_were_settings() -> None:
    assert (
        load_prompts("math").sha256
        == "c76ccccfa59424ebd6052f6750375ade04178692eb326c7ee7b21da433415ce7"
    )
    assert (
        load_prompts("neutral").sha256
        == "562c3422f58fda72256b8328aed9606eb9bfd8820f8ecdf1b2d61a5634a11786"
    )


def test_settings_never_share_a_hash(tmp_path: Path) -> None:
    same = {
        name: " ".join(f"{{{field}}}" for field in sorted(PROMPT_FIELDS[name]))
        for name in PROMPT_FIELDS
    }
    folder(tmp_path, list(PROMPT_FIELDS), **same)
    hashes = {
        load_prompts(tmp_path, calls=calls, show_attempt=show).sha256
        for calls, show in SETTINGS
    }
    assert len(hashes) == len(SETTINGS)


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("question", "{n} {question} {seed}", "n, question, seed"),
        ("question", "{question}", "got: question\n"),
        ("question", "{n} {question} {attempt}", "attempt"),
        ("answer", "{question} {n}", "n, question"),
        ("answer", "Solve", "got: none"),
        ("pair", "{question}", "got: question\n"),
        ("question_with_attempt", "{n} {question}", "allowed: attempt, n, question"),
        ("pair_with_attempt", "{n} {question}", "allowed: attempt, n, question"),
    ],
)
def test_fields_are_checked_file_by_file(
    tmp_path: Path, name: str, text: str, wrong: str
) -> None:
    folder(tmp_path, list(PROMPT_FIELDS), **{name: text})
    with pytest.raises(ConfigError, match=wrong) as refused:
        load_prompts(
            tmp_path, calls=1 if name.startswith("pair") else 2, show_attempt=True
        )
    assert f"{name}.txt" in str(refused.value)


def test_braces_that_are_no_field_stay(tmp_path: Path) -> None:
    prompts = load_prompts(
        folder(
            tmp_path, ["answer", "question"], question="{n} {question} { a } {} {1} \\1"
        )
    )
    assert prompts.ask("q", 3) == "3 q { a } {} {1} \\1"


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one of logic, math, neutral"):
        load_prompts("maths")
    folder(tmp_path, ["question", "answer"])
    (tmp_path / "answer.txt").write_bytes(b"{question} \xff")
    with pytest.raises(ConfigError, match=r"answer\.txt can't be read"):
        load_prompts(tmp_path)


# ---- what is asked


def test_which_template_is_asked() -> None:
    two = Prompts(
        "Q {question} {n}",
        "A {question}",
        "f" * 64,
        question_with_attempt="W {question} {n} {attempt}",
    )
    assert two.ask("q", 1) == "Q q 1"
    assert two.ask("q", 1, "a") == "W q 1 a"
    assert two.solve("q") == "A q"
    one = Prompts(
        None,
        None,
        "f" * 64,
        "P {question} {n}",
        pair_with_attempt="V {question} {n} {attempt}",
    )
    assert one.ask("q", 1) == "P q 1"
    assert one.ask("q", 1, "") == "V q 1 "
    with pytest.raises(ValueError, match="another setting"):
        one.solve("q")
    with pytest.raises(ValueError, match="another setting"):
        Prompts("Q {question} {n}", "A {question}", "f" * 64).ask("q", 1, "a")


NASTY = st.lists(
    st.sampled_from(["{question}", "{n}", "{attempt}", "{", "}", "\\1", "\\g<0>", "%s"])
    | st.text()
).map("".join)


@given(
    st.lists(st.text().filter(lambda text: "{" not in text), min_size=3, max_size=3),
    NASTY,
    NASTY,
)
def test_what_is_put_in_is_data(around: list[str], question: str, attempt: str) -> None:
    template = around[0] + "{question}" + around[1] + "{attempt}" + around[2]
    assert (
        fill_template(template, question=question, attempt=attempt)
        == around[0] + question + around[1] + attempt + around[2]
    )


# ---- the shipped prompts


@shipped
@setting
def test_shipped_prompts_fit_every_setting(
    name: str, calls: Literal[1, 2], show_attempt: bool
) -> None:
    prompts = load_prompts(name, calls=calls, show_attempt=show_attempt)
    plain = prompts.ask("THE SEED", 7)
    assert "THE SEED" in plain
    assert "number 7" in plain
    assert "attempt" not in plain
    if show_attempt:
        shown = prompts.ask("THE SEED", 7, "THE ATTEMPT")
        assert "<attempt>\nTHE ATTEMPT\n</attempt>" in shown
        assert "wrongly" in shown
        assert "number 7" in shown
    assert ("<solution> and </solution>" in plain) == (calls == 1)
    assert "<question> and </question>" in plain
    form = "Answer: True" if name == "logic" else "Answer: <final answer>"
    assert form in (plain if calls == 1 else prompts.solve("THE SEED"))


@shipped
def test_nothing_else_is_shipped(name: str) -> None:
    assert {path.name for path in (SHIPPED / name).iterdir()} == {
        f"{file}.txt" for file in PROMPT_FIELDS
    }
    texts = [
        (SHIPPED / name / f"{file}.txt").read_text(encoding="utf-8")
        for file in PROMPT_FIELDS
    ]
    assert all(
        text.endswith("\n") and not re.search(r"\n\n\n|[ \t]\n", text) for text in texts
    )


def test_the_example_of_the_logic_prompts_is_right() -> None:
    two, one = load_prompts("logic"), load_prompts("logic", calls=1, show_attempt=True)
    question, text = re.search(
        r"the problem\n(.*?)\n\nhas this solution:\n(.*?)\n\n", str(two.answer), re.S
    ).groups()  # type: ignore[union-attr]
    for template in (one.pair, one.pair_with_attempt):
        assert (
            f"<question>\n{question}\n</question>\n<solution>\n{text}\n</solution>"
            in str(template)
        )
    assert verify_proof(question, text).outcome == "right"
    assert (
        verify_proof(question, text.replace("Answer: False", "Answer: True")).outcome
        == "wrong"
    )


@setting
def test_the_forms_that_the_logic_prompts_name_are_read(
    calls: Literal[1, 2], show_attempt: bool
) -> None:
    template = load_prompts("logic", calls=calls, show_attempt=show_attempt).ask(
        "q", 0, "a" if show_attempt else None
    )
    block = template.split("one of these forms, with other words:\n")[1].split("\n\n")[
        0
    ]
    forms = split_sentences(block)
    assert len(forms) == 6
    assert all(read_sentence(form) for form in forms)
