"""`judge`: minus the mark, 1 to 10, that a judge LLM gives the student's attempt (the baseline of arXiv 2512.00884)."""

from math import nan

from .evidence import Evidence


def judge(evidence: Evidence) -> list[float]:
    """From −10 to −1: few values, so it ties. Costs a judge's call a candidate and round. A seed without a mark has no
    score; it is no candidate."""
    return [nan if mark is None else -float(mark) for mark in evidence.marks]
