"""When two short texts are the same."""


def normalize_text(text: str) -> str:
    """Folds case, squeezes white space and drops a final full stop."""
    return " ".join(text.casefold().split()).removesuffix(".").rstrip()
