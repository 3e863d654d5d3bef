"""Whole gradients of answers, never all at once: what sketches of them are compared with (bench/sketch.py)."""

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np

from bench.conversations import CHAT
from bench.process import run_timed as timed
from teachback.student.frozen import Frozen, head
from teachback.student.signals import BATCH_TOKENS, blocks, passes, signals
from teachback.student.sketch import draw_sketch, new_sums

BLOCK = 128  # tokens of the vocabulary whose part of all gradients exists at once
TOP = 8  # likeliest tokens that the rival of a sketch keeps, beside the answer's own

Arrays = dict[str, Any]  # numpy arrays by name


class Pass(NamedTuple):
    """N tokens of R answers: what the head read, the token, the logsum of its logits and the TOP-th of them."""

    hidden_N_D: Any
    ids_N: Any
    logsum_N: Any
    least_N: Any
    length_R: Any


def gone_over(student: Frozen, rows: Sequence[tuple[str, str]]) -> Arrays:
    """The `Pass` of (question, answer) rows."""
    import torch

    of: dict[int, list[Any]] = {}
    for places, lengths, hidden_N_D, ids_N in passes(student, CHAT, rows, BATCH_TOKENS):
        logits = [head(student, hidden) for (hidden,) in blocks(hidden_N_D)]
        logsum_N = torch.cat([z.logsumexp(-1) for z in logits])
        least_N = torch.cat([z.topk(TOP).values[:, -1] for z in logits])
        columns = (
            column.split(lengths) for column in (hidden_N_D, ids_N, logsum_N, least_N)
        )
        of |= zip(places, map(list, zip(*columns, strict=True)), strict=True)
    columns_N = [
        torch.cat(column).numpy()
        for column in zip(*(of[i] for i in range(len(rows))), strict=True)
    ]
    return Pass(
        *columns_N, np.array([len(of[i][1]) for i in range(len(rows))])
    )._asdict()


def gram(found: Pass, weight_K_D: Any, start: int) -> Arrays:
    """These tokens' part of ⟨G_i, G_j⟩ of all rows: exactly, and of G's likeliest entries."""
    import torch

    hidden, ids, logsum, least = (torch.from_numpy(column) for column in found[:4])
    lengths = found.length_R.tolist()
    total = {name: np.zeros((len(lengths), len(lengths))) for name in ("exact", "top")}
    for at in range(0, len(weight_K_D), BLOCK):
        logits_N_K = hidden @ weight_K_D[at : at + BLOCK].T
        own_N_K = ids[:, None] == torch.arange(
            start + at, start + at + logits_N_K.shape[1]
        )
        delta_N_K = (logits_N_K - logsum[:, None]).exp() - own_N_K.float()
        likely_N_K = own_N_K | (
            logits_N_K > least[:, None] - 1e-4
        )  # rounded another way than the pass did
        for name, kept_N_K in (("exact", delta_N_K), ("top", delta_N_K * likely_N_K)):
            each = zip(kept_N_K.split(lengths), hidden.split(lengths), strict=True)
            gradient_R_KD = torch.stack(
                [(delta.T @ h).flatten() / len(h) for delta, h in each]
            )
            total[name] += (gradient_R_KD @ gradient_R_KD.T).numpy()
    return total


def shortest(found: Pass, count: int) -> list[tuple[int, Any, Any]]:
    """(row, hidden_T_D, ids_T) of so many rows."""
    import torch

    ends, rows = (
        np.cumsum(found.length_R),
        np.argsort(found.length_R, kind="stable")[:count],
    )
    parts = [(r, slice(ends[r] - found.length_R[r], ends[r])) for r in rows]
    return [
        (
            int(r),
            torch.from_numpy(found.hidden_N_D[part]),
            torch.from_numpy(found.ids_N[part]),
        )
        for r, part in parts
    ]


def by_kernel(found: Pass, weight_V_D: Any, count: int) -> Arrays:
    """⟨G_i, G_j⟩ of the shortest rows' pairs, as a sum over pairs of tokens, in float64."""
    import torch

    some, products = [], []
    for _, hidden, ids in shortest(found, count):
        delta = (hidden.double() @ weight_V_D.double().T).softmax(-1)
        delta[torch.arange(len(ids)), ids] -= 1
        some.append((delta, hidden.double()))
    for (delta_i, hidden_i), (delta_j, hidden_j) in combinations_with_replacement(
        some, 2
    ):
        products.append(((delta_i @ delta_j.T) * (hidden_i @ hidden_j.T)).mean().item())
    return {"rows": [row for row, _, _ in shortest(found, count)], "products": products}


