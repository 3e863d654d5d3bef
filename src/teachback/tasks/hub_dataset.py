"""Reads data sets of the Hugging Face Hub, or of any folder that `datasets` can read."""

from typing import Any

from ..errors import ConfigError, DataError


def read_hub(
    dataset: str,
    split: str,
    *,
    config: str | None = None,
    revision: str | None = None,
) -> list[dict[str, Any]]:
    """The rows of a split, column → value.

    Raises ConfigError without the library, DataError if the data set or its split can't be read.
    """
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise ConfigError(
            "reading from the Hub needs datasets",
            fix="pip install 'teachback[hub]'",
        ) from error
    try:
        table = load_dataset(dataset, config, split=split, revision=revision)
    except Exception as error:  # whatever the library, the network or the Hub raises
        message = f"{type(error).__name__}: {str(error)[:300]}"
        raise DataError(
            f"the data set {dataset!r} can't be read: {message}",
            got=f"config {config!r}, split {split!r}, revision {revision!r}",
            fix="check the names; gated data sets need `hf auth login`; "
            "without a network give local files (task.path)",
        ) from error
    return [dict(row) for row in table]
