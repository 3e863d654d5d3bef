"""Whether a patched model still computes what the untouched one does."""

from collections.abc import Sequence
from typing import Any

# What a model's own code may raise when its layers or inputs have been replaced.
PATCH_ERRORS = (AttributeError, RuntimeError, TypeError, ValueError)


def logits_agree(
    logits_N_V: Any,
    expected: Sequence[Any],
    tolerance: float,
    *,
    min_scale: float = 0.0,
) -> bool:
    """Whether the logits differ from the expected ones by rounding only.

    expected: logits_T_V of each row; their N tokens stand one after the other in
    logits_N_V. tolerance: the largest error allowed, as a share of the row's largest
    logit, or of min_scale if that is larger.
    """
    lengths = [len(row_T_V) for row_T_V in expected]
    if len(logits_N_V) != sum(lengths):
        return False

    for logits_T_V, expected_T_V in zip(
        logits_N_V.split(lengths), expected, strict=True
    ):
        error = (logits_T_V - expected_T_V).abs().max().item()
        scale = max(min_scale, expected_T_V.abs().max().item())
        if not error <= tolerance * scale:  # NaN doesn't agree
            return False
    return True
