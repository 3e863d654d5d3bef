"""Sections of a config whose class a registry finds by their `name`."""

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ..criteria import CRITERIA
from ..criteria.rules import RULES
from ..tasks import TASKS
from ..teachers import TEACHERS
from ..types import Settings

SettingsByName = Mapping[str, type[Settings]]

# The settings that a section may have, by the section's name and then by its `name` key.
NAMED_SECTIONS: Mapping[str, SettingsByName] = {
    "task": {name: task.settings for name, task in TASKS.items()},
    "criterion": {name: criterion.settings for name, criterion in CRITERIA.items()},
    "rule": {name: rule.settings for name, rule in RULES.items()},
    "teacher": {name: teacher.settings for name, teacher in TEACHERS.items()},
}


class FoundByName:
    """Annotated[Settings, FoundByName("task")]: the section's `name` says of which class it is."""

    def __init__(self, section: str) -> None:
        self.section = section

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        classes = NAMED_SECTIONS[self.section]
        choices = {name: handler.generate_schema(cls) for name, cls in classes.items()}
        return core_schema.tagged_union_schema(choices, discriminator="name")


def expand_short_form(value: object) -> object:
    """`criterion: loss` is short for its name alone, `my_module:my_function` for a score of
    yours.
    """
    if not isinstance(value, str):
        return value
    if ":" in value:
        return {"name": "function", "function": value}
    return {"name": value}


def find_section(annotation: Any) -> type[Settings] | None:
    """The settings in an annotation such as `VerifierSettings | None` or `dict[str,
    PriceSettings]`.
    """
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        return annotation
    inner = (find_section(part) for part in get_args(annotation))
    return next((section for section in inner if section), None)
