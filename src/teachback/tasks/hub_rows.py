"""`hub`: a task of rows from a data set on the Hugging Face Hub."""

from typing import Literal

from ..types import Example, ImportFunction, Task
from .hub import read_hub
from .own import load_own_rows
from .table import examples_from_rows
from .table_settings import TableSettings, with_grader_settings


class _HubSettings(TableSettings):
    """A data set on the Hugging Face Hub."""

    name: Literal["hub"]
    dataset: str
    config: str | None = None
    revision: str | None = None
    # The splits' names.
    seeds: str = "train"
    dev: str | None = None
    test: str | None = None


HubSettings = with_grader_settings(_HubSettings, __name__)


def load_hub(settings: _HubSettings, import_function: ImportFunction) -> Task:
    def read(split: str | None) -> list[Example] | None:
        return None if split is None else read_hub_examples(settings, split)

    return load_own_rows(
        read_hub_examples(settings, settings.seeds),
        dev=read(settings.dev),
        test=read(settings.test),
        sizes=settings.sizes,
        name=settings.name,
        form=settings.make_format(import_function),
        instruction=settings.instruction,
        templated=settings.templated,
        by=tuple(settings.by),
    )


def read_hub_examples(settings: _HubSettings, split: str) -> list[Example]:
    dataset = settings.dataset
    rows = read_hub(dataset, split, config=settings.config, revision=settings.revision)
    return examples_from_rows(rows, f"{dataset}/{split}", settings.columns)
