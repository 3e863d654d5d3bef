"""From a config to its checkup. Nothing is loaded but torch, and nothing is written or bought."""

from pathlib import Path

from ..compare.scheduler import count_cores
from ..config.config import Config
from ..config.needed_modules import list_needed_modules
from ..student.folder import cache_folder
from .endpoints import inspect_endpoints, list_endpoint_problems
from .folders import (
    inspect_folder,
    inspect_student,
    list_disks,
    list_folder_problems,
)
from .machine import inspect_memory, inspect_precision, list_devices, load_torch
from .packages import check_modules, list_extras, list_versions
from .values import Checkup, Problem


def make_checkup(config: Config, subject: str) -> Checkup:
    """subject: whose config it is, in words. Raises ConfigError."""
    extras = list_extras()
    torch, torch_problems = load_torch()
    devices = list_devices(torch) if torch else ()
    student, student_problems = inspect_student(config)
    endpoints = inspect_endpoints(config)
    cache = inspect_folder(cache_folder())
    problems = [
        *check_modules(list_needed_modules(config), extras),
        *torch_problems,
        *student_problems,
        *list_endpoint_problems(endpoints),
        *list_folder_problems(config, cache),
    ]
    if config.finetune.method == "qlora" and torch and not devices:
        problems.append(
            Problem("finetune.method: qlora needs a GPU", "set finetune.method: lora")
        )
    return Checkup(
        subject=subject,
        versions=list_versions(),
        extras=extras,
        n_cores=count_cores(),
        devices=devices,
        memory=inspect_memory(),
        precision=inspect_precision(torch) if torch else None,
        cache=cache,
        disks=list_disks(Path.cwd(), config.run_dir, cache.path),
        student=student,
        endpoints=endpoints,
        problems=tuple(problems),
    )
