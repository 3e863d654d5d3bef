"""`hub`: a task of rows from a data set on the Hugging Face Hub."""

from functools import partial
from typing import Literal

from ..types import Example, ImportFunction, Task
from .hub_dataset import read_hub
from .table import examples_from_rows
from .table_settings import TableSettings, load_table, with_grader_settings


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
    return load_table(settings, partial(read_hub_examples, settings), import_function)


def read_hub_examples(settings: _HubSettings, split: str) -> list[Example]:
    dataset = settings.dataset
    rows = read_hub(dataset, split, config=settings.config, revision=settings.revision)
    return examples_from_rows(rows, f"{dataset}/{split}", settings.columns)
