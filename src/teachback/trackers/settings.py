"""The key `track` of a config."""

from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from ..types import FunctionName
from . import TRACKERS
from .function import is_function_name


def check_name(name: str) -> str:
    if name not in TRACKERS and not is_function_name(name):
        raise ValueError(
            f"no such tracker (allowed: {', '.join(TRACKERS)}, "
            "or my_module:my_function)"
        )
    return name


def refuse_repeated(names: list[str]) -> list[str]:
    if len(set(names)) < len(names):
        raise ValueError("name each tracker once")
    return names


TrackerName = Annotated[
    FunctionName,
    AfterValidator(check_name),
    WithJsonSchema(
        {"anyOf": [{"enum": [*TRACKERS]}, {"type": "string", "pattern": ":"}]}
    ),
]
TrackerNames = Annotated[list[TrackerName], AfterValidator(refuse_repeated)]
