"""The head and its cross entropy together, so that a vocabulary's worth of numbers a token never
lasts.

Logits exist for a block of tokens, in the precision of the product; they are turned into their
own gradient in place, and both of the head's gradients are taken at once.
"""

from functools import cache
from typing import Any

from ..batching import scale_for_device

MAX_LOGITS = 2**26  # logits that exist at once: 134 MB in bf16
REDUCED_LOGITS = (
    2**20
)  # logits that are reduced at once, in float32: what stays in the processor's cache


def summed_nll(hidden_N_D: Any, weight_V_D: Any, labels_N: Any) -> Any:
    """Σ −log p(label) in nats, in float32, of logits = hidden @ weight.T; under autocast in its
    precision.
    """
    return head_loss_function().apply(hidden_N_D, weight_V_D, labels_N)


def to_gradient(logits_N_V: Any, labels_N: Any) -> Any:
    """Σ nll of the block; its logits become p − onehot(label)."""
    import torch

    total = torch.zeros((), device=logits_N_V.device)
    rows = max(
        1, scale_for_device(REDUCED_LOGITS, logits_N_V.device) // logits_N_V.shape[1]
    )
    for part, label in zip(
        logits_N_V.split(rows), labels_N[:, None].split(rows), strict=True
    ):
        scores = part.float()
        logsum = scores.logsumexp(-1, keepdim=True)
        total += (logsum - scores.gather(1, label)).sum()
        p = scores.sub_(logsum).exp_()
        part.copy_(p.scatter_add_(1, label, p.new_full(label.shape, -1.0)))
    return total


@cache
def head_loss_function() -> Any:
    import torch

    class HeadLoss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, hidden_N_D: Any, weight_V_D: Any, labels_N: Any) -> Any:
            kind = hidden_N_D.device.type
            dtype = (
                torch.get_autocast_dtype(kind)
                if torch.is_autocast_enabled(kind)
                else weight_V_D.dtype
            )
            hidden, weight = hidden_N_D.to(dtype), weight_V_D.to(dtype)
            total = torch.zeros((), device=hidden.device)
            d_hidden, d_weight = torch.empty_like(hidden), None
            rows = max(1, MAX_LOGITS // len(weight))
            for start in range(0, len(hidden), rows):
                h = hidden[start : start + rows]
                logits = h @ weight.T
                total += to_gradient(logits, labels_N[start : start + rows])
                d_hidden[start : start + rows] = logits @ weight
                if ctx.needs_input_grad[1]:
                    part = logits.T @ h
                    d_weight = part if d_weight is None else d_weight.float().add_(part)
            ctx.save_for_backward(d_hidden, d_weight)
            return total

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            d_hidden, d_weight = ctx.saved_tensors
            return (
                d_hidden * grads[0],
                None if d_weight is None else d_weight * grads[0],
                None,
            )

    return HeadLoss
