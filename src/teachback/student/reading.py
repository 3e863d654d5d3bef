"""Rows of tokens through the decoder, many at a time; what they all begin with is read once."""

from collections.abc import Sequence
from typing import Any

from .cache import Held
from .frozen import Frozen

SHARED_TOKENS = 64  # spared, or what prompts begin with isn't worth a pass of its own


def read_common(student: Frozen, held: Held, prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with; they are read, and stand before the rows that `held` takes from now on.

    0 where it isn't worth it, or transformers' own cache can't do it.
    """
    shared = common(prompts) if held.extent is not None else 0
    if shared and held.extent is not None:
        held.extent.reading = []
        forward_from(student, held, [prompts[0][:shared]], 0)
    return shared


def common(prompts: Sequence[Sequence[int]]) -> int:
    """How many tokens all prompts begin with, if reading them once spares enough; each keeps one of its own."""
    shortest = min(map(len, prompts)) - 1
    same = next(
        (t for t in range(shortest) if len({prompt[t] for prompt in prompts}) > 1),
        shortest,
    )
    return same if same * (len(prompts) - 1) >= SHARED_TOKENS else 0


def forward_from(
    student: Frozen, held: Held | None, rows: Sequence[Sequence[int]], shared: int
) -> Any:
    """hidden_P_T_D of rows that go on after `shared` tokens that `held` has; None: after nothing.

    Padded on the right: what a row's tokens see stands in the columns before them, as it does when it is answered.
    """
    import torch

    ids_P_T, mask_P_T = padded(student, rows, left=False)
    P, T = ids_P_T.shape
    mask_P_C = torch.cat([mask_P_T.new_ones(P, shared), mask_P_T], dim=1)
    position_P_T = torch.arange(shared, shared + T, device=student.device).expand(P, T)
    return forward(student, held, ids_P_T, mask_P_C, position_P_T)


def padded(
    student: Frozen, rows: Sequence[Sequence[int]], left: bool
) -> tuple[Any, Any]:
    """ids_B_T and mask_B_T."""
    import torch

    longest, pad = max(map(len, rows)), min(student.ends)
    gaps = [longest - len(row) for row in rows]
    ids_B_T = [
        [*[pad] * gap, *row] if left else [*row, *[pad] * gap]
        for gap, row in zip(gaps, rows, strict=True)
    ]
    mask_B_T = [
        [0] * gap + [1] * (longest - gap) if left else [1] * (longest - gap) + [0] * gap
        for gap in gaps
    ]
    return torch.tensor(ids_B_T, device=student.device), torch.tensor(
        mask_B_T, device=student.device
    )


def forward(
    student: Frozen, held: Held | None, ids_B_T: Any, mask_B_C: Any, position_B_T: Any
) -> Any:
    """hidden_B_T_D, which the head reads."""
    return student.decoder(
        input_ids=ids_B_T,
        attention_mask=mask_B_C,
        position_ids=position_B_T,
        past_key_values=held and held.past,
        use_cache=held is not None,
    ).last_hidden_state
