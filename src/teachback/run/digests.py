"""A digest of each committed file: what is read back is what was written.

`select.json.sha256` lies beside `select.json`, in the form of sha256sum. It has a line for the JSON
and one for each file that the JSON commits: arrays, a student's weights. It is written first, so
the JSON stays the commit.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError, explain_disk_errors
from .files import (
    commit_file,
    fsync_path,
    hash_bytes,
    hash_file,
    open_for_writing,
    parse_kept_json,
)

DIGEST_SUFFIX = ".sha256"
# Before the digest of the lines above it. sha256sum takes it for a comment.
END_MARK = "# "
RESTORE = (
    "put back what was there; or remove that file and what comes after it, and run again: "
    "what was bought is in the ledger"
)


def commit_with_digest(path: Path, content: bytes, files: Iterable[Path] = ()) -> None:
    """Commit a file with its digest. files: what it commits too, in or below its folder."""
    with explain_disk_errors(path):
        digests = [(hash_bytes(content), path.name)]
        digests += [
            (hash_file(file), file.relative_to(path.parent).as_posix())
            for file in files
        ]
        digest_file = find_digest_file(path)
        if path.exists():
            # After a crash in between, the old content is as right as the new one.
            old = (hash_file(path), path.name)
            commit_file(digest_file, format_digests([*digests, old]))
            commit_file(path, content)
            commit_file(digest_file, format_digests(digests))
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        # In place, not aside: nobody reads it before the commit.
        with open_for_writing(digest_file) as file:
            file.write(format_digests(digests))
            file.flush()
            os.fsync(file.fileno())
        fsync_path(path.parent)
    commit_file(path, content)


def format_digests(digests: Sequence[tuple[str, str]]) -> bytes:
    """digests: (sha256, name) pairs."""
    lines = "".join(f"{digest}  {name}\n" for digest, name in digests)
    return f"{lines}{END_MARK}{hash_bytes(lines.encode())}\n".encode()


def read_committed(path: Path, value_type: object) -> Any:
    """Read a committed value back. Raises DataError for a file that isn't as it was written."""
    return parse_kept_json(read_verified(path), value_type, path)


def read_verified(path: Path) -> bytes:
    """The content of a committed file. Raises DataError if it isn't as it was written."""
    content = path.read_bytes()
    allowed = [digest for digest, name in read_digests(path) if name == path.name]
    check_digest(path, hash_bytes(content), allowed)
    return content


def verify_files(path: Path, below: Path) -> None:
    """Check the files that `path` committed at or below a path of its folder.

    Raises DataError that names the first one that isn't as it was written, or is gone.
    """
    for digest, name in read_digests(path):
        file = path.parent / name
        if file.is_relative_to(below):
            is_there = file.is_file()
            check_digest(file, hash_file(file) if is_there else "no file", [digest])


def list_array_files(path: Path) -> list[Path]:
    """The arrays that a shard's file has committed."""
    names = [name for _, name in read_digests(path) if name.endswith(".npy")]
    return [path.with_name(name) for name in sorted(names)]


def read_digests(path: Path) -> list[tuple[str, str]]:
    """(sha256, name) of what `path` committed. Raises DataError."""
    file = find_digest_file(path)
    try:
        text = file.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        raise DataError(
            f"{path} can't be read back: its digests, {file.name}, are missing",
            fix=RESTORE,
        ) from None
    lines, _, end = text.rpartition(END_MARK)
    if end != f"{hash_bytes(lines.encode())}\n":
        raise DataError(f"{path} can't be read back: {file} is damaged", fix=RESTORE)
    pairs = (line.partition("  ") for line in lines.split("\n")[:-1])
    return [(digest, name) for digest, _, name in pairs]


def find_digest_file(path: Path) -> Path:
    return path.with_name(f"{path.name}{DIGEST_SUFFIX}")


def check_digest(path: Path, digest: str, allowed: Sequence[str]) -> None:
    if digest not in allowed:
        raise DataError(
            f"{path} can't be read back: it is not as it was written",
            got=f"sha256 {digest}" if len(digest) == 64 else digest,
            allowed=f"sha256 {' or '.join(allowed) or 'of another file'}",
            fix=RESTORE,
        )
