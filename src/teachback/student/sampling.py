"""Chooses each row's next token: the likeliest one, or one drawn from the distribution."""

from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple


class Sampling(NamedTuple):
    """How the answers of a batch are sampled."""

    temperature: float  # above 0
    # A stream for each question; each token of its answer takes one number from it.
    draws: Sequence[Random]

    def of_rows(self, rows: Sequence[int]) -> "Sampling":
        """The same for some of the questions."""
        return Sampling(self.temperature, [self.draws[row] for row in rows])


def choose_tokens(logits_B_V: Any, sampling: Sampling | None, rows_B: Any) -> Any:
    """token_B: greedy without `sampling`. rows_B: which of the questions these are."""
    if sampling is None:
        return logits_B_V.argmax(-1)
    sampling = sampling.of_rows(rows_B.tolist())
    return sample_tokens(logits_B_V, sampling.temperature, sampling.draws)


def sample_tokens(logits_B_V: Any, temperature: float, draws: Sequence[Random]) -> Any:
    """token_B by inverting the distribution function.

    It is the first token at which the function passes the row's number. The sum runs in
    float64: float32 can't tell the rare tokens of a large vocabulary apart.
    """
    import torch

    sum_B_V = (logits_B_V / temperature).softmax(-1).double().cumsum(-1)
    numbers = [draw.random() for draw in draws]
    number_B = torch.tensor(numbers, dtype=torch.float64, device=logits_B_V.device)
    reached_B_1 = (number_B * sum_B_V[:, -1])[:, None]
    token_B = torch.searchsorted(sum_B_V, reached_B_1, right=True)[:, 0]
    return token_B.clamp(max=logits_B_V.shape[-1] - 1)
