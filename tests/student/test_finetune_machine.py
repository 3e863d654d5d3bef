"""What may go wrong on a machine: kills, memory, children; and what trackers are told."""

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from crashing import child, ended, running
from teachback.errors import StudentError
from teachback.student.chat import Chat
from teachback.student.loading import load_student
from teachback.student.training import layout
from teachback.student.training.batch import row_length, tokenize_rows
from teachback.student.training.finetune import Recipe, RuntimeOptions, finetune
from teachback.student.training.memory import check_memory

CHAT = Chat(system="Be brief.")
ROWS = [(f"Count to {i}.", " ".join(map(str, range(i + 1)))) for i in range(1, 14)]
RECIPE = Recipe(lr=1e-2, epochs=2, rows_per_step=4)
RUNTIME = RuntimeOptions()


def train(
    start: Path,
    folder: Path,
    recipe: Recipe = RECIPE,
    options: RuntimeOptions = RUNTIME,
    **settings: Any,
) -> Path:
    return finetune(
        start,
        ROWS,
        folder,
        chat=CHAT,
        recipe=recipe,
        seed=5,
        options=options,
        **settings,
    )


def read_weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


class Killed(Exception):
    pass


@pytest.mark.parametrize("method", ["full", "lora", "last_layers"])
def test_finetuning_resumes_from_its_last_finished_checkpoint_to_the_same_bits(
    method: Any, tiny: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"method": method, "last_layers": 1})
    unbroken = train(tiny, tmp_path / "a", recipe)

    def stop_at_5(step: int, steps: int) -> None:
        assert steps == 7
        if step == 5:
            raise Killed

    with pytest.raises(Killed):
        train(
            tiny,
            tmp_path / "b",
            recipe,
            RuntimeOptions(checkpoint_every_s=0),
            on_progress=stop_at_5,
        )
    assert [p.name for p in (tmp_path / "b/checkpoints").iterdir()] == ["checkpoint-4"]
    unfinished = tmp_path / "b/checkpoints/checkpoint-5"
    shutil.copytree(tmp_path / "b/checkpoints/checkpoint-4", unfinished)
    (unfinished / "complete").unlink()
    steps: list[int] = []
    resumed = train(
        tiny,
        tmp_path / "b",
        recipe,
        on_progress=lambda step, n_steps: steps.append(step),
    )
    assert steps == [5, 6, 7]
    assert read_weights(resumed) == read_weights(unbroken)


def limit_memory(monkeypatch: pytest.MonkeyPatch, max_tokens: int) -> list[int]:
    """Memory for so many tokens; the micro-batches that were tried."""
    compute_batch_loss = layout.compute_batch_loss
    token_counts = list[int]()

    def limited_batch_loss(model: Any, rows: Any, *arguments: Any) -> Any:
        token_counts.append(sum(len(r["prompt"]) + len(r["answer"]) for r in rows))
        if token_counts[-1] > max_tokens:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute_batch_loss(model, rows, *arguments)

    monkeypatch.setattr(
        "teachback.student.training.trainer.compute_batch_loss", limited_batch_loss
    )
    return token_counts


