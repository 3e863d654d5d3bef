"""Arrays of numbers, each in a float32 .npy file beside its step's JSON (R11)."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, explain_disk_errors
from .digests import read_verified
from .files import open_for_writing, publish_path

NumpyArray = np.ndarray[Any, Any]


def write_array(path: Path, array: NumpyArray) -> None:
    """Write a file that appears whole. Raises DataError for NaN or infinity."""
    check_finite(path, array)
    aside = path.with_suffix(".tmp")
    with explain_disk_errors(path):
        with open_for_writing(aside) as file:
            np.save(file, array.astype(np.float32))
        publish_path(aside, path)


def to_array_bytes(path: Path, array: NumpyArray) -> bytes:
    """What `write_array` would write there."""
    check_finite(path, array)
    buffer = BytesIO()
    np.save(buffer, array.astype(np.float32))
    return buffer.getvalue()


def check_finite(path: Path, array: NumpyArray) -> None:
    finite = np.isfinite(array)
    if not finite.all():
        raise DataError(
            f"array {path.stem} has {int((~finite).sum())} values "
            "that are not finite numbers"
        )


def read_array(path: Path) -> NumpyArray:
    return np.asarray(np.load(path, allow_pickle=False))


def read_committed_array(path: Path) -> NumpyArray:
    """An array that is a commit of its own. Raises DataError if it isn't as it was written."""
    content = BytesIO(read_verified(path))
    return np.asarray(np.load(content, allow_pickle=False))
