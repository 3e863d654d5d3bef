"""`--to adapter`: the LoRA adapter that the last finetuning made, as peft loads it."""

import json
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...run.files import commit_file
from ...run.identity import read_kept_section
from ...student.folder import is_hub_name
from ..exported_run import ExportedRun
from .model_folder import copy_files, list_model_files, open_model_folder

CONFIG_FILE = "adapter_config.json"


def export_adapter(run: ExportedRun, out: Path) -> list[str]:
    """Raises ConfigError for a run that has none, and says why."""
    adapter = find_adapter(run)
    with open_model_folder(out) as folder:
        copy_files(list_model_files(adapter), folder)
        name_base_model(run, folder / CONFIG_FILE)
    model = run.config.student.model
    return [
        f"the adapter in {out}, for {model}: "
        "peft.PeftModel.from_pretrained(MODEL, FOLDER) puts it on"
    ]


def find_adapter(run: ExportedRun) -> Path:
    adapter = run.find_student() / "adapter"
    if adapter.is_dir():
        return adapter
    # What `auto` became.
    finetune = run.config.finetune.fill(read_kept_section(run.folder, "finetune"))
    if finetune.method not in ("lora", "qlora"):
        raise ConfigError(
            f"the run in {run.folder} has no adapter",
            got=f"finetune.method: {finetune.method}",
            allowed="finetune.method: lora or qlora",
            fix="--to safetensors, which is the whole student",
        )
    if finetune.restart != "base":
        raise ConfigError(
            f"the run in {run.folder} has no adapter for {run.config.student.model}",
            got=f"finetune.restart: {finetune.restart}: each round's adapter is for the student "
            "of the round before, and is merged into it",
            fix="--to safetensors; with finetune.restart: base a run keeps its adapters",
        )
    raise ConfigError(
        f"the run in {run.folder} kept no adapter",
        got="its weights are merged into the student",
        fix="--to safetensors; a new run keeps the adapter of finetune.method: lora",
    )


def name_base_model(run: ExportedRun, path: Path) -> None:
    """The base, by its name on the Hub. Another one has a path of this machine, or none."""
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    student = run.config.student
    if is_hub_name(student.model) and not Path(student.model).exists():
        config["base_model_name_or_path"] = student.model
        config["revision"] = student.revision
    content = json.dumps(config, indent=2, sort_keys=True)
    commit_file(path, content.encode())
