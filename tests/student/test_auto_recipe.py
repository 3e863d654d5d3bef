"""`auto` in the section finetune: what suits the student's size and the memory at hand."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import StudentError
from teachback.student.machine_memory import (
    MachineMemory,
    find_free_memory,
    read_available_bytes,
)
from teachback.student.model_size import describe_parameters, find_model_size
from teachback.student.training.auto_recipe import (
    SIZE_CLASSES,
    choose_recipe,
    find_recipe_warning,
    find_size_class,
    format_lr,
)
from teachback.student.training.fit import check_fit, find_misfit
from teachback.student.training.recipe import FinetuneSettings

GIB = 2**30
DOCS = Path(__file__).parents[2] / "docs"
LAPTOP = MachineMemory(16 * GIB, "in memory")
H200 = MachineMemory(140 * GIB, "on the GPU")
AUTO = FinetuneSettings()


def choose(
    parameters: float | None, memory: MachineMemory = LAPTOP, **settings: Any
) -> tuple[object, ...]:
    size = None if parameters is None else int(parameters)
    chosen, _ = choose_recipe(FinetuneSettings(**settings), size, memory, "float32")
    return chosen.method, chosen.lr, chosen.epochs, chosen.rows_per_step


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (0.45e6, ("full", 5e-4, 4, 8)),  # the study's student
        (134.5e6, ("full", 1.5e-4, 3, 2)),  # SmolLM2-135M
        (494e6, ("full", 5e-5, 3, 4)),  # Qwen2.5-0.5B
        (1.54e9, ("lora", 2e-4, 3, 8)),
        (7.6e9, ("lora", 2e-4, 3, 8)),
        (65e9, ("lora", 1e-4, 3, 8)),
        (None, ("lora", 2e-4, 3, 8)),
    ],
)
def test_auto_is_by_size(
    parameters: float | None, expected: tuple[object, ...]
) -> None:
    assert choose(parameters) == expected


@pytest.mark.parametrize(
    ("parameters", "lr"), [(1.54e9, 2e-5), (7.6e9, 2e-5), (14e9, 2e-5), (70e9, 1e-5)]
)
def test_full_finetuning_of_a_large_student_takes_a_small_rate(
    parameters: float, lr: float
) -> None:
    assert choose(parameters, H200, method="full")[:2] == ("full", lr)


def test_a_student_that_does_not_fit_in_full_gets_an_adapter_and_the_reason() -> None:
    phone = MachineMemory(6 * GIB, "on the GPU")
    chosen, reason = choose_recipe(AUTO, int(494e6), phone, "float32")
    assert (chosen.method, chosen.lr) == ("lora", 2e-4)
    assert "full finetuning takes about 11.0 GiB and 6.0 GiB are free on" in reason
    _, reason = choose_recipe(AUTO, int(494e6), LAPTOP, "float32")
    assert reason == (
        "full, lr 5.0e-5, 3 epochs, steps of 4 rows (auto: method, lr, epochs, rows_per_step; "
        "494M parameters, full finetuning takes about 11.0 GiB, 16.0 GiB are free in memory)"
    )
    unknown = MachineMemory(None, "in memory")
    assert choose_recipe(AUTO, int(494e6), unknown, "bf16").settings.method == "full"


def test_what_is_written_stays() -> None:
    written = {"method": "lora", "lr": 3e-3, "epochs": 7, "rows_per_step": 1}
    settings = FinetuneSettings(**written)
    assert choose_recipe(settings, None, LAPTOP, "bf16") == (settings, "")
    for key, value in written.items():
        chosen, reason = choose_recipe(
            FinetuneSettings(**{key: value}), int(135e6), LAPTOP, "bf16"
        )
        assert getattr(chosen, key) == value
        assert not chosen.open_keys
        assert key not in reason.partition("auto: ")[2].partition(";")[0].split(", ")


@given(st.floats(1, 1e12), st.integers(0, 2**40), st.sampled_from(["float32", "bf16"]))
def test_every_size_and_memory_has_a_recipe(
    parameters: float, free: int, precision: Any
) -> None:
    memory = MachineMemory(free, "on the GPU")
    chosen, _ = choose_recipe(AUTO, int(parameters), memory, precision)
    assert chosen.make_recipe(precision).lr == chosen.lr
    assert not find_recipe_warning(chosen, int(parameters)), "auto never wrecks"
    misfit = find_misfit(chosen.chosen_method, int(parameters), memory, precision)
    if chosen.method == "full":
        assert misfit is None
    more = MachineMemory(2 * free, "on the GPU")
    if misfit is None:
        assert (
            find_misfit(chosen.chosen_method, int(parameters), more, precision) is None
        )


@pytest.mark.parametrize(
    ("settings", "parameters", "number"),
    [
        ({"method": "full", "lr": 4e-4}, 7.6e9, "2.0e-5"),
        ({"method": "full", "lr": 2e-4}, 32e9, "1.0e-5"),
        ({"method": "last_layers", "lr": 1e-3}, 1.5e9, "2.0e-5"),
        ({"method": "lora", "lr": 2e-3}, 7.6e9, "2.0e-4"),
        ({"method": "full", "lr": 4e-4}, 494e6, "5.0e-5"),
        ({"method": "full", "lr": 1e-3}, 134.5e6, "1.5e-4"),
    ],
)
def test_what_wrecks_a_student_is_said_with_the_number_to_use(
    settings: dict[str, Any], parameters: float, number: str
) -> None:
    chosen, _ = choose_recipe(
        FinetuneSettings(**settings), int(parameters), H200, "bf16"
    )
    warning = find_recipe_warning(chosen, int(parameters))
    assert f"set finetune.lr: {number}, or auto" in warning
    assert format_lr(settings["lr"]) in warning
    assert isinstance(yaml.safe_load(number), float), "YAML reads it as a number"


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({"method": "full", "lr": 4e-4}, 134.5e6),
        ({"method": "full", "lr": 2e-5}, 7.6e9),
        ({"method": "full", "lr": 1.0}, 1e6),  # made from scratch
        ({"method": "full", "lr": 1.0}, None),
        ({"method": "lora", "lr": 5e-4}, 7.6e9),
    ],
)
def test_what_is_known_to_work_or_unknown_is_no_warning(
    settings: dict[str, Any], parameters: float | None
) -> None:
    size = None if parameters is None else int(parameters)
    chosen, _ = choose_recipe(FinetuneSettings(**settings), size, H200, "bf16")
    assert find_recipe_warning(chosen, size) == ""


def test_no_recipe_warns_and_the_study_is_within_the_table() -> None:
    packaged = int(134.5e6)
    for path in (DOCS.parent / "recipes").glob("*.yaml"):
        config = yaml.safe_load(path.read_text())
        size = find_model_size(config["student"]["model"])
        parameters = size.parameters or packaged
        chosen, _ = choose_recipe(
            FinetuneSettings(**config["finetune"]), parameters, H200, "bf16"
        )
        assert find_recipe_warning(chosen, parameters) == "", path.name


def test_what_does_not_fit_is_refused_with_what_would() -> None:
    card = MachineMemory(80 * GIB, "on the GPU")
    with pytest.raises(StudentError) as refused:
        check_fit("full", int(7.6e9), card, "bf16")
    text = str(refused.value)
    assert "full finetuning of 7.6B parameters in bf16 takes 127.4 GiB" in text
    assert "80.0 GiB, which are free on the GPU" in text
    assert "set finetune.method: lora (42.5 GiB)" in text
    assert "a student of up to 9.54B parameters (lora)" in text
    with pytest.raises(StudentError, match=r"choose a student of up to 1\.4.B param"):
        check_fit("lora", int(7.6e9), LAPTOP, "float32")
    check_fit("full", int(3e9), card, "bf16")
    check_fit("full", None, card, "bf16")
    check_fit("full", int(3e12), MachineMemory(None, "in memory"), "bf16")


def test_qlora_is_named_only_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "teachback.student.training.fit.find_spec"
    for is_installed in (True, False):
        monkeypatch.setattr(name, lambda module, answer=is_installed: answer or None)
        card = MachineMemory(60 * GIB, "on the GPU")
        text = str(find_misfit("full", int(7.6e9), card, "float32"))
        assert ("finetune.method: qlora (32.6 GiB)" in text) == is_installed
    text = str(find_misfit("full", int(7.6e9), LAPTOP, "float32"))
    assert "qlora" not in text


def test_the_memory_is_what_is_free_here_and_what_a_container_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_free_memory().free
    limit = tmp_path / "memory.max"
    monkeypatch.setattr("teachback.student.machine_memory.CGROUP_LIMIT", limit)
    free = read_available_bytes()
    assert free
    limit.write_text("max\n")
    assert read_available_bytes()
    limit.write_text("1048576\n")
    assert read_available_bytes() == 1048576


def save_header(path: Path, **shapes: list[int]) -> None:
    """A file of weights without the weights: reading them would fail."""
    tensors = {
        name: {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]}
        for name, shape in shapes.items()
    }
    header = json.dumps({"__metadata__": {"format": "pt"}, **tensors}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def test_a_size_is_read_from_headers_alone_and_counts_no_weight_twice(
    tmp_path: Path,
) -> None:
    parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    save_header(tmp_path / parts[0], a=[1000, 1000])
    save_header(tmp_path / parts[1], b=[500, 1000], c=[7])
    assert find_model_size(str(tmp_path)).parameters == 1_500_007
    # The same weights once more, as Mistral's own code names them.
    save_header(tmp_path / "consolidated.safetensors", a=[1000, 1000], b=[500, 1000])
    index = {"weight_map": {"a": parts[0], "b": parts[1], "c": parts[1]}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert find_model_size(str(tmp_path)).parameters == 1_500_007
    # transformers takes the whole file first.
    save_header(tmp_path / "model.safetensors", a=[10, 10])
    assert find_model_size(str(tmp_path)).parameters == 100


def test_a_model_of_the_hub_is_counted_where_it_was_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    name, commit = "org/small-7B", "0123456789abcdef0123456789abcdef01234567"
    assert find_model_size(name).source == "from the name: 7B"
    folder = tmp_path / "models--org--small-7B"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs/main").write_text(commit)
    snapshot = folder / "snapshots" / commit
    snapshot.mkdir(parents=True)
    save_header(snapshot / "model.safetensors", a=[30, 10])
    assert find_model_size(name).parameters == 300


@pytest.mark.parametrize(
    "content", [b"", b"\x10", b"\xff" * 8, b"\x02" + 7 * b"\0" + b"[]"]
)
def test_a_damaged_file_of_weights_leaves_the_size_unknown(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert find_model_size(str(tmp_path)).parameters is None


def test_without_weights_the_config_tells_the_size(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((tiny / "config.json").read_bytes())
    size = find_model_size(str(tmp_path))
    assert size.parameters == find_model_size(str(tiny)).parameters
    assert size.source == "by its config.json"
    (tmp_path / "config.json").write_text("{}")
    assert find_model_size(str(tmp_path)).parameters is None


def test_the_docs_have_the_table() -> None:
    text = (DOCS / "students.md").read_text(encoding="utf-8")
    for size in SIZE_CLASSES:
        cells = [
            size.method,
            format_lr(size.full_lr),
            format_lr(size.lora_lr),
            str(size.epochs),
            str(size.rows_per_step),
        ]
        assert f" | {' | '.join(cells)} |" in text
    assert find_size_class(1e15) is SIZE_CLASSES[-1]


def test_sizes_are_written_in_three_digits() -> None:
    assert describe_parameters(1.543e9) == "1.54B parameters"
    assert describe_parameters(134_515_008) == "135M parameters"
    assert describe_parameters(450_000) == "450k parameters"
