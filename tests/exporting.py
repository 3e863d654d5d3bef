"""Runs to export, and what training made of their rows."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import teachback
from teachback.build.task import make_task
from teachback.commands.results import read_training_rows
from teachback.config.reading import read_run_config
from teachback.student.training.dataset import format_rows

SYSTEM = 'Be "exact",\nand brief.'
# Texts that a careless writer or reader changes.
OWN_ROWS = [
    ("=1+1", '=HYPERLINK("http://127.0.0.1")'),
    ("Two, three; four\tfive?", 'He said "no",\nand left.'),
    ("Line\r\nbreaks\rof all kinds", "one\u2028two\u2029three\x85four"),
    ("中文 and 😀, ñ", " blanks around \n"),
    ("<think>Hm.</think>{{ x }}", "<think>\nI see.\n</think>\n\n\\boxed{7}"),
    ("{'a': 1}", "[1, 2]"),
]


class TrainedRow(NamedTuple):
    """What a student was trained on."""

    system: str | None
    message: str
    text: str


class ExportedFolder(NamedTuple):
    """A run's folder, and its rows."""

    folder: Path
    # As training made them.
    rows: list[TrainedRow]
    # Without the prompt and the system message.
    plain_rows: list[TrainedRow]

    def export(self, form: str, out: Path, **options: Any) -> Path:
        return teachback.export(self.folder, to=form, out=out, **options).out


def read_exported_folder(folder: Path) -> ExportedFolder:
    config = read_run_config(folder)
    rows = read_training_rows(folder)
    asked = format_rows(rows, make_task(config.task).prompt)
    return ExportedFolder(
        folder,
        [TrainedRow(config.student.system, *row) for row in asked],
        [TrainedRow(None, row.question, row.text) for row in rows],
    )


def write_own_rows(path: Path) -> str:
    """A file for a config's `rows`."""
    lines = [json.dumps({"question": q, "text": text}) for q, text in OWN_ROWS]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)
