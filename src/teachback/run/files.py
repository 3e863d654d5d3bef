"""Files that appear whole, and a run's values as JSON that `jq` and `diff` can read."""

import dataclasses
import errno
import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import TypeAdapter, ValidationError

from ..errors import DataError, explain_disk_errors

# -- files that appear whole (R1) --------------------------------------------------------


def commit_file(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all, and that survives a power cut."""
    with explain_disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".tmp")
        with open_for_writing(aside) as file:
            file.write(content)
        publish_path(aside, path)


def open_for_writing(path: Path) -> BinaryIO:
    """Open a file of the run to be written anew. Raises DataError for a link.

    What a link points to is somebody else's.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        return open(os.open(path, flags, 0o666), "wb")
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise refuse_link(path) from None
        raise


def refuse_link(path: Path) -> DataError:
    return DataError(
        f"{path} is a link, and a run writes and removes nothing through links",
        fix="put what it points to in its place, or use another --run-dir",
    )


def publish_path(aside: Path, path: Path) -> None:
    """Give a finished file or folder its name, after its content is durable."""
    for part in aside.rglob("*"):
        if part.is_file():
            fsync_path(part)
    fsync_path(aside)
    os.rename(aside, path)
    fsync_path(path.parent)


def fsync_path(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# -- digests -----------------------------------------------------------------------------


def hash_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def hash_file(path: Path) -> str:
    """sha256 of a file that may be too large for the memory."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# -- values as JSON ----------------------------------------------------------------------


def to_json_bytes(value: object, where: str = "") -> bytes:
    """Serialise a value. A list has one element a line, so that jq and diff can read it.

    Raises DataError for NaN and infinity (R11). `where` names the value in the message.
    """
    plain = to_plain(value)
    try:
        if isinstance(plain, list):
            lines = [_to_json(element) for element in plain]
            text = "[\n" + ",\n".join(lines) + "\n]\n"
        else:
            text = _to_json(plain, indent=1) + "\n"
    except ValueError as error:
        raise DataError(
            f"{where or 'a value'} holds a number that can't be kept",
            got=_find_bad_number(plain),
            allowed="finite numbers",
        ) from error
    return text.encode()


def _to_json(plain: object, indent: int | None = None) -> str:
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=indent)


def to_plain(value: object) -> object:
    """Turn dataclasses, mappings, tuples and paths into what the json module writes."""
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): to_plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(inner) for inner in value]
    return value


def read_json(path: Path, value_type: object) -> Any:
    """Read a value back, and check its type. Raises DataError that names the file."""
    return parse_kept_json(path.read_bytes(), value_type, path)


def parse_kept_json(content: bytes, value_type: object, path: Path) -> Any:
    """The value in the content of that file. Raises DataError that names the file."""
    try:
        return _type_adapter(value_type).validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{path} can't be read back",
            got=f"{first['msg']} at {first['loc']}",
            fix="it was edited or written by another version: "
            "remove that file and what comes after it, and run again",
        ) from error


@cache
def _type_adapter(value_type: object) -> TypeAdapter[Any]:
    return TypeAdapter(value_type)  # type: ignore[arg-type]


def iterate_values(value: object) -> Iterator[object]:
    """Yield the value and every value inside it."""
    yield value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from iterate_values(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from iterate_values(inner)


def flatten(value: object, prefix: str = "") -> dict[str, object]:
    """{"a": {"b": 1}} → {"a.b": 1}"""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value} if prefix else {}
    flat: dict[str, object] = {}
    for key, inner in value.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        flat.update(flatten(inner, name))
    return flat


def _find_bad_number(plain: object, where: str = "value") -> str:
    """Say which number is not finite, and where it stands."""
    if isinstance(plain, float) and not math.isfinite(plain):
        return f"{plain} at {where}"
    children: Iterable[tuple[object, object]] = ()
    if isinstance(plain, dict):
        children = plain.items()
    elif isinstance(plain, list):
        children = enumerate(plain)
    for key, child in children:
        found = _find_bad_number(child, f"{where}.{key}")
        if found:
            return found
    return ""
