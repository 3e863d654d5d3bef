"""Sketches of the head's gradient: TensorSketch (Pham and Pagh, KDD 2013).

The gradient of an answer's mean nll is G = 1/T Σ_t (p_t − onehot(ŷ_t)) ⊗ h_t, of the
size vocabulary × hidden. Where the logits are a linear map of h, it is the gradient of
the head's weights. The sketch is taken while the logits are at hand, without a backward
pass and without anything of the size of G.

Both sides of a token's product are count-sketched into M buckets. The circular
convolution of the two is the product's sketch, and sums over tokens are taken in the
frequency domain. Over the draw of the tables, the mean of ⟨sketch_i, sketch_j⟩ is
⟨G_i, G_j⟩, within a few ‖G_i‖‖G_j‖ / √M.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from .inference import InferenceModel

SKETCH_SIZE = 4096  # M: 16 kB an answer

FloatArray = np.ndarray[Any, np.dtype[np.float32]]


class CountSketch(NamedTuple):
    """The tables of a count sketch: each of K entries goes to one of M buckets, signed.

    A bucket gets at most C = ⌈K / M⌉ entries. Two entries meet with a probability just
    under 1 / M; none do if all fit. Entries are gathered, not scattered: it is as fast,
    and takes no atomic additions on a GPU.
    """

    bucket_K: Any
    sign_K: Any
    order_C_M: Any  # the entries in each bucket
    order_sign_C_M: Any  # their signs, 0 where there is no entry


@dataclass(frozen=True)
class TensorSketch:
    """The tables of one TensorSketch. Sketches compare only if they share it."""

    size: int  # M
    tokens: CountSketch  # of the vocabulary
    hidden: CountSketch  # of the hidden numbers


@dataclass(frozen=True)
class SketchSums:
    """The sums of R answers' token sketches, over F = M // 2 + 1 frequencies."""

    sketch: TensorSketch
    total_R_F: Any  # complex

    def select_rows(self, row_N: Any) -> "SketchRows":
        """Where the sketches of N tokens are added: row_N has each token's answer."""
        return SketchRows(self, row_N)

    def compute_means(self, lengths: Sequence[int]) -> FloatArray:
        """gradient_R_M of answers of these many tokens."""
        import torch

        sum_R_M = torch.fft.irfft(self.total_R_F, n=self.sketch.size).cpu().numpy()
        length_R_1 = np.array(lengths, np.float32)[:, None]
        return np.asarray(sum_R_M / length_R_1)


class SketchRows(NamedTuple):
    """To which answers N tokens belong: where their sketches are added."""

    sums: SketchSums
    row_N: Any

    def split(self, size: int) -> "list[SketchRows]":
        return [SketchRows(self.sums, row) for row in self.row_N.split(size)]


def make_sketch(
    student: "InferenceModel", seed: int, size: int = SKETCH_SIZE
) -> TensorSketch:
    """For a student's head, on its device. A seed gives the same tables on any device."""
    head = student.model.get_output_embeddings()
    return draw_sketch(head.out_features, head.in_features, size, seed, student.device)


def draw_sketch(
    vocabulary: int, width: int, size: int, seed: int, device: Any = "cpu"
) -> TensorSketch:
    """For gradients of vocabulary × width, in `size` numbers."""
    random = np.random.default_rng(seed)
    tokens = draw_count_sketch(vocabulary, size, random, device)
    hidden = draw_count_sketch(width, size, random, device)
    return TensorSketch(size, tokens, hidden)


def draw_count_sketch(
    entries: int, size: int, random: np.random.Generator, device: Any
) -> CountSketch:
    import torch

    n_places = -(-entries // size) * size  # places past the last entry stay empty
    order_P = random.permutation(n_places)
    sign_P = random.choice(np.array([-1, 1], np.float32), n_places)
    is_entry_P = order_P < entries
    bucket_P = np.argsort(order_P) % size
    tables = (
        bucket_P[:entries],
        sign_P[:entries],
        np.where(is_entry_P, order_P, 0).reshape(-1, size),
        np.where(is_entry_P, sign_P[order_P], 0).reshape(-1, size),
    )
    return CountSketch(*(torch.from_numpy(table).to(device) for table in tables))


def new_sketch_sums(sketch: TensorSketch, answers: int) -> SketchSums:
    import torch

    total_R_F = torch.zeros(
        answers,
        sketch.size // 2 + 1,
        dtype=torch.complex64,
        device=sketch.tokens.sign_K.device,
    )
    return SketchSums(sketch, total_R_F)


def add_gradients(rows: SketchRows, p_N_V: Any, hidden_N_D: Any, ids_N: Any) -> None:
    """Add (p_t − onehot(id_t)) ⊗ h_t of N tokens. p in float32; hidden in any precision."""
    import torch

    sketch = rows.sums.sketch
    delta_N_M = count_sketch(sketch.tokens, p_N_V)
    bucket_N = sketch.tokens.bucket_K[ids_N]
    sign_N = sketch.tokens.sign_K[ids_N]
    delta_N_M.scatter_add_(1, bucket_N[:, None], -sign_N[:, None])
    hidden_N_M = count_sketch(sketch.hidden, hidden_N_D.float())
    product_N_F = torch.fft.rfft(delta_N_M) * torch.fft.rfft(hidden_N_M)
    rows.sums.total_R_F.index_add_(0, rows.row_N, product_N_F)


def count_sketch(table: CountSketch, x_N_K: Any) -> Any:
    """sketch_N_M."""
    order_N_P = table.order_C_M.view(1, -1).expand(len(x_N_K), -1)
    gathered_N_C_M = x_N_K.gather(1, order_N_P).view(-1, *table.order_C_M.shape)
    return gathered_N_C_M.mul_(table.order_sign_C_M).sum(1)
