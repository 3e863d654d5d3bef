"""Files that appear whole, and the values of a run as JSON that `jq` and `diff` read."""

import dataclasses
import json
import math
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..errors import DataError


def commit(path: Path, content: bytes) -> None:
    """Write a file that appears whole: aside, fsynced, renamed, its folder fsynced (R1)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".tmp")
    with open(aside, "wb") as file:
        file.write(content)
    settle(aside, path)


def settle(aside: Path, path: Path) -> None:
    """Make a file, or a folder with files, durable and give it its name."""
    for part in [*(p for p in aside.rglob("*") if p.is_file()), aside]:
        fsync(part)
    os.rename(aside, path)
    fsync(path.parent)


def fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def dump(value: object, where: str = "") -> bytes:
    """JSON with one element of a list a line, so that jq and diff read it. NaN and infinity are refused (R11)."""
    plain = to_plain(value)
    try:
        if isinstance(plain, list):
            body = (
                "[\n"
                + ",\n".join(
                    json.dumps(x, ensure_ascii=False, allow_nan=False) for x in plain
                )
                + "\n]\n"
            )
        else:
            body = (
                json.dumps(plain, ensure_ascii=False, allow_nan=False, indent=1) + "\n"
            )
    except ValueError as error:
        raise DataError(
            f"{where or 'a value'} holds a number that can't be kept",
            got=bad_number(plain),
            allowed="finite numbers",
        ) from error
    return body.encode()


def to_plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): to_plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    return value


def load(path: Path, kind: object) -> Any:
    try:
        return adapter(kind).validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{path} can't be read back",
            got=f"{first['msg']} at {first['loc']}",
            fix="it was edited or written by another version: remove that file and what comes after it, and run again",
        ) from error


@cache
def adapter(kind: object) -> TypeAdapter[Any]:
    return TypeAdapter(kind)  # type: ignore[arg-type]


def walk(value: object) -> Iterator[object]:
    """The value and every value inside it."""
    yield value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for f in dataclasses.fields(value):
            yield from walk(getattr(value, f.name))
    elif isinstance(value, list | tuple):
        for v in value:
            yield from walk(v)


def flat(value: object, prefix: str = "") -> dict[str, object]:
    """{"a": {"b": 1}} → {"a.b": 1}"""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value} if prefix else {}
    return {
        k: v
        for key, inner in value.items()
        for k, v in flat(inner, f"{prefix}.{key}" if prefix else str(key)).items()
    }


def bad_number(plain: object, at: str = "value") -> str:
    if isinstance(plain, float) and not math.isfinite(plain):
        return f"{plain} at {at}"
    inner = (
        plain.items()
        if isinstance(plain, dict)
        else enumerate(plain)
        if isinstance(plain, list)
        else ()
    )
    return next(
        (found for key, v in inner if (found := bad_number(v, f"{at}.{key}"))), ""
    )
