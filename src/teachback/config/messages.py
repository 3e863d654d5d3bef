"""What a person reads of a config that is not valid: where, what is allowed, the nearest name."""

import difflib
import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from ..types import Settings
from .config import Config
from .sections_by_name import NAMED_SECTIONS, find_section

MAX_COMPLAINTS = 8  # that a message lists


def explain_errors(error: ValidationError) -> str:
    """One line for each of pydantic's complaints."""
    complaints = merge_auto_complaints(error.errors())[:MAX_COMPLAINTS]
    return "\n".join(f"  {explain_error(complaint)}" for complaint in complaints)


def merge_auto_complaints(complaints: Sequence[Any]) -> list[Any]:
    """One complaint of a value that may be `auto`: pydantic has one of each form it may have."""
    auto_paths = {
        complaint["loc"][:-1]
        for complaint in complaints
        if complaint["loc"][-1:] == ("literal['auto']",)
    }
    merged = []
    for complaint in complaints:
        *path, form = complaint["loc"] or ("",)
        if tuple(path) not in auto_paths:
            merged.append(complaint)
        elif form != "literal['auto']":
            merged.append({**complaint, "loc": tuple(path), "or_auto": True})
    return merged


def explain_error(complaint: Any) -> str:
    """One complaint, with the value and, for an unknown key, the nearest name."""
    path = complaint["loc"]
    keys = [str(key) for key in path]
    if keys and keys[0] in NAMED_SECTIONS and len(keys) > 1:
        del keys[1]  # the section's `name`, which pydantic puts behind the section
    where = ".".join(keys) or "config"

    if complaint["type"] == "extra_forbidden":
        names = allowed_keys(path)
        return f"unknown key {where}{suggest_name(keys[-1], names)}"
    if complaint["type"] == "union_tag_invalid":
        names = re.findall(r"'([^']+)'", complaint["ctx"]["expected_tags"])
        got = complaint["ctx"]["tag"]
        return f"{where}: no {got!r}{suggest_name(got, names)}"
    if complaint["type"] == "missing":
        return f"{where} is missing"

    message = complaint["msg"].removeprefix("Value error, ")
    got = complaint["input"]
    if isinstance(got, dict | Settings):
        return f"{where}: {message}"
    or_auto = "; auto is allowed too" if complaint.get("or_auto") else ""
    return f"{where}: {message} (got {got!r}){or_auto}"


def suggest_name(name: str, names: Sequence[str]) -> str:
    """The nearest of the allowed names, and all of them."""
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{hint}  (allowed: {', '.join(names)})"


def allowed_keys(path: Sequence[object]) -> list[str]:
    """The keys of the section that holds the last key of a path."""
    section: type[Settings] = Config
    keys = list(path[:-1])
    if keys and keys[0] in NAMED_SECTIONS:
        section = NAMED_SECTIONS[str(keys[0])][str(keys[1])]
        keys = keys[2:]
    for key in keys:
        if isinstance(key, str) and key in section.model_fields:
            section = find_section(section.model_fields[key].annotation) or section
    return sorted(section.model_fields)
