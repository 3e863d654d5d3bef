"""What a model wrote, as it came: for people, never for training."""

import json
from typing import Any


def read_raw_text(body: str) -> str:
    """The message of a chat completion, its thinking first. Any other body as it is."""
    try:
        data = json.loads(body)
        choice = data["choices"][0]
        message = choice["message"]
        parts = [
            message.get("reasoning_content") or message.get("reasoning"),
            message.get("content"),
            message.get("refusal"),
        ]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return body
    text = "\n\n".join(show_part(part) for part in parts if part)
    return text or f"(an empty message, finish_reason: {choice.get('finish_reason')})"


def show_part(part: Any) -> str:
    return part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
