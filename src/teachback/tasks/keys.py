"""When two questions in free text are the same exercise."""

from hashlib import sha256

from ..graders.text import normalize_text


def text_key(question: str) -> str:
    """Equal for questions that differ only in white space, case or a final full stop."""
    text = normalize_text(question).encode("utf-8", "replace")
    return sha256(text).hexdigest()[:32]
