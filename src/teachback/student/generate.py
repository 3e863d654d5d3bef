"""Decodes by transformers' `generate`, for models that keep a state of their own.

Each token is chosen here, and its signals are computed as in decode.py: `generate` only
carries the model's state from token to token.
"""

from collections.abc import Callable, Sequence
from typing import Any

from .decode_log import (
    DecodedAnswer,
    DecodeLog,
    collect_answers,
    find_active_rows,
    log_tokens,
    new_decode_log,
)
from .forward import pad_for
from .generate_loop import run_generate
from .inference import InferenceModel, apply_head
from .prefill import group_equal_prompts, score_whole_rows
from .sampling import Sampling, choose_tokens
from .signals import compute_signals
from .sketch import TensorSketch


def generate_batch(
    student: InferenceModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: Sampling | None = None,
    check_stop: Callable[[list[int]], bool] | None = None,
    targets: Sequence[Sequence[int]] | None = None,
    sketch: TensorSketch | None = None,
) -> list[DecodedAnswer]:
    """As `decode_batch`, without its cache. Prompts are padded on the left."""
    import torch

    with torch.inference_mode():
        distinct = group_equal_prompts(prompts, targets or [()] * len(prompts))
        results = score_whole_rows(student, distinct, max_known_tokens=0)
        chooser = TokenChooser(
            student, len(prompts), max_new_tokens, sampling, check_stop, sketch
        )
        ids_B_T, mask_B_T = pad_for(student, prompts, left=True)
        run_generate(
            student.model,
            student.decoder,
            ids_B_T,
            mask_B_T,
            max_new_tokens,
            choose=chooser.choose,
            is_done=chooser.is_done,
            use_cache=student.abilities.cache == "own",
        )
        return [
            answer._replace(target_nll=result.nll)
            for answer, result in zip(chooser.answers(), results, strict=True)
        ]


class TokenChooser:
    """Chooses and logs each row's next token while `generate` runs."""

    def __init__(
        self,
        student: InferenceModel,
        n_rows: int,
        max_new_tokens: int,
        sampling: Sampling | None,
        check_stop: Callable[[list[int]], bool] | None,
        sketch: TensorSketch | None,
    ) -> None:
        self._student = student
        self._n_rows = n_rows
        self._max_new_tokens = max_new_tokens
        self._sampling = sampling
        self._check_stop = check_stop
        self._sketch = sketch
        self._log: DecodeLog | None = None
        self._t = 0
        self._active = list(range(n_rows))

    def is_done(self) -> list[bool]:
        active = set(self._active)
        return [row not in active for row in range(self._n_rows)]

    def choose(self, hidden_B_D: Any) -> Any:
        """token_B. Rows that have ended get an end token, which is not logged."""
        import torch

        device = self._student.device
        if self._log is None:
            self._log = new_decode_log(hidden_B_D, self._max_new_tokens, self._sketch)
        rows_A = torch.tensor(self._active, dtype=torch.long, device=device)
        hidden_A_D = hidden_B_D[rows_A]
        logits_A_V = apply_head(self._student, hidden_A_D)
        token_A = choose_tokens(logits_A_V, self._sampling, rows_A)
        sums = self._log.sums
        sketch_rows = sums.select_rows(rows_A) if sums else None
        signals_A = compute_signals(logits_A_V, hidden_A_D, token_A, sketch_rows)
        log_tokens(self._log, self._t, rows_A, token_A, signals_A, hidden_A_D)
        is_active = find_active_rows(
            self._student, self._log, self._t, rows_A, token_A, self._check_stop
        )
        self._active = [
            row for row, goes_on in zip(self._active, is_active, strict=True) if goes_on
        ]
        self._t += 1
        token_B = torch.full((self._n_rows,), min(self._student.ends), device=device)
        token_B[rows_A] = token_A
        return token_B

    def answers(self) -> list[DecodedAnswer]:
        return [] if self._log is None else collect_answers(self._log)
