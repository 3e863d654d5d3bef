"""`auto` in the section finetune of a run: chosen at its first start, and then part of it."""

import json
from pathlib import Path
from typing import Any

import pytest

import teachback
from comparing import settings as comparison_settings
from teachback import api
from teachback.build.prepare import prepare_run
from teachback.compare.comparison import run_comparison
from teachback.config.reading import make_config
from teachback.errors import InputsChanged, StudentError
from teachback.plan.layout import MAX_COLUMNS
from teachback.plan.render import format_plan
from teachback.run.directory import Event, Run
from teachback.student.machine_memory import MachineMemory
from teachback.student.model_size import find_model_size

# So many bytes are free for each of the student's parameters.
PLENTY = 1000
LITTLE = 20  # full finetuning takes 16, and half as much again for activations
NONE = 3
FULL = {"method": "full", "lr": 5e-4, "epochs": 4, "rows_per_step": 8}
LORA = {"method": "lora", "lr": 2e-3, "epochs": 4, "rows_per_step": 8}


def make_settings(tiny: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "task": {"name": "prontoqa", "seeds": 8, "dev": 2, "test": 2},
        "student": {
            "model": str(tiny),
            "max_new_tokens": 4,
            "precision": "float32",
        },
        "per_round": 2,
        "rounds": 1,
        "machine": {"threads": 1},
        "run_dir": str(folder),
        **changes,
    }


