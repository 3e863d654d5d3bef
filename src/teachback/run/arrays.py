"""Arrays of numbers, each in a float32 .npy file beside its step's JSON (R11)."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .files import publish_path

NumpyArray = np.ndarray[Any, Any]


def write_array(path: Path, array: NumpyArray) -> None:
    """Write a file that appears whole. Raises DataError for NaN or infinity."""
    finite = np.isfinite(array)
    if not finite.all():
        raise DataError(
            f"array {path.stem} has {int((~finite).sum())} values "
            "that are not finite numbers"
        )
    aside = path.with_suffix(".tmp")
    with open(aside, "wb") as file:
        np.save(file, array.astype(np.float32))
    publish_path(aside, path)


def read_array(path: Path) -> NumpyArray:
    return np.asarray(np.load(path, allow_pickle=False))
