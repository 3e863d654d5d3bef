"""The data files that the benchmarks read, one JSON object a line."""

import json
import os
from itertools import islice
from pathlib import Path
from typing import Any

NEXT_TO_THE_PROJECT = Path(__file__).parents[1] / "../shared/data"


def data_folder() -> Path:
    """$TEACHBACK_DATA, or shared/data beside the project."""
    return Path(os.environ.get("TEACHBACK_DATA", NEXT_TO_THE_PROJECT))


def read_rows(name: str, count: int | None = None) -> list[dict[str, Any]]:
    """The first `count` rows of a data file, or all."""
    with open(data_folder() / name, encoding="utf-8") as file:
        lines = islice(filter(str.strip, file), count)
        return [json.loads(line) for line in lines]
