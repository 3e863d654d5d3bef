"""Sections of a config whose class a registry finds by their `name`."""

from collections.abc import Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from ..criteria import CRITERIA
from ..criteria.rules import RULES
from ..tasks import TASKS
from ..teachers import TEACHERS
from ..types import Settings

SettingsByName = Mapping[str, type[Settings]]

TASK_SETTINGS: SettingsByName = {name: entry.settings for name, entry in TASKS.items()}
TEACHER_SETTINGS: SettingsByName = {
    name: entry.settings for name, entry in TEACHERS.items()
}
CRITERION_SETTINGS: SettingsByName = {
    name: entry.settings for name, entry in CRITERIA.items()
}
RULE_SETTINGS: SettingsByName = {name: entry.settings for name, entry in RULES.items()}


class FoundByName:
    """Annotated[Settings, FoundByName(registry)]: {name: facility, weight: loss} → its class."""

    def __init__(self, settings: SettingsByName) -> None:
        self.settings = settings

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        choices = {
            name: handler.generate_schema(cls) for name, cls in self.settings.items()
        }
        return core_schema.tagged_union_schema(choices, discriminator="name")


def expand_short_form(value: object) -> object:
    """`criterion: loss` is short for its name alone, `my_module:my_function` for a score of yours."""
    if not isinstance(value, str):
        return value
    if ":" in value:
        return {"name": "function", "function": value}
    return {"name": value}
