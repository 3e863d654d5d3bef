"""Whole gradients of answers, in parts: what bench/sketch.py compares sketches with.

Arrays' shapes: N tokens of R answers, D hidden numbers, V tokens of the vocabulary, K of
them in a block.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np

from bench.conversations import CHAT
from bench.process import run_timed
from teachback.student.batching import BATCH_TOKENS
from teachback.student.inference import InferenceModel, apply_head
from teachback.student.scoring import run_answer_passes
from teachback.student.signals import compute_signals, split_blocks
from teachback.student.sketch import draw_sketch, new_sketch_sums

BLOCK = 128  # tokens of the vocabulary whose part of all gradients exists at once
TOP = 8  # likeliest tokens that the sketch's rival keeps, beside the answer's own
ROUNDING = 1e-4  # logits here may be rounded differently from those of the pass

Arrays = dict[str, Any]  # numpy arrays by name


class HeadInputs(NamedTuple):
    # What the head read for each token, and the token itself.
    hidden_N_D: Any
    ids_N: Any
    # The logsum of its logits, and the TOP-th largest of them.
    logsum_N: Any
    least_N: Any
    # Tokens of each answer.
    length_R: Any


class AnswerTokens(NamedTuple):
    row: int
    hidden_T_D: Any
    ids_T: Any


def read_head_inputs(
    student: InferenceModel, rows: Sequence[tuple[str, str]]
) -> Arrays:
    """The `HeadInputs` of (question, answer) rows."""
    import torch

    by_row: dict[int, list[Any]] = {}
    for places, lengths, hidden_N_D, ids_N in run_answer_passes(
        student, CHAT, rows, BATCH_TOKENS
    ):
        logits = [apply_head(student, hidden) for (hidden,) in split_blocks(hidden_N_D)]
        logsum_N = torch.cat([z.logsumexp(-1) for z in logits])
        least_N = torch.cat([z.topk(TOP).values[:, -1] for z in logits])
        columns = [
            column.split(lengths) for column in (hidden_N_D, ids_N, logsum_N, least_N)
        ]
        for place, *parts in zip(places, *columns, strict=True):
            by_row[place] = parts

    in_order = [by_row[i] for i in range(len(rows))]
    columns_N = [torch.cat(column).numpy() for column in zip(*in_order, strict=True)]
    length_R = np.array([len(ids) for _, ids, _, _ in in_order])
    return HeadInputs(*columns_N, length_R)._asdict()


def gram_of_block(inputs: HeadInputs, weight_K_D: Any, start: int) -> Arrays:
    """What a part of the vocabulary adds to ⟨G_i, G_j⟩ of all pairs of rows.

    exact: from all entries. top: from the likeliest entries and the answer's own.
    """
    import torch

    columns = [torch.from_numpy(column) for column in inputs[:4]]
    hidden_N_D, ids_N, logsum_N, least_N = columns
    lengths = inputs.length_R.tolist()
    exact_R_R = np.zeros((len(lengths), len(lengths)))
    top_R_R = np.zeros_like(exact_R_R)
    for at in range(0, len(weight_K_D), BLOCK):
        logits_N_K = hidden_N_D @ weight_K_D[at : at + BLOCK].T
        first = start + at
        token_K = torch.arange(first, first + logits_N_K.shape[1])
        own_N_K = ids_N[:, None] == token_K
        delta_N_K = (logits_N_K - logsum_N[:, None]).exp() - own_N_K.float()
        likely_N_K = own_N_K | (logits_N_K > least_N[:, None] - ROUNDING)
        exact_R_R += inner_products(delta_N_K, hidden_N_D, lengths)
        top_R_R += inner_products(delta_N_K * likely_N_K, hidden_N_D, lengths)
    return {"exact": exact_R_R, "top": top_R_R}


def inner_products(delta_N_K: Any, hidden_N_D: Any, lengths: list[int]) -> Any:
    import torch

    answers = zip(delta_N_K.split(lengths), hidden_N_D.split(lengths), strict=True)
    gradients = [
        (delta_T_K.T @ hidden_T_D).flatten() / len(hidden_T_D)
        for delta_T_K, hidden_T_D in answers
    ]
    gradient_R_KD = torch.stack(gradients)
    return (gradient_R_KD @ gradient_R_KD.T).numpy()


def shortest_answers(inputs: HeadInputs, count: int) -> list[AnswerTokens]:
    import torch

    ends = np.cumsum(inputs.length_R)
    answers = []
    for row in np.argsort(inputs.length_R, kind="stable")[:count]:
        part = slice(ends[row] - inputs.length_R[row], ends[row])
        hidden_T_D = torch.from_numpy(inputs.hidden_N_D[part])
        ids_T = torch.from_numpy(inputs.ids_N[part])
        answers.append(AnswerTokens(int(row), hidden_T_D, ids_T))
    return answers


def kernel_products(inputs: HeadInputs, weight_V_D: Any, count: int) -> Arrays:
    """⟨G_i, G_j⟩ of the shortest answers' pairs, as sums over pairs of tokens, in float64."""
    import torch

    answers = shortest_answers(inputs, count)
    factors = []
    for answer in answers:
        hidden_T_D = answer.hidden_T_D.double()
        delta_T_V = (hidden_T_D @ weight_V_D.double().T).softmax(-1)
        delta_T_V[torch.arange(len(answer.ids_T)), answer.ids_T] -= 1
        factors.append((delta_T_V, hidden_T_D))

    products = []
    for (delta_i, hidden_i), (delta_j, hidden_j) in pairs_of(factors):
        product_T_T = (delta_i @ delta_j.T) * (hidden_i @ hidden_j.T)
        products.append(product_T_T.mean().item())
    return {"rows": [answer.row for answer in answers], "products": products}


