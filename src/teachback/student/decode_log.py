"""What has been decoded of a batch so far, and the answers it ends as."""

from collections.abc import Callable
from typing import Any, NamedTuple

from .inference import InferenceModel
from .prefill import KnownAnswer
from .signals import TokenSignals
from .sketch import FloatArray, SketchSums, TensorSketch, new_sketch_sums


class DecodedAnswer(NamedTuple):
    """An answer of T tokens, the end token included if it was produced."""

    tokens: list[int]
    has_ended: bool  # by an end token or a stop string
    signals: TokenSignals  # arrays of T
    embedding_D: FloatArray  # the mean of what the head read for the tokens
    target_nll: float | None = None  # mean of the target's tokens, if there is one
    # The sketch of the head's gradient, if there is one.
    gradient_M: FloatArray | None = None


class DecodeLog(NamedTuple):
    """What was decoded of N rows, at most T tokens each."""

    token_N_T: Any
    signals_N_T: TokenSignals
    hidden_N_D: Any  # the sum of what the head read
    length_N: list[int]
    has_ended_N: list[bool]
    sums: SketchSums | None  # of the gradients' sketches


def new_decode_log(
    hidden_N_D: Any, max_new_tokens: int, sketch: TensorSketch | None
) -> DecodeLog:
    import torch

    n = len(hidden_N_D)
    device = hidden_N_D.device
    columns = [
        torch.zeros(n, max_new_tokens, device=device) for _ in TokenSignals._fields
    ]
    return DecodeLog(
        token_N_T=torch.zeros(n, max_new_tokens, dtype=torch.long, device=device),
        signals_N_T=TokenSignals(*columns),
        hidden_N_D=torch.zeros_like(hidden_N_D, dtype=torch.float32),
        length_N=[0] * n,
        has_ended_N=[False] * n,
        sums=new_sketch_sums(sketch, n) if sketch else None,
    )


def log_tokens(
    log: DecodeLog,
    t: int,
    rows_B: Any,
    token_B: Any,
    signals_B: TokenSignals,
    hidden_B_D: Any,
) -> None:
    """Enter the t-th token of the B rows."""
    log.token_N_T[rows_B, t] = token_B
    for logged_N_T, new_B in zip(log.signals_N_T, signals_B, strict=True):
        logged_N_T[rows_B, t] = new_B
    log.hidden_N_D[rows_B] += hidden_B_D.float()


def log_known_answer(log: DecodeLog, row: int, answer: KnownAnswer) -> None:
    """Enter a row whose answer is known without decoding it."""
    length = len(answer.ids_T)
    log.token_N_T[row, :length] = answer.ids_T
    for logged_N_T, new_T in zip(log.signals_N_T, answer.signals_T, strict=True):
        logged_N_T[row, :length] = new_T
    log.hidden_N_D[row] = answer.hidden_T_D.float().sum(0)
    log.length_N[row] = length
    log.has_ended_N[row] = True


def collect_answers(log: DecodeLog) -> list[DecodedAnswer]:
    token_N_T = log.token_N_T.tolist()
    hidden_N_D = log.hidden_N_D.cpu().numpy()
    signals_N_T = [column.cpu().numpy() for column in log.signals_N_T]
    gradient_N_M = log.sums.compute_means(log.length_N) if log.sums else None

    answers = []
    for n, length in enumerate(log.length_N):
        answers.append(
            DecodedAnswer(
                tokens=token_N_T[n][:length],
                has_ended=log.has_ended_N[n],
                signals=TokenSignals(*(column[n, :length] for column in signals_N_T)),
                embedding_D=hidden_N_D[n] / length,
                gradient_M=None if gradient_N_M is None else gradient_N_M[n],
            )
        )
    return answers


def find_active_rows(
    student: InferenceModel,
    log: DecodeLog,
    t: int,
    rows_B: Any,
    token_B: Any,
    check_stop: Callable[[list[int]], bool] | None,
) -> list[bool]:
    """Which of the B rows get another token. Logs how long all of them are."""
    rows = rows_B.tolist()
    tokens = token_B.tolist()
    # All at once, so that a GPU waits once.
    answers = None if check_stop is None else log.token_N_T[rows_B, : t + 1].tolist()
    is_active = []
    for i, row in enumerate(rows):
        has_ended = tokens[i] in student.ends
        if check_stop is not None and answers is not None:
            has_ended = has_ended or check_stop(answers[i])
        log.length_N[row] = t + 1
        log.has_ended_N[row] = has_ended
        is_active.append(not has_ended)
    return is_active
