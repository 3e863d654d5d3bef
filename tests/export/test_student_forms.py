"""The student of a real run, exported, and loaded by what each form is for."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

import teachback
from commands import command
from exportable import CHATML, build_student
from exporting import ExportedFolder
from teachback.errors import ConfigError
from teachback.export.exported_run import read_exported_run
from teachback.export.student.ollama import make_go_template, quote
from teachback.export.student.saved_student import read_student
from teachback.export.student.turn_texts import HARD_TEXT, find_turn_texts
from teachback.export.student.whole_folder import write_generation_config
from teachback.student.chat import Chat, prompt_ids, render_chat, render_prompt
from teachback.student.loading import LoadedStudent, load_student

SYSTEM = "Reason step by step."
MESSAGE = "Tom is a cat. Is Tom a mammal?"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_student(tmp_path_factory.mktemp("base") / "student")


@pytest.fixture(scope="module")
def lora_run(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    folder = tmp_path_factory.mktemp("lora") / "run"
    result = teachback.run(
        {
            "task": {
                "name": "prontoqa",
                "hops": [1, 1],
                "seeds": 4,
                "dev": 2,
                "test": 2,
            },
            "student": {
                "model": str(base),
                "system": SYSTEM,
                "max_new_tokens": 8,
                "precision": "float32",
            },
            "per_round": 2,
            "rounds": 1,
            "finetune": {"method": "lora", "lora_rank": 2, "epochs": 1, "lr": 0.01},
            "machine": {"threads": 1},
            "run_dir": str(folder),
        }
    )
    return result.run_dir


def find_student(run: Path) -> Path:
    return read_exported_run(run).find_student()


def compute_logits(student: LoadedStudent) -> Any:
    import torch

    ids = prompt_ids(student, Chat(SYSTEM), MESSAGE)
    with torch.inference_mode():
        return student.model(torch.tensor([ids])).logits[0]


# -- a folder of transformers ------------------------------------------------------------


def test_safetensors_is_the_student_as_transformers_loads_it(
    lora_run: Path, tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    out = tmp_path / "student"
    done = command("export", lora_run, "--to", "safetensors", "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"the system message {SYSTEM!r}: send it" in done.stdout
    model = AutoModelForCausalLM.from_pretrained(out)
    assert model.dtype == torch.float32
    assert model.generation_config.eos_token_id == 2
    tokenizer = AutoTokenizer.from_pretrained(out)
    turns = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": MESSAGE},
    ]
    ids = tokenizer.apply_chat_template(
        turns, add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    with torch.inference_mode():
        logits = model.eval()(ids).logits[0]
    expected = compute_logits(load_student(find_student(lora_run)))
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
    for path in out.iterdir():
        assert not path.is_symlink()
        assert path.stat().st_nlink == 1, "an export outlives the run"


def test_a_missing_end_token_is_added_to_the_generation_config(tmp_path: Path) -> None:
    """Else other programs would go on behind the tokenizer's own."""
    student = read_student(build_student(tmp_path, eos_token_id=0))
    path = tmp_path / "generation_config.json"
    before = json.loads(path.read_text())
    assert before["eos_token_id"] == 0
    write_generation_config(student, tmp_path)
    assert json.loads(path.read_text()) == {**before, "eos_token_id": [2, 0]}


def test_force_replaces_a_student_and_nothing_else(
    lora_run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "student"
    teachback.export(lora_run, to="safetensors", out=out)
    old = out / "model-00001-of-00002.safetensors"
    old.write_bytes(b"of a larger student")
    with pytest.raises(ConfigError, match="is there already"):
        teachback.export(lora_run, to="safetensors", out=out)
    teachback.export(lora_run, to="safetensors", out=out, force=True)
    assert not old.exists()
    (out / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigError, match=r"more than a model[\s\S]*thesis\.tex"):
        teachback.export(lora_run, to="safetensors", out=out, force=True)
    assert (out / "thesis.tex").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["student"]


# -- an adapter --------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::FutureWarning")  # peft's, of transformers
def test_the_adapter_makes_the_student_of_the_base(
    lora_run: Path, base: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel

    out = teachback.export(lora_run, to="adapter", out=tmp_path / "adapter").out
    student = load_student(base)
    before = compute_logits(student)
    with_adapter = LoadedStudent(
        PeftModel.from_pretrained(student.model, out).eval(),
        student.tokenizer,
        student.ends,
        student.device,
    )
    expected = compute_logits(load_student(find_student(lora_run)))
    after = compute_logits(with_adapter)
    torch.testing.assert_close(after, expected, rtol=0, atol=1e-4)
    assert (after - before).abs().max() > 1e-3
    assert str(base) not in (out / "adapter_config.json").read_text()


@pytest.mark.parametrize(
    ("finetune", "reason"),
    [
        ({"method": "full"}, r"got: finetune.method: full[\s\S]*--to safetensors"),
        (
            {"method": "lora", "restart": "continue"},
            r"finetune.restart: continue: each round's adapter is for the student",
        ),
    ],
)
def test_why_a_run_has_no_adapter(
    finetune: dict[str, str], reason: str, tmp_path: Path
) -> None:
    from teachback.testing import fake_run

    fake_run(tmp_path / "run", rounds=1, finetune=finetune)
    with pytest.raises(ConfigError, match=reason):
        teachback.export(tmp_path / "run", to="adapter", out=tmp_path / "adapter")


# -- gguf and ollama ---------------------------------------------------------------------


@pytest.mark.parametrize("form", ["gguf", "gguf-q8_0"])
def test_gguf_is_one_file(form: str, lora_run: Path, tmp_path: Path) -> None:
    import gguf

    done = command("export", lora_run, "--to", form, "--out", tmp_path / "s.gguf")
    assert done.returncode == 0, done.stderr
    assert "llama-server -m" in done.stdout
    formats = {t.tensor_type.name for t in gguf.GGUFReader(tmp_path / "s.gguf").tensors}
    assert ("Q8_0" in formats) == (form == "gguf-q8_0")


def test_ollama_gets_a_modelfile(lora_run: Path, tmp_path: Path) -> None:
    out = teachback.export(lora_run, to="ollama", out=tmp_path / "ollama").out
    text = (out / "Modelfile").read_text(encoding="utf-8")
    head, template, rest = re.split(r'TEMPLATE """([\s\S]*?)"""\n', text)
    assert head == "FROM ./student.gguf\n"
    assert (out / "student.gguf").stat().st_size > 10_000
    assert rest.splitlines() == [
        f'SYSTEM """{SYSTEM}"""',
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
        "PARAMETER num_predict 8",
        'PARAMETER stop "<|im_end|>"',
    ]
    student = read_student(find_student(lora_run))
    assert run_go_template(template, SYSTEM, [("user", MESSAGE)]) == render_prompt(
        student, Chat(SYSTEM), MESSAGE
    )


LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m.role }}"
    "<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
