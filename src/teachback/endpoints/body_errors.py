"""Errors in a body that came with HTTP 200, and the status that each stands for."""

import re
from typing import Any, NamedTuple

from .json_values import value_at

# Where servers put a status or the name of an error, inside an error object and beside it.
_CODE_FIELDS = ("code", "status", "status_code", "http_code", "type", "error_code")
_STATUS_BY_NAME = (
    (401, r"invalid[_ ]?api[_ ]?key|authenticat|unauthorized|invalid[_ ]token"),
    (402, r"insufficient[_ ](quota|balance|credit|funds)|billing|payment"),
    (429, r"rate[_ -]?limit|too[_ ]many|exhausted|quota|throttl"),
    (403, r"permission|forbidden|access[_ ]denied"),
    (404, r"not[_ ]found"),
    (
        400,
        r"invalid[_ ]|content[_ ]?(filter|policy)|bad[_ ]?request|unsupported|context[_ ]length",
    ),
    (504, r"time[_ ]?d?[_ -]?out|deadline"),
    (529, r"overload|capacity|unavailable"),
    (500, r"internal|server[_ ]error"),
)
# A message is prose: it is believed only where a second try does no harm.
_STATUS_BY_MESSAGE = (
    (429, r"rate[ -]?limit|too many requests"),
    (529, r"overload|at capacity"),
)


class BodyError(NamedTuple):
    # What it says: an object or a text.
    error: Any
    # None: it doesn't say.
    status: int | None


def find_body_error(data: Any) -> BodyError | None:
    """The error in a reply's JSON, or None."""
    choice = value_at(data, "choices", 0)
    error = value_at(data, "error") or value_at(choice, "error")
    if error:
        return BodyError(error, find_status(error) or find_status(data))
    if value_at(choice, "message") is not None or not isinstance(data, dict):
        return None

    state = value_at(data, "base_resp")
    if value_at(state, "status_code"):
        return BodyError(value_at(state, "status_msg") or state, find_status(state))
    details = value_at(data, "errors") or value_at(data, "detail")
    message = value_at(data, "message") or value_at(data, "error_msg")
    has_code = any(
        value_at(data, field) for field in ("code", "error_code", "status_code")
    )
    if details or (message and (has_code or value_at(data, "object") == "error")):
        return BodyError(message or details, find_status(data))
    return None


def find_status(error: Any) -> int | None:
    """The HTTP status that an error stands for: as a number, or by its name."""
    codes = [value_at(error, field) for field in _CODE_FIELDS]
    for code in codes:
        digits = str(code)
        if (
            len(digits) == 3
            and digits.isascii()
            and digits.isdigit()
            and digits[0] in "45"
        ):
            return int(digits)
    for code in codes:
        named = _find_by_words(code, _STATUS_BY_NAME)
        if named:
            return named
    message = error if isinstance(error, str) else None
    for field in ("message", "status_msg"):
        message = message or value_at(error, field)
    return _find_by_words(message, _STATUS_BY_MESSAGE)


def _find_by_words(text: object, table: tuple[tuple[int, str], ...]) -> int | None:
    if not isinstance(text, str):
        return None
    for status, words in table:
        if re.search(words, text, re.IGNORECASE):
            return status
    return None
