"""Attention by products of blocks gives what torch's own gives, whatever a query may see."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from teachback.student.attention import QUERIES_PER_BLOCK, attend_grouped

BEFORE = 7  # keys that stand before the first query: a prefix that was read once


def causal(T: int, S: int) -> torch.Tensor:
    return torch.ones(T, S, dtype=torch.bool).tril(S - T)


def windowed(T: int, S: int) -> torch.Tensor:
    return causal(T, S).triu(S - T - 30)


def two_ways(T: int, S: int) -> torch.Tensor:
    return torch.ones(T, S, dtype=torch.bool)


def one_later(T: int, S: int) -> torch.Tensor:
    visible = causal(T, S)
    visible[T // 2, S - 1] = True
    return visible


@pytest.mark.parametrize(
    "T",
    [1, 5, 2 * QUERIES_PER_BLOCK - 1, 2 * QUERIES_PER_BLOCK, 2 * QUERIES_PER_BLOCK + 3],
)
@pytest.mark.parametrize("make_mask", [causal, windowed, two_ways, one_later])
def test_as_torch_does(T: int, make_mask) -> None:
    generator = torch.Generator().manual_seed(T)
    S = BEFORE + T
    query, key, value = (
        torch.randn(2, heads, length, 8, dtype=torch.float64, generator=generator)
        for heads, length in ((6, T), (3, S), (3, S))
    )
    may_see = make_mask(T, S).expand(2, 1, T, S).clone()
    may_see[1, :, :, 0] = False  # the other row's first key is padding
    may_see[1, :, :, 1] = True
    mask = torch.finfo(torch.float64).min * (~may_see).double()
    with torch.no_grad():
        output_B_T_H_D, _ = attend_grouped(
            torch.nn.Module(), query, key, value, mask, scaling=0.3
        )
    expected_B_H_T_D = scaled_dot_product_attention(
        query, key, value, attn_mask=may_see, scale=0.3, enable_gqa=True
    )
    assert output_B_T_H_D.shape == (2, T, 6, 8)
    torch.testing.assert_close(
        output_B_T_H_D, expected_B_H_T_D.transpose(1, 2), rtol=0, atol=1e-12
    )
