"""Sketches of the head's gradient: TensorSketch (Pham and Pagh, KDD 2013), taken while the logits are at hand.

The gradient of an answer's mean nll is G = 1/T Σ_t (p_t − onehot(ŷ_t)) ⊗ h_t, vocabulary × hidden: where the logits
are a linear map of h, it is what the head's weights would be moved by. Both sides of a token's product are
count-sketched into M buckets; the circular convolution of the two is the product's own sketch, and sums over tokens are
taken in the frequency domain. Over the draw of the tables ⟨sketch_i, sketch_j⟩ is ⟨G_i, G_j⟩ in the mean, within a few
‖G_i‖‖G_j‖ / √M. There is no backward pass, and nothing of the size of G.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .frozen import Frozen

SIZE = 4096  # M: 16 kB an answer

Array = np.ndarray[Any, np.dtype[np.float32]]


class Count(NamedTuple):
    """A count sketch of vectors of K entries: each goes to one of M buckets, with a sign.

    bucket_K, sign_K: of each entry. order_C_M: the entries in each bucket, at most C = ⌈K / M⌉, and order_sign_C_M:
    their signs, 0 where there is none. Two entries meet with a probability just under 1 / M, and none do if all fit.
    Entries are gathered, not scattered, which is as fast and takes no atomic additions on a GPU.
    """

    bucket_K: Any
    sign_K: Any
    order_C_M: Any
    order_sign_C_M: Any


@dataclass(frozen=True)
class Sketch:
    """The tables of one TensorSketch: of the vocabulary, and of the hidden numbers. Made once for all that is to be
    compared."""

    size: int
    tokens: Count
    hidden: Count


@dataclass(frozen=True)
class Sums:
    """Of R answers, the sums of their tokens' sketches: total_R_F, complex, over the F = M // 2 + 1 frequencies."""

    sketch: Sketch
    total_R_F: Any

    def at(self, row_N: Any) -> "Into":
        return Into(self, row_N)

    def means(self, lengths: Sequence[int]) -> Array:
        """gradient_R_M of answers of so many tokens."""
        import torch

        sum_R_M = torch.fft.irfft(self.total_R_F, n=self.sketch.size)
        return np.asarray(
            sum_R_M.cpu().numpy() / np.array(lengths, np.float32)[:, None]
        )


class Into(NamedTuple):
    """To which answers N tokens belong: where their sketches are added."""

    sums: Sums
    row_N: Any

    def split(self, size: int) -> "list[Into]":
        return [Into(self.sums, row) for row in self.row_N.split(size)]


def make_sketch(student: Frozen, seed: int, size: int = SIZE) -> Sketch:
    """Of a student's head, on its device. The same seed gives the same tables on any device."""
    head = student.model.get_output_embeddings()
    return draw_sketch(head.out_features, head.in_features, size, seed, student.device)


def draw_sketch(
    vocabulary: int, width: int, size: int, seed: int, device: Any = "cpu"
) -> Sketch:
    """Of gradients of vocabulary × width, in `size` numbers."""
    random = np.random.default_rng(seed)
    return Sketch(
        size,
        *(draw_count(entries, size, random, device) for entries in (vocabulary, width)),
    )


def draw_count(
    entries: int, size: int, random: np.random.Generator, device: Any
) -> Count:
    import torch

    padded = -(-entries // size) * size  # entries past the last stand for nothing
    order = random.permutation(padded)
    sign = random.choice(np.array([-1, 1], np.float32), padded)
    there, bucket = order < entries, np.argsort(order) % size
    tables = (
        bucket[:entries],
        sign[:entries],
        np.where(there, order, 0),
        np.where(there, sign[order], 0),
    )
    bucket_K, sign_K, order_P, order_sign_P = (
        torch.from_numpy(table).to(device) for table in tables
    )
    return Count(bucket_K, sign_K, order_P.view(-1, size), order_sign_P.view(-1, size))


def new_sums(sketch: Sketch, answers: int) -> Sums:
    import torch

    device = sketch.tokens.sign_K.device
    return Sums(
        sketch,
        torch.zeros(
            answers, sketch.size // 2 + 1, dtype=torch.complex64, device=device
        ),
    )


def add(into: Into, p_N_V: Any, hidden_N_D: Any, ids_N: Any) -> None:
    """(p_t − onehot(id_t)) ⊗ h_t of N tokens. p in float32; hidden in any precision."""
    import torch

    tokens, hidden = into.sums.sketch.tokens, into.sums.sketch.hidden
    delta_N_M = counted(tokens, p_N_V)
    delta_N_M.scatter_add_(
        1, tokens.bucket_K[ids_N][:, None], -tokens.sign_K[ids_N][:, None]
    )
    product_N_F = torch.fft.rfft(delta_N_M) * torch.fft.rfft(
        counted(hidden, hidden_N_D.float())
    )
    into.sums.total_R_F.index_add_(0, into.row_N, product_N_F)


def counted(table: Count, x_N_K: Any) -> Any:
    """The count sketch, N × M."""
    order_N_P = table.order_C_M.view(1, -1).expand(len(x_N_K), -1)
    return (
        x_N_K.gather(1, order_N_P)
        .view(-1, *table.order_C_M.shape)
        .mul_(table.order_sign_C_M)
        .sum(1)
    )
