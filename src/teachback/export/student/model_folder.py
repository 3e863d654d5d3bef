"""Folders that an export writes: whole or not at all, and never over files of another kind."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import ConfigError, explain_disk_errors
from ...run.files import publish_path

# What a folder of a student may hold, if it is to be replaced.
MODEL_SUFFIXES = frozenset(
    {".json", ".safetensors", ".jinja", ".txt", ".model", ".gguf", ".md"}
)
MODEL_NAMES = frozenset({"Modelfile"})


@contextmanager
def open_model_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which then takes the place of `out`.

    Raises ConfigError if `out` holds what no model's folder does.
    """
    refuse_foreign_files(out)
    aside = out.with_name(f"{out.name}.tmp")
    with explain_disk_errors(out):
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
    try:
        yield aside
        with explain_disk_errors(out):
            if out.is_dir():
                shutil.rmtree(out)
            publish_path(aside, out)
    finally:
        # It is large, and the disk may be full.
        shutil.rmtree(aside, ignore_errors=True)


def refuse_foreign_files(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise ConfigError(f"{out} is no folder", fix="--out ANOTHER")
    foreign = [
        path.name
        for path in (sorted(out.iterdir()) if out.is_dir() else ())
        if path.is_symlink() or not path.is_file() or not is_model_file(path)
    ]
    if foreign:
        raise ConfigError(
            f"{out} holds more than a model, and is not replaced",
            got=", ".join(foreign[:5]),
            fix="--out ANOTHER",
        )


def is_model_file(path: Path) -> bool:
    return path.suffix in MODEL_SUFFIXES or path.name in MODEL_NAMES


def copy_files(paths: list[Path], into: Path) -> None:
    """Copies, never links: the run may go on and remove what was exported."""
    for path in paths:
        with explain_disk_errors(into / path.name):
            shutil.copyfile(path, into / path.name)


def list_model_files(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.iterdir() if path.is_file() and is_model_file(path)
    )