MISTRAL = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set system = messages[0].content %}"
    "{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}"
    "{% for m in rest %}{% if m.role == 'user' %}[INST] {% if loop.first and system is defined %}"
    "{{ system }}\n\n{% endif %}{{ m.content }}[/INST]{% else %} {{ m.content }}</s>{% endif %}"
    "{% endfor %}"
)
GEMMA = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('No system messages') }}{% endif %}"
    "{% for m in messages %}<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content }}<end_of_turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
BRACES = "{% for m in messages %}{{ '{{' }}{{ m.role }}}} {{ m.content }} {% endfor %}"


@pytest.mark.parametrize(
    ("template", "takes_system"),
    [(CHATML, True), (LLAMA3, True), (MISTRAL, True), (GEMMA, False), (BRACES, True)],
)
def test_the_go_template_makes_the_prompts_of_the_chat_template(
    template: str, takes_system: bool, tmp_path: Path
) -> None:
    student = read_student(build_student(tmp_path, chat_template=template))
    written = make_go_template(find_turn_texts(student, Chat()))
    turns = [("user", HARD_TEXT), ("assistant", "Yes."), ("user", MESSAGE)]
    for system in (None, *([SYSTEM, HARD_TEXT] if takes_system else [])):
        first = [{"role": "system", "content": system}] if system else []
        for n in (1, 3):
            rest = [{"role": role, "content": text} for role, text in turns[:n]]
            rendered = render_chat(student, Chat(), [*first, *rest], ask=True)
            assert run_go_template(written, system, turns[:n]) == rendered


@pytest.mark.parametrize(
    ("template", "system"),
    [
        (CHATML.replace("m.content", "m.content | upper"), None),
        (CHATML.replace("m.content", "m.content | replace('b', 'c')"), None),
        (GEMMA, SYSTEM),
    ],
)
def test_a_template_that_does_more_is_refused(
    template: str, system: str | None, tmp_path: Path
) -> None:
    student = read_student(build_student(tmp_path, chat_template=template))
    with pytest.raises(ConfigError, match=r"Ollama template[\s\S]*--to gguf"):
        find_turn_texts(student, Chat(system))


@pytest.mark.parametrize("text", ['a"""\nPARAMETER stop "x', 'say "yes"'])
def test_a_system_message_can_not_leave_its_quotes(text: str) -> None:
    with pytest.raises(ConfigError, match="can't be written into a Modelfile"):
        quote(text, "student.system")


def run_go_template(
    template: str, system: str | None, turns: list[tuple[str, str]]
) -> str:
    """What Go's text/template makes of the actions that are used here."""
    parts = re.split(r"\{\{ (.*?) \}\}", template)
    actions = list(zip([*parts[1::2], "end"], [*parts[2::2], ""], strict=True))
    text = parts[0]
    names = [action for action, _ in actions]
    loop = names.index("range .Messages")
    is_shown = True
    for action, literal in actions[:loop]:
        if action == "if .System":
            is_shown = bool(system)
        elif action in ("else", "end"):
            is_shown = action == "end" or not system
        elif is_shown:
            text += system or "" if action == ".System" else json.loads(action)
        text += literal if is_shown else ""
    text += actions[loop][1]
    for role, content in turns:
        text += run_go_turn(actions[loop + 1 :], role, content)
    return text


def run_go_turn(actions: list[tuple[str, str]], role: str, content: str) -> str:
    text, is_shown = "", True
    for action, literal in actions:
        tested = re.fullmatch(r'(?:else )?if eq \.Role "(\w+)"', action)
        if tested:
            is_shown = tested[1] == role
        elif action == "end":
            return text
        elif is_shown:
            text += content if action == ".Content" else json.loads(action)
        text += literal if is_shown else ""
    raise AssertionError("an action is not ended")


def test_a_run_of_fakes_has_no_student_to_export(
    exported: ExportedFolder, tmp_path: Path
) -> None:
    done = command(
        "export", exported.folder, "--to", "gguf", "--out", tmp_path / "s.gguf"
    )
    assert done.returncode == 2
    assert "there is no config.json" in done.stderr
