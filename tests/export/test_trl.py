"""TRL trains on what is exported as teachback did: on the same tokens of the same rows."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exporting import SYSTEM, ExportedFolder, read_exported_folder, write_own_rows
from teachback.config.reading import read_run_config
from teachback.student.chat import Chat
from teachback.student.loading import load_student
from teachback.student.training.batch import tokenize_rows
from teachback.testing import CHAT_TEMPLATE, fake_run, tiny_student

pytestmark = [
    # Loading trl takes ten seconds.
    pytest.mark.slow,
    # Warnings of trl and accelerate are not ours.
    pytest.mark.filterwarnings("default"),
]

# With a switch, as reasoning models have it, and with a line break after each turn, as in ChatML.
SWITCHED_TEMPLATE = "{% if quick %}<|system|>Be quick.<|end|>{% endif %}" + (
    CHAT_TEMPLATE.replace("<|end|>{% endfor %}", "<|end|>\n{% endfor %}")
)
LOADERS = {"messages": "json", "prompt-completion": "json", "parquet": "parquet"}


class TrainedStudent(NamedTuple):
    student: Path
    exported: ExportedFolder
    # What stands behind the last end token. Only TRL trains on it.
    tail: str


@pytest.fixture(scope="module", params=["plain", "switched"])
def trained(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> TrainedStudent:
    folder = tmp_path_factory.mktemp("trl")
    switched = request.param == "switched"
    template = SWITCHED_TEMPLATE if switched else CHAT_TEMPLATE
    student = tiny_student(folder / "tiny", chat_template=template)
    settings: dict[str, Any] = {"model": str(student), "system": SYSTEM}
    if switched:
        settings["chat_template_kwargs"] = {"quick": True}
    rows = write_own_rows(folder / "own.jsonl")
    fake_run(folder / "run", rounds=1, rows=rows, student=settings)
    exported = read_exported_folder(folder / "run")
    return TrainedStudent(student, exported, "\n" if switched else "")


@pytest.mark.parametrize("form", LOADERS)
def test_trl_takes_a_step_on_the_tokens_that_teachback_trains_on(
    form: str, trained: TrainedStudent, tmp_path: Path
) -> None:
    trl = pytest.importorskip("trl", reason="teachback[bench] is not installed")
    datasets = pytest.importorskip("datasets", reason="teachback[hub] is missing")
    path = trained.exported.export(form, tmp_path, meta=True)
    rows = datasets.load_dataset(
        LOADERS[form],
        data_files=str(path),
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    trainer = trl.SFTTrainer(
        model=str(trained.student),
        train_dataset=rows,
        args=trl.SFTConfig(
            output_dir=str(tmp_path / "out"),
            max_steps=1,
            max_length=2048,
            use_cpu=True,
            bf16=False,
            report_to=[],
            save_strategy="no",
        ),
    )
    assert trainer.train().global_step == 1

    student = load_student(trained.student)
    settings = read_run_config(trained.exported.folder).student
    chat = Chat(settings.system, settings.chat_template_kwargs)
    ours = tokenize_rows(student, chat, [row[1:] for row in trained.exported.rows])
    tail = student.tokenizer(trained.tail, add_special_tokens=False).input_ids
    assert trainer.train_dataset["input_ids"] == [
        [*row["prompt"], *row["answer"], *tail] for row in ours
    ]
    # Of prompts and completions, the answers alone are learnt.
    n_ignored = [labels.count(-100) for labels in trainer.train_dataset["labels"]]
    prompt_lengths = [len(row["prompt"]) for row in ours]
    is_split = form == "prompt-completion"
    assert n_ignored == (prompt_lengths if is_split else [0] * len(ours))