def test_out_of_memory_halves_the_micro_batches_once_and_gives_the_same_result(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load_student(train(tiny, tmp_path / "a")).model
    token_counts = limit_memory(monkeypatch, 100)
    notes = list[str]()
    model = load_student(
        train(
            tiny,
            tmp_path / "b",
            options=RuntimeOptions(micro_tokens=200),
            on_note=notes.append,
        )
    ).model
    assert max(token_counts) > 100
    assert sum(n > 100 for n in token_counts) == 1, (
        "the step is done again in smaller parts, and so are all that follow"
    )
    assert "out of memory: micro-batches of 100 tokens from here on" in notes
    for a, b in zip(expected.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-4, rtol=0)


def test_out_of_memory_twice_is_an_error(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_memory(monkeypatch, 60)
    with pytest.raises(
        StudentError,
        match=r"out of memory again[\s\S]*got: micro-batches of 100 tokens",
    ):
        train(tiny, tmp_path, options=RuntimeOptions(micro_tokens=200))


def test_a_student_that_does_not_fit_is_refused_with_the_numbers(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "teachback.student.training.memory.free_memory", lambda model: 1000
    )
    with pytest.raises(
        StudentError,
        match=r"would not fit the memory[\s\S]*weights 0.00, gradients[\s\S]*gradient_check",
    ):
        train(tiny, tmp_path)


MEASURING_PROGRAM = """
import sys
from pathlib import Path
from teachback.student.chat import Chat
from teachback.student.training.finetune import Recipe, RuntimeOptions, finetune
def now(name):
    return int(Path("/proc/self/status").read_text().partition(name + ":")[2].split()[0]) / 1024
peaks = []
def on_progress(done, total):
    peaks.append(now("VmHWM"))
rows = [("Why?" * 30, "Because. " * 30)] * 4
before = []
def on_note(text):
    before.append(now("VmRSS"))
    print(text, file=sys.stderr)
finetune(Path(sys.argv[1]), rows, Path(sys.argv[2]), chat=Chat(), seed=1,
         on_note=on_note, on_progress=on_progress,
         recipe=Recipe(epochs=1, rows_per_step=4, precision=sys.argv[3]),
         options=RuntimeOptions(micro_tokens=8192))
print(peaks[-1], before[0])
"""


@pytest.mark.parametrize(
    "precision", [pytest.param("float32", marks=pytest.mark.slow), "bf16"]
)
def test_the_estimate_is_near_what_a_real_run_takes(
    precision: Any, tmp_path: Path
) -> None:
    """On a student of four million parameters: estimated against the peak above what the process
    held when it began.
    """
    folder = make_wide_student(tmp_path / "wide")
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEASURING_PROGRAM, str(folder),
        str(tmp_path / "out"), precision],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    peak_mib, before_mib = map(float, result.stdout.split())
    student = load_student(folder)
    rows = tokenize_rows(student, Chat(), [("Why?" * 30, "Because. " * 30)] * 4)
    batch_layout = layout.choose_layout(student.model, rows, pack=True)
    recipe = Recipe(epochs=1, rows_per_step=4, precision=precision)
    estimate = check_memory(
        student.model, rows, batch_layout, recipe, RuntimeOptions(micro_tokens=8192)
    )
    estimated_mib = (estimate.total - estimate.weights) / 2**20
    assert estimate.tokens == 4 * row_length(rows[0])
    assert estimated_mib / 1.6 < peak_mib - before_mib < estimated_mib * 1.6, (
        f"{peak_mib - before_mib:.0f} MiB taken, {estimated_mib:.0f} estimated"
    )


def make_wide_student(folder: Path) -> Path:
    """The tiny student's tokenizer with a model large enough for its memory to be seen."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from teachback.testing import tiny_student

    config = AutoConfig.from_pretrained(tiny_student(folder))
    config.update(
        {
            "hidden_size": 256,
            "intermediate_size": 1024,
            "num_hidden_layers": 4,
            "head_dim": 64,
        }
    )
    config.update({"num_attention_heads": 4, "num_key_value_heads": 2})
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(
        folder
    )
    return folder


def test_a_child_does_the_same_and_tells_the_same(tiny: Path, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    notes: list[str] = []
    here = train(tiny, tmp_path / "a")
    there = train(
        tiny,
        tmp_path / "b",
        child=True,
        on_progress=lambda *values: progress.append(values),
        on_note=notes.append,
    )
    assert read_weights(here) == read_weights(there)
    assert progress == [(i, 7) for i in range(1, 8)]
    assert notes[0] == "rows are packed"


def test_a_childs_error_is_raised_here(tiny: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"method": "last_layers", "last_layers": 9})
    with pytest.raises(
        StudentError,
        match=r"last_layers is more than the student has[\s\S]*allowed: 1 to 2",
    ):
        train(tiny, tmp_path, recipe, child=True)


def test_a_callback_that_raises_ends_the_child(tiny: Path, tmp_path: Path) -> None:
    def raise_killed(step: int, steps: int) -> None:
        raise Killed

    before = list_children()  # other tests' workers
    with pytest.raises(Killed):
        train(
            tiny,
            tmp_path,
            RECIPE.model_copy(update={"epochs": 1000}),
            child=True,
            on_progress=raise_killed,
        )
    assert set(list_children()) <= set(before)


def test_a_finished_finetuning_leaves_no_tensor_behind(
    tiny: Path, tmp_path: Path
) -> None:
    """Nor with it the weights: a run has many rounds, a comparison many runs."""
    tensor_counts = []
    for name in "abc":
        train(tiny, tmp_path / name)
        gc.collect()
        tensor_counts.append(
            sum(issubclass(type(one), torch.Tensor) for one in gc.get_objects())
        )
    assert tensor_counts[1:] == tensor_counts[:1] * 2


def test_a_child_does_not_outlive_a_killed_parent(tiny: Path, tmp_path: Path) -> None:
    def touch(*values: int) -> None:
        (tmp_path / "training").touch()

    parent = child(
        lambda: train(
            tiny,
            tmp_path,
            RECIPE.model_copy(update={"epochs": 100000}),
            child=True,
            on_progress=touch,
        )
    )
    deadline = time.monotonic() + 90
    while not (tmp_path / "training").exists():
        assert running(parent)
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (trainer,) = list_children(parent)
    os.kill(parent, signal.SIGKILL)
    assert ended(parent) == -signal.SIGKILL
    while is_alive(trainer):
        assert time.monotonic() < deadline, "it runs on"
        time.sleep(0.02)


def list_children(parent: int | None = None) -> list[int]:
    return [
        int(c)
        for p in Path(f"/proc/{parent or os.getpid()}/task").iterdir()
        for c in (p / "children").read_text().split()
    ]


def is_alive(pid: int) -> bool:
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


def test_trackers_are_told_the_loss_of_every_step(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import TrainerCallback
    from transformers.integrations import integration_utils

    losses: list[float] = []

    class Tracker(TrainerCallback):
        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            losses.extend([logs["loss"]] if "loss" in logs else [])

    monkeypatch.setitem(
        integration_utils.INTEGRATION_TO_CALLBACK, "tensorboard", Tracker
    )
    train(tiny, tmp_path / "a", options=RuntimeOptions(report_to=("tensorboard",)))
    assert len(losses) == 7
    assert float(losses[-1]) < float(losses[0])
    losses.clear()
    train(tiny, tmp_path / "b")
    assert losses == []
