"""When two questions in free text are the same exercise."""

from hashlib import sha256

from ..curate.lookalikes import fold_lookalikes
from ..graders.text import normalize_text


def text_key(question: str) -> str:
    """Equal for questions that differ only in white space, case or a final full stop.

    So are questions that look the same, but hold invisible characters or foreign letters.
    """
    text = normalize_text(fold_lookalikes(question)).encode("utf-8", "replace")
    return sha256(text).hexdigest()[:32]
