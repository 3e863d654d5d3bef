"""`--to safetensors`: the student as a folder that transformers loads."""

import json
from pathlib import Path
from typing import Any

from ...run.files import commit_file, to_json_bytes
from ..exported_run import ExportedRun
from .model_folder import copy_files, list_model_files, open_model_folder
from .saved_student import SavedStudent, describe_chat, order_ends, read_student

GENERATION_FILE = "generation_config.json"


def export_safetensors(run: ExportedRun, out: Path) -> list[str]:
    """Copy the student. Its generation config then names every token that ends an answer."""
    student = read_student(run.find_student())
    with open_model_folder(out) as folder:
        copy_files(list_model_files(student.folder), folder)
        write_generation_config(student, folder)
    return [
        f"the student in {out}: {student.config.model_type}, {student.config.dtype}, "
        "with its tokenizer and chat template",
        *describe_chat(run),
    ]


def write_generation_config(student: SavedStudent, folder: Path) -> None:
    """A tokenizer's own end token may be missing in it: other programs would go on."""
    path = folder / GENERATION_FILE
    settings: dict[str, Any] = {}
    if path.exists():
        settings = json.loads(path.read_text(encoding="utf-8"))
    ends = order_ends(student)
    settings["eos_token_id"] = ends[0] if len(ends) == 1 else ends
    commit_file(path, to_json_bytes(settings, GENERATION_FILE))
