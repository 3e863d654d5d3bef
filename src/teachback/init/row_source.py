"""Where a user's rows are: a file, a folder, a pattern, or a data set on the Hub."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from ..errors import DataError
from ..files.find_files import (
    SPLIT_IN_NAME,
    SPLIT_NAMES,
    expand_pattern,
    files_of_folder,
    is_pattern,
    split_of_file,
)
from ..files.row_format import FORMAT_OF_ENDING, format_ending
from ..files.rows import FileRows, read_rows
from ..files.source_rows import SourceRows
from ..tasks.hub_dataset import list_hub_splits, read_hub

# ORGANISATION/NAME
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True)
class HubSource:
    dataset: str
    subset: str | None


@dataclass(frozen=True)
class RowSource:
    """The rows that a user named, and the places of dev and test beside them."""

    # As the user gave it.
    path: Path
    # Where the seeds are; on the Hub, a split's name.
    seeds: Path
    # Places where dev and test may be, the likeliest first. The first that is there counts.
    dev: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()
    hub: HubSource | None = None
    notes: tuple[str, ...] = ()
    read: Callable[[Path], FileRows] = field(default=read_rows, repr=False)

    def exists(self, place: Path) -> bool:
        return self.hub is not None or place.is_file() or is_pattern(place)


def find_source(path: Path, subset: str | None = None) -> RowSource:
    """subset: of a data set on the Hub. Raises DataError for a folder that can't be divided."""
    if path.is_dir():
        return folder_source(path)
    if could_be_hub_name(path):
        return hub_source(str(path), subset)
    if subset is not None:
        raise DataError(
            f"{path} has no subsets",
            got=f"--subset {subset}",
            fix="leave --subset out: it is for a data set on the Hub",
        )
    return RowSource(
        path,
        seeds=path,
        dev=tuple(paths_beside(path, SPLIT_NAMES["dev"])),
        test=tuple(paths_beside(path, SPLIT_NAMES["test"])),
        notes=file_name_notes(path),
    )


# -- a file ------------------------------------------------------------------------------


def paths_beside(path: Path, split_names: Sequence[str]) -> Iterator[Path]:
    """Where a split of `path` may lie.

    my_train.jsonl → my_test.jsonl; my.jsonl → my_test.jsonl, my-test.jsonl, my.test.jsonl. None
    for a file that is itself named for dev or test.
    """
    stem, dot, endings = path.name.partition(".")
    # my.train.jsonl has its split between the dots.
    known = format_ending(path)
    if known in FORMAT_OF_ENDING:
        cut = path.name.lower().rindex(known)
        stem, endings = path.name[:cut], path.name[cut + 1 :]
    matches = list(SPLIT_IN_NAME.finditer(stem))
    if not matches:
        for split in split_names:
            for separator in "_-.":
                yield path.with_name(f"{stem}{separator}{split}{dot}{endings}")
        return
    last = matches[-1]
    if last[0].lower() not in SPLIT_NAMES["train"]:
        return
    before, after = stem[: last.start()], stem[last.end() :]
    for split in split_names:
        yield path.with_name(f"{before}{split}{after}{dot}{endings}")


def file_name_notes(path: Path) -> tuple[str, ...]:
    """A warning about a file that is named for dev or test."""
    splits = SPLIT_IN_NAME.findall(path.stem)
    if not splits or splits[-1].lower() in SPLIT_NAMES["train"]:
        return ()
    return (
        f"by its name {path.name} is for measuring: what is trained on here can't be measured "
        "on it any more",
    )


# -- a folder ----------------------------------------------------------------------------


def folder_source(folder: Path) -> RowSource:
    """Its files, divided by the splits that they are named for."""
    files_by_split: dict[str | None, list[Path]] = {}
    for file in files_of_folder(folder):
        files_by_split.setdefault(split_of_file(file, folder), []).append(file)
    if len(files_by_split) == 1:
        return RowSource(folder, seeds=folder)
    train = "train" if "train" in files_by_split else None
    if train not in files_by_split:
        raise DataError(
            f"the folder {folder} has files for dev and test, and none to train on",
            got=", ".join(file.name for file in files_of_folder(folder)[:6]),
            fix="name the file of the seeds",
        )
    notes: tuple[str, ...] = ()
    if train == "train" and None in files_by_split:
        names = ", ".join(file.name for file in files_by_split[None][:3])
        notes = (f"files that are named for no split are not used: {names}",)
    places = {
        split: find_place(folder, files) for split, files in files_by_split.items()
    }
    return RowSource(
        folder,
        seeds=places[train],
        dev=tuple(places[split] for split in ("dev",) if split in places),
        test=tuple(places[split] for split in ("test",) if split in places),
        notes=notes,
    )


def find_place(folder: Path, files: Sequence[Path]) -> Path:
    """A file, or the pattern that these files fit and no others. Raises DataError for none."""
    if len(files) == 1:
        return files[0]
    for pattern in likely_patterns(folder, files):
        if sorted(expand_pattern(pattern)) == sorted(files):
            return pattern
    raise DataError(
        f"no pattern fits the files of one split in {folder}",
        got=", ".join(str(file.relative_to(folder)) for file in files[:6]),
        fix="put each split into a folder of its own: train, dev, test",
    )


def likely_patterns(folder: Path, files: Sequence[Path]) -> Iterator[Path]:
    first = files[0].relative_to(folder)
    ending = files[0].suffix
    if len(first.parts) > 1:
        yield folder / first.parts[0] / f"*{ending}"
        yield folder / first.parts[0] / "**" / f"*{ending}"
    match = SPLIT_IN_NAME.search(first.name)
    if match:
        yield files[0].with_name(f"{first.name[: match.end()]}*")
        yield files[0].with_name(f"*{match[0]}*")
        yield folder / "**" / f"*{match[0]}*"
    yield files[0].with_name(f"*{ending}")


# -- the Hub -----------------------------------------------------------------------------


def could_be_hub_name(path: Path) -> bool:
    """ORGANISATION/NAME, where no such file or folder is, nor a name that a file of rows has."""
    if path.exists() or path.parent.exists() or is_pattern(path):
        return False
    if format_ending(path) in FORMAT_OF_ENDING:
        return False
    return HUB_NAME.fullmatch(str(path)) is not None


def hub_source(dataset: str, subset: str | None) -> RowSource:
    splits = list_hub_splits(dataset, subset)
    seeds = split_by_name(splits, "train") or splits[0]
    dev = split_by_name(splits, "dev")
    test = split_by_name(splits, "test")
    return RowSource(
        Path(dataset),
        seeds=Path(seeds),
        dev=(Path(dev),) if dev and dev != seeds else (),
        test=(Path(test),) if test and test != seeds else (),
        hub=HubSource(dataset, subset),
        read=partial(read_hub_split, dataset, subset),
    )


def split_by_name(splits: Sequence[str], split: str) -> str | None:
    return next((name for name in splits if name.lower() in SPLIT_NAMES[split]), None)


def read_hub_split(dataset: str, subset: str | None, split: Path) -> FileRows:
    rows = read_hub(dataset, str(split), config=subset)
    return FileRows(split.stem, (SourceRows(Path(dataset, split), list(rows)),))
