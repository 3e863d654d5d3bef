"""Reads data sets of the Hugging Face Hub, or of any folder that `datasets` can read."""

from typing import Any

from ..errors import DataError, require_modules

HUB_MODULES = ("datasets",)


def hub_modules_without_path(settings: Any) -> tuple[str, ...]:
    """The modules of a task that reads `settings.path`, or else the Hub."""
    return () if settings.path else HUB_MODULES


def read_hub(
    dataset: str,
    split: str,
    *,
    config: str | None = None,
    revision: str | None = None,
) -> list[dict[str, Any]]:
    """The rows of a split, column → value.

    Raises MissingPackages without the library, and DataError if the split can't be read.
    """
    require_modules("a data set of the Hub", HUB_MODULES)
    from datasets import load_dataset

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


def list_hub_splits(dataset: str, config: str | None = None) -> list[str]:
    """The names of a data set's splits.

    Raises MissingPackages without the library, and DataError for no such data set, and for one
    with several subsets of which none is named.
    """
    require_modules("a data set of the Hub", HUB_MODULES)
    from datasets import get_dataset_config_names, get_dataset_split_names

    try:
        if config is None:
            subsets = list(get_dataset_config_names(dataset))
            if len(subsets) > 1 and "default" not in subsets:
                raise DataError(
                    f"the data set {dataset!r} has several subsets",
                    got=", ".join(subsets[:20]),
                    fix=f"name one: teachback init {dataset} --subset {subsets[0]}",
                )
        return list(get_dataset_split_names(dataset, config))
    except DataError:
        raise
    except Exception as error:  # whatever the library, the network or the Hub raises
        raise DataError(
            f"there is no file {dataset}, and no such data set can be read on the Hub: "
            f"{type(error).__name__}: {str(error)[:300]}",
            fix="check the name; gated data sets need `hf auth login`",
        ) from error
