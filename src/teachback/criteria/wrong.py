"""`wrong`: the seeds that the student gets wrong (LLM2LLM, arXiv 2403.15042)."""

from .evidence import Evidence


def wrong(evidence: Evidence) -> list[float]:
    """1 where the attempt is wrong, else 0. Scores tie, so the rule draws among equals."""
    return [float(not right) for right in evidence.right]