@pytest.fixture
def set_memory(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """set_memory(n): n bytes are free for each parameter of the student."""
    parameters = find_model_size(str(tiny)).parameters
    assert parameters

    def set_memory(bytes_per_parameter: int) -> None:
        memory = MachineMemory(bytes_per_parameter * parameters, "on the GPU")
        monkeypatch.setattr(
            "teachback.build.finetune_choice.find_free_memory", lambda: memory
        )

    return set_memory


def start(tree: dict[str, Any]) -> dict[str, Any]:
    """What a start settles on."""
    config = make_config(tree)
    with Run(config.run_dir) as run, prepare_run(config, run) as prepared:
        return prepared.config.finetune.model_dump(include={*FULL})


def read_kept(folder: Path) -> dict[str, Any]:
    kept = json.loads((folder / "config.json").read_bytes())["finetune"]
    return {key: kept[key] for key in FULL}


@pytest.mark.parametrize(
    ("first", "later", "chosen"), [(PLENTY, LITTLE, FULL), (LITTLE, PLENTY, LORA)]
)
def test_a_later_start_on_another_machine_goes_on_with_the_first_choice(
    first: int, later: int, chosen: Any, tiny: Path, tmp_path: Path, set_memory: Any
) -> None:
    tree = make_settings(tiny, tmp_path / "run")
    set_memory(first)
    assert start(tree) == chosen
    set_memory(later)
    assert start(tree) == chosen
    assert read_kept(tmp_path / "run") == chosen
    # Written out, it is the same run; anything else is another one.
    assert start({**tree, "finetune": chosen}) == chosen
    with pytest.raises(InputsChanged, match=r"finetune\.epochs: 4 → 5"):
        start({**tree, "finetune": {"epochs": 5}})


def test_a_run_that_was_begun_with_numbers_keeps_them(
    tiny: Path, tmp_path: Path, set_memory: Any
) -> None:
    set_memory(LITTLE)
    former = {"method": "full", "lr": 4e-4, "epochs": 3, "rows_per_step": 8}
    start(make_settings(tiny, tmp_path / "run", finetune=former))
    assert start(make_settings(tiny, tmp_path / "run")) == former
    some = make_settings(tiny, tmp_path / "run", finetune={"lr": 4e-4})
    assert start(some) == former


def run(tree: dict[str, Any]) -> list[str]:
    """The notes of a run's start and its finetuning."""
    notes: list[str] = []

    def listen(event: Event) -> None:
        if event.kind == "note":
            notes.append(str(event.value))

    teachback.run(tree, listen=listen)
    return [note for note in notes if "lr " in note]


def test_the_choice_is_printed_once_and_trained_with(
    tiny: Path, tmp_path: Path, set_memory: Any
) -> None:
    tree = make_settings(tiny, tmp_path / "run", finetune={"epochs": 1})
    set_memory(LITTLE)
    (note,) = run(tree)
    assert note.startswith(
        "finetune: lora, lr 2.0e-3, 1 epoch, steps of 8 rows (auto: "
    )
    assert "are free on the GPU" in note
    assert run(tree) == []
    # Its directory says all, so it can be measured anywhere.
    set_memory(NONE)
    assert api.evaluate(tmp_path / "run", split="dev").n == 2


def test_what_does_not_fit_is_refused_before_anything_is_asked_or_bought(
    tiny: Path, tmp_path: Path, set_memory: Any
) -> None:
    tree = make_settings(tiny, tmp_path / "run", finetune={"method": "full"})
    set_memory(NONE)
    with pytest.raises(StudentError, match=r"would not fit the memory[\s\S]*fix: "):
        teachback.run(tree)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert not any(name.startswith("round") for name in names)
    assert "ledger.sqlite" not in names
    # With more memory the same command goes on; what is finished needs none.
    set_memory(PLENTY)
    teachback.run(tree)
    set_memory(NONE)
    teachback.run(tree)
    with pytest.raises(StudentError, match="would not fit the memory"):
        teachback.run({**tree, "rounds": 2})


def test_arms_train_as_their_base_has_chosen(
    tiny: Path, tmp_path: Path, set_memory: Any
) -> None:
    arms = {
        "on": {"criterion": "random", "finetune.restart": "continue"},
        "whole": {"criterion": "random", "finetune.method": "full"},
        "short": {"criterion": "random", "finetune.epochs": 1},
    }
    tree = comparison_settings(
        tmp_path / "c", tiny, rounds=1, arms=arms, finetune={"rows_per_step": 4}
    )

    def compare(arms: list[str], repeats: int) -> list[str]:
        notes: list[str] = []
        run_comparison(
            make_config(tree),
            arms,
            repeats,
            jobs=1,
            listen=lambda event: notes.append(str(event.value)),
        )
        return [note for note in notes if "(auto: " in note]

    set_memory(LITTLE)
    (note,) = compare(["random", "on"], 1)
    assert "lora, lr 2.0e-3, 4 epochs, steps of 4 rows" in note
    # Another machine: what was chosen holds for what is added, too.
    set_memory(PLENTY)
    notes = compare(["random", "on", "whole", "short"], 2)
    assert [note.partition(" (")[0] for note in notes] == [
        "finetune: full, lr 5.0e-4, 4 epochs, steps of 4 rows"
    ] * 2, "the arm whose method is its own"
    for repeat in ("repeat-0", "repeat-1"):
        kept = {
            arm: read_kept(tmp_path / "c" / repeat / arm)
            for arm in ("base", "random", "on", "whole", "short")
        }
        same = {**LORA, "rows_per_step": 4}
        assert kept["base"] == kept["random"] == kept["on"] == same
        assert kept["short"] == {**same, "epochs": 1}
        assert kept["whole"] == {**FULL, "rows_per_step": 4}


def test_a_comparison_is_refused_as_a_whole_if_an_arm_does_not_fit(
    tiny: Path, tmp_path: Path, set_memory: Any
) -> None:
    arms = {"whole": {"criterion": "random", "finetune.method": "full"}}
    tree = comparison_settings(
        tmp_path / "c", tiny, arms=arms, finetune={"method": "lora"}
    )
    set_memory(10)
    with pytest.raises(StudentError, match="would not fit the memory"):
        run_comparison(
            make_config(tree),
            ["random", "whole"],
            1,
            jobs=1,
            listen=lambda event: None,
        )
    assert not (tmp_path / "c").exists()


def plan_lines(tmp_path: Path, model: str, **finetune: Any) -> list[str]:
    tree = make_settings(Path(model), tmp_path / "run", finetune=finetune)
    config = make_config({**tree, "student": {"model": model}})
    lines = format_plan(api.plan(config))
    assert not [line for line in lines if len(line) > MAX_COLUMNS]
    return lines


def test_a_plan_shows_what_auto_becomes_and_what_would_go_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "teachback.build.finetune_choice.find_free_memory",
        lambda: MachineMemory(24 * 2**30, "on the GPU"),
    )
    model = "Qwen/Qwen2.5-1.5B-Instruct"
    text = " ".join(" ".join(plan_lines(tmp_path, model)).split())
    assert "finetune lora, lr 2.0e-4, 3 epochs, steps of 8 rows (auto: method" in text
    assert "1.5B parameters, LoRA from 1B on" in text
    assert "WARNING" not in text
    text = " ".join(
        " ".join(
            plan_lines(tmp_path, "Qwen/Qwen2.5-7B-Instruct", method="full", lr=4e-4)
        ).split()
    )
    assert "WARNING finetune.lr 4.0e-4 is 20 times what suits" in text
    assert "set finetune.lr: 2.0e-5, or auto" in text
    assert "WARNING finetuning would not fit the memory" in text
    assert "choose a student of up to" in text
    assert not (tmp_path / "run").exists(), "nothing is written"


def test_a_run_that_would_wreck_its_student_warns_at_its_start(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "teachback.student.training.auto_recipe.MAX_SCRATCH_PARAMETERS", 0
    )
    finetune = {**FULL, "lr": 4e-3, "epochs": 1}
    tree = make_settings(tiny, tmp_path / "run", finetune=finetune)
    (warning,) = [note for note in run_notes(tree) if "WARNING" in note]
    assert "set finetune.lr: 5.0e-4, or auto" in warning


def run_notes(tree: dict[str, Any]) -> list[str]:
    notes: list[str] = []
    teachback.run(tree, listen=lambda event: notes.append(str(event.value)))
    return notes
