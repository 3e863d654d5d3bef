"""Folders and conversations: what is a student, and how it is spoken to."""

import shutil
from pathlib import Path

import pytest

from teachback.errors import StudentError
from teachback.student.chat import Chat, prompt_ids, row_ids
from teachback.student.folder import resolve_model
from teachback.student.loading import load_student
from teachback.testing import tiny_student

CHAT = Chat(system="Be brief.")


def test_a_training_row_has_the_prompt_of_an_attempt_and_ends_with_the_end_token(
    tiny: Path,
) -> None:
    student = load_student(tiny)
    prompt, answer = row_ids(student, CHAT, "Why?", "Because.")
    assert prompt == prompt_ids(student, CHAT, "Why?")
    assert (
        student.tokenizer.decode(prompt)
        == "<|system|>Be brief.<|end|><|user|>Why?<|end|><|assistant|>"
    )
    assert student.tokenizer.decode(answer) == "Because.<|end|>"
    assert not set(prompt_ids(student, Chat(), "Why?")) & {
        student.tokenizer.convert_tokens_to_ids("<|system|>")
    }


def test_a_template_that_rewrites_the_prompt_is_an_error_that_shows_it(
    tmp_path: Path,
) -> None:
    template = (
        "{% for m in messages %}<|{{ m['role'] }}|>"
        "{{ '' if messages | length == 1 else 'Q: ' }}{{ m['content'] }}<|end|>"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    with pytest.raises(
        StudentError, match=r"other tokens once[\s\S]*got: .*'Q'[\s\S]*allowed: .*'A'"
    ):
        load_student(tiny_student(tmp_path, chat_template=template))
    other_student = load_student(
        tiny_student(
            tmp_path / "b",
            chat_template="{% for m in messages %}{{ m['content'] }}{% if think %}?{% endif "
            "%}{% endfor %}",
        )
    )
    assert (
        other_student.tokenizer.decode(
            row_ids(other_student, Chat(options={"think": True}), "Why?", "So.")[1]
        )
        == "So.?<|end|>"
    )


def test_without_a_chat_template_a_model_is_no_student(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="has no chat template"):
        load_student(tiny_student(tmp_path, chat_template=None))


def test_names_and_folders_that_are_no_student(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="no student in"):
        load_student(tmp_path)
    with pytest.raises(StudentError, match="neither a folder nor a model of the Hub"):
        resolve_model("nothing-like-this")
    with pytest.raises(StudentError, match="could not be fetched from the Hub"):
        resolve_model("teachback-tests/there-is-no-such-model")


def test_a_folder_is_known_by_the_hash_of_its_files(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    assert resolve_model(str(copy))[1] == resolve_model(str(tiny))[1]
    (copy / "chat_template.jinja").write_text("other")
    assert resolve_model(str(copy))[1] != resolve_model(str(tiny))[1]