def by_sketches(
    found: Pass, weight_V_D: Any, count: int, size: int, sketches: int
) -> Arrays:
    """The same of many sketches, through the signals pass."""
    import torch

    _, hidden, ids = zip(*shortest(found, count), strict=True)
    lengths, hidden_N_D, products = [len(one) for one in ids], torch.cat(hidden), []
    logits_N_V, row_N = (
        hidden_N_D @ weight_V_D.T,
        torch.repeat_interleave(torch.tensor(lengths)),
    )
    for seed in range(sketches):
        sums = new_sums(draw_sketch(*weight_V_D.shape, size, seed), count)
        signals(logits_N_V, hidden_N_D, torch.cat(ids), sums.at(row_N))
        gradients = sums.means(lengths).astype(np.float64)
        products.append(
            [one @ other for one, other in combinations_with_replacement(gradients, 2)]
        )
    return {"products": products}


def errors(exact: Any, found: Any) -> dict[str, float]:
    """Off the diagonal: of inner products, over the lengths of both; of distances, over the distance."""
    apart = ~np.eye(len(exact), dtype=bool)
    norm = np.sqrt(np.diag(exact))
    off = ((found - exact) / np.outer(norm, norm))[apart]
    distance = np.sqrt(squares(found)[apart] / squares(exact)[apart])
    return {"rms_inner_product_error": round(float(np.sqrt((off**2).mean())), 5)} | {
        "mean_distance_error": round(float(abs(distance - 1).mean()), 5)
    }


def squares(gram_R_R: Any) -> Any:
    """Squared distances."""
    square = np.diag(gram_R_R)
    return np.maximum(square[:, None] + square - 2 * gram_R_R, 0)


def potentials(exact: Any, found: Any, picks: int, draws: int) -> dict[str, float]:
    """The potential under exact distances of picks made with these / with exact ones, from the same numbers."""
    true, near, random = squares(exact), squares(found), np.random.default_rng(0)
    numbers = [random.random(picks) for _ in range(draws)]
    ours, best = (
        np.array([true[seeded(s, one)].min(0).sum() for one in numbers])
        for s in (near, true)
    )
    error = (ours - best).std() / draws**0.5 / best.mean()
    return {
        "potential_over_exact": round(ours.mean() / best.mean(), 5),
        "its_standard_error": round(float(error), 5),
    }


def seeded(square_R_R: Any, drawn: Any) -> list[int]:
    """k-means++: each pick with a probability in proportion to its squared distance from the nearest so far."""
    picks = [int(drawn[0] * len(square_R_R))]
    nearest = square_R_R[picks[0]]
    for number in drawn[1:]:
        law = nearest.cumsum()
        picks.append(
            int(
                np.searchsorted(law, number * law[-1], side="right").clip(
                    max=len(law) - 1
                )
            )
        )
        nearest = np.minimum(nearest, square_R_R[picks[-1]])
    return picks


def rival_costs(found: Pass, size: int) -> dict[str, float]:
    """What the TOP likeliest entries cost beside a sketch: memory, and a pick's distances to all rows. Of the kernel
    only the products of hidden states are counted, which it can't do without."""
    rows, width = len(found.length_R), found.hidden_N_D.shape[1]
    ends, gradients = np.cumsum(found.length_R), np.ones((rows, size), np.float32)
    one = found.hidden_N_D[: ends[0]]
    kernel = min(timed(lambda: found.hidden_N_D @ one.T)[1] for _ in range(5))
    sketch = min(timed(lambda: gradients @ gradients[0])[1] for _ in range(5))
    return {
        "bytes_a_row": round(
            float(found.length_R.mean()) * (4 * width + 8 * (TOP + 1))
        ),
        "bytes_a_row_of_the_sketch": 4 * size,
        "seconds_a_pick_and_1000_rows": round(kernel / rows * 1000, 5),
        "seconds_a_pick_and_1000_rows_of_the_sketch": round(sketch / rows * 1000, 6),
    }
