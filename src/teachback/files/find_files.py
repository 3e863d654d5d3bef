"""The files that a path stands for: itself, those of a folder, or those of a pattern."""

import re
from collections.abc import Iterator
from hashlib import file_digest, sha256
from pathlib import Path

from ..errors import DataError
from .row_format import FORMAT_OF_ENDING, format_ending

# How files and folders are called by the split that they hold, in order of preference.
SPLIT_NAMES = {
    "train": ("train", "training"),
    "dev": ("dev", "validation", "valid", "val", "eval"),
    "test": ("test",),
}
SPLIT_WORDS = "|".join(name for names in SPLIT_NAMES.values() for name in names)
# As a word of its own in the name: "latest.jsonl" is no test set.
SPLIT_IN_NAME = re.compile(rf"(?<![a-z])(?:{SPLIT_WORDS})(?![a-z])", re.IGNORECASE)
# What `datasets` and others write beside the rows.
DESCRIPTIONS = re.compile(
    r"dataset_infos?\.json|dataset_dict\.json|state\.json|package(-lock)?\.json|cache-.*\.arrow"
)


def find_files(path: Path) -> list[Path]:
    """In order of their names. Raises DataError for a folder or a pattern without files of rows,
    and for a folder whose files are of several splits.
    """
    if path.is_dir():
        files = files_of_folder(path)
        refuse_mixed_splits(path, files)
        return files
    if path.exists() or not is_pattern(path):
        return [path]
    files = sorted(expand_pattern(path))
    if not files:
        raise DataError(f"{path}: no file's name fits", fix="check the pattern")
    return files


def files_of_folder(folder: Path) -> list[Path]:
    files = [file for file in sorted(folder.rglob("*")) if is_row_file(file, folder)]
    if not files:
        raise DataError(
            f"the folder {folder} has no file of rows",
            allowed=f"files that end in {', '.join(FORMAT_OF_ENDING)}",
        )
    return files


def is_row_file(path: Path, folder: Path) -> bool:
    is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    if is_hidden or DESCRIPTIONS.fullmatch(path.name):
        return False
    return format_ending(path) in FORMAT_OF_ENDING and path.is_file()


def is_pattern(path: Path) -> bool:
    return any(char in str(path) for char in "*?[")


def expand_pattern(path: Path) -> Iterator[Path]:
    root = Path(path.anchor)
    pattern = str(path.relative_to(root))
    return (file for file in root.glob(pattern) if file.is_file())


def refuse_mixed_splits(folder: Path, files: list[Path]) -> None:
    """Raises DataError: rows for measuring would be trained on."""
    splits = {split_of_file(file, folder) for file in files}
    if len(splits) > 1:
        names = sorted(split or "no split" for split in splits)
        raise DataError(
            f"the folder {folder} holds files of several splits",
            got=", ".join(names),
            allowed="files of one split, or a pattern that fits one",
            fix=f"name one, such as '{folder}/*train*', or `teachback init {folder}`, which "
            "tells them apart",
        )


def split_of_file(path: Path, folder: Path) -> str | None:
    """train, dev or test, by the last such word in its name or, without one, its folders'."""
    for part in reversed(path.relative_to(folder).parts):
        words = SPLIT_IN_NAME.findall(part)
        if words:
            word = words[-1].lower()
            return next(split for split, names in SPLIT_NAMES.items() if word in names)
    return None


def hash_row_files(path: Path) -> str:
    """sha256 of a file's bytes; of several files, of their names and sha256s."""
    files = find_files(path)
    if files == [path]:
        return hash_one_file(path)
    digest = sha256()
    for file in files:
        digest.update(f"{file.name}\0{hash_one_file(file)}\n".encode())
    return digest.hexdigest()


def hash_one_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            f"{path}: can't be read",
            got=error.strerror or error,
            fix="check the path",
        ) from error
