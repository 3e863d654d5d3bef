"""How rows are cut into batches by their tokens, and padded to one length."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

# Tokens of a micro-batch on a CPU, padding included. More leaves the cache and is slower.
BATCH_TOKENS = 512
# A batch on a GPU is this many times as large as on a CPU, to keep the GPU busy.
GPU_SCALE = 16

_Item = TypeVar("_Item")


def scale_for_device(on_cpu: int, device: Any) -> int:
    """How many tokens, positions or logits to compute at once on a torch device."""
    return on_cpu if device.type == "cpu" else on_cpu * GPU_SCALE


def micro_batch_tokens(batch_tokens: int | None, device: Any) -> int:
    """Tokens of a micro-batch; None: as many as suit the device."""
    return batch_tokens or scale_for_device(BATCH_TOKENS, device)


def fill_batches(
    items: Iterable[_Item], too_large: Callable[[Sequence[_Item]], bool]
) -> Iterator[list[_Item]]:
    """Cut items into batches, in their order.

    A batch ends where the next item would make it too large. An item that is too
    large by itself gets its own batch.
    """
    batch: list[_Item] = []
    for item in items:
        if batch and too_large([*batch, item]):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def batch_by_length(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Batches of row indices, at most batch_tokens tokens each, padding included.

    Rows of similar length share a batch, so there is little padding.
    """

    def too_large(batch: Sequence[int]) -> bool:
        longest = lengths[batch[-1]]  # the rows are sorted
        return len(batch) * longest > batch_tokens

    by_length = sorted(range(len(lengths)), key=lambda i: lengths[i])
    return fill_batches(by_length, too_large)


def pad_rows(
    rows: Sequence[Sequence[int]], pad: int, *, left: bool = False
) -> tuple[Any, Any]:
    """ids_B_T and mask_B_T on the CPU, padded on the right, or on the left.

    pad: the token id in the padding, where the mask is 0.
    """
    import torch

    longest = max(map(len, rows))
    ids_B_T = []
    mask_B_T = []
    for row in rows:
        n_pad = longest - len(row)
        padding = [pad] * n_pad
        if left:
            ids_B_T.append([*padding, *row])
            mask_B_T.append([0] * n_pad + [1] * len(row))
        else:
            ids_B_T.append([*row, *padding])
            mask_B_T.append([1] * len(row) + [0] * n_pad)
    return torch.tensor(ids_B_T), torch.tensor(mask_B_T)