def sketch_products(
    inputs: HeadInputs, weight_V_D: Any, count: int, size: int, sketches: int
) -> Arrays:
    """The same products by many sketches, through the pass that gives the signals."""
    import torch

    answers = shortest_answers(inputs, count)
    lengths = [len(answer.ids_T) for answer in answers]
    hidden_N_D = torch.cat([answer.hidden_T_D for answer in answers])
    ids_N = torch.cat([answer.ids_T for answer in answers])
    row_N = torch.repeat_interleave(torch.tensor(lengths))
    logits_N_V = hidden_N_D @ weight_V_D.T

    products = []
    for seed in range(sketches):
        sums = new_sketch_sums(draw_sketch(*weight_V_D.shape, size, seed), count)
        compute_signals(logits_N_V, hidden_N_D, ids_N, sums.select_rows(row_N))
        gradients = sums.compute_means(lengths).astype(np.float64)
        products.append([one @ other for one, other in pairs_of(gradients)])
    return {"products": products}


def pairs_of(rows: Any) -> Iterator[tuple[Any, Any]]:
    """Every pair of rows, and each row with itself."""
    return combinations_with_replacement(rows, 2)


def gram_errors(exact_R_R: Any, other_R_R: Any) -> dict[str, float]:
    """Errors off the diagonal.

    Of inner products, over the lengths of both; of distances, over the distance.
    """
    apart = ~np.eye(len(exact_R_R), dtype=bool)
    norm = np.sqrt(np.diag(exact_R_R))
    error = ((other_R_R - exact_R_R) / np.outer(norm, norm))[apart]
    distance = np.sqrt(
        squared_distances(other_R_R)[apart] / squared_distances(exact_R_R)[apart]
    )
    return {
        "rms_inner_product_error": round(float(np.sqrt((error**2).mean())), 5),
        "mean_distance_error": round(float(abs(distance - 1).mean()), 5),
    }


def squared_distances(gram_R_R: Any) -> Any:
    square = np.diag(gram_R_R)
    return np.maximum(square[:, None] + square - 2 * gram_R_R, 0)


def compare_potentials(
    exact_R_R: Any, other_R_R: Any, picks: int, draws: int
) -> dict[str, float]:
    """The potential of picks by other distances, over that of picks by exact distances.

    Both use the same random numbers. The potential counts exact distances.
    """
    exact = squared_distances(exact_R_R)
    other = squared_distances(other_R_R)
    random = np.random.default_rng(0)
    ours = np.empty(draws)
    best = np.empty(draws)
    for i in range(draws):
        numbers = random.random(picks)
        ours[i] = exact[kmeans_plus_plus(other, numbers)].min(0).sum()
        best[i] = exact[kmeans_plus_plus(exact, numbers)].min(0).sum()

    error = (ours - best).std() / draws**0.5 / best.mean()
    return {
        "potential_over_exact": round(ours.mean() / best.mean(), 5),
        "its_standard_error": round(float(error), 5),
    }


def kmeans_plus_plus(square_R_R: Any, numbers: Any) -> list[int]:
    """Draw each pick in proportion to its squared distance from the nearest pick so far."""
    rows = len(square_R_R)
    picks = [int(numbers[0] * rows)]
    nearest_R = square_R_R[picks[0]]
    for number in numbers[1:]:
        sum_R = nearest_R.cumsum()
        pick = np.searchsorted(sum_R, number * sum_R[-1], side="right")
        picks.append(int(pick.clip(max=rows - 1)))
        nearest_R = np.minimum(nearest_R, square_R_R[picks[-1]])
    return picks


def rival_costs(inputs: HeadInputs, size: int) -> dict[str, float]:
    """What the TOP likeliest entries cost beside a sketch.

    Measured are the memory of a row and the time of a pick's distances to all rows. Of
    the kernel, only the unavoidable products of hidden states count.
    """
    rows = len(inputs.length_R)
    width = inputs.hidden_N_D.shape[1]
    gradient_R_M = np.ones((rows, size), np.float32)
    first_T_D = inputs.hidden_N_D[: inputs.length_R[0]]
    kernel_s = fastest(partial(np.matmul, inputs.hidden_N_D, first_T_D.T))
    sketch_s = fastest(partial(np.matmul, gradient_R_M, gradient_R_M[0]))
    tokens_a_row = float(inputs.length_R.mean())
    return {
        "bytes_a_row": round(tokens_a_row * (4 * width + 8 * (TOP + 1))),
        "bytes_a_row_of_the_sketch": 4 * size,
        "seconds_a_pick_and_1000_rows": round(kernel_s / rows * 1000, 5),
        "seconds_a_pick_and_1000_rows_of_the_sketch": round(sketch_s / rows * 1000, 6),
    }


def fastest(function: Callable[[], Any], tries: int = 5) -> float:
    return min(run_timed(function)[1] for _ in range(tries))
