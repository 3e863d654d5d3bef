"""The JSON schema of a config, for editors: they then complete keys, and explain them."""

import inspect
from collections.abc import Iterator
from typing import Any

from ..types import Settings
from .config import Config
from .sections_by_name import NAMED_SECTIONS

# Sections that may be written as their name alone: criterion: loss
SHORT_SECTIONS = ("criterion", "rule")


def make_schema() -> dict[str, Any]:
    """As of JSON Schema 2020-12. A key's description is the comment at its field."""
    schema = Config.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "A config of teachback"
    for section in _all_sections():
        name = section.__name__
        part = schema if section is Config else schema["$defs"].get(name, {})
        for key, comment in read_field_comments(section).items():
            if key in part.get("properties", {}):
                part["properties"][key]["description"] = comment
    for key in NAMED_SECTIONS:
        schema["properties"][key] = _name_forms(key, schema["properties"][key])
    return schema


def _name_forms(section: str, whole: dict[str, Any]) -> dict[str, Any]:
    """All that a section with a `name` may be. Each name has its own class of settings."""
    classes = NAMED_SECTIONS[section]
    forms: list[dict[str, Any]] = [
        {
            "$ref": f"#/$defs/{settings.__name__}",
            "properties": {"name": {"const": name}},
            "required": ["name"],
        }
        for name, settings in classes.items()
    ]
    if section in SHORT_SECTIONS:
        forms.append({"enum": [*classes]})
    if section == "criterion":
        forms.append({"type": "string", "pattern": ":"})
    if section == "task":
        short_name = {"name": {"pattern": "^reasoning_gym/."}}
        forms.append({"type": "object", "properties": short_name, "required": ["name"]})
    if section == "rule":
        forms.append({"type": "null"})
    kept = {"description", "default"} & set(whole)
    return {**{key: whole[key] for key in sorted(kept)}, "anyOf": forms}


def read_field_comments(section: type[Settings]) -> dict[str, str]:
    """The comments above and behind the fields of a class, and of the classes it is made from."""
    comments: dict[str, str] = {}
    for cls in reversed(section.__mro__):
        if not issubclass(cls, Settings) or cls is Settings:
            continue
        try:
            lines = inspect.getsource(cls).splitlines()
        except (OSError, TypeError):  # a class that no file holds
            continue
        above: list[str] = []
        for line in lines:
            text = line.strip()
            key, colon, rest = text.partition(":")
            if text.startswith("#"):
                above.append(text.lstrip("# "))
            elif colon and key in cls.model_fields:
                _, sign, behind = rest.partition("  # ")
                words = [*above, behind] if sign else above
                if words:
                    comments[key] = " ".join(words)
                above = []
            else:
                above = []
    return comments


def _all_sections() -> Iterator[type[Settings]]:
    """Every class that a section of a config may be of."""
    waiting: list[type[Settings]] = [Config]
    for classes in NAMED_SECTIONS.values():
        waiting.extend(classes.values())
    seen: set[type[Settings]] = set()
    while waiting:
        section = waiting.pop()
        if section in seen:
            continue
        seen.add(section)
        yield section
        for field in section.model_fields.values():
            waiting.extend(_sections_in(field.annotation))


def _sections_in(annotation: Any) -> Iterator[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _sections_in(part)
