"""The head and its cross entropy in one, so that not all logits exist at once.

Logits exist for a block of tokens, in the precision of the product. They are turned into
their own gradient in place, and both of the head's gradients are taken at once.
"""

from functools import cache
from typing import Any

from ..batching import scale_for_device

# Logits that exist at once: 134 MB in bf16.
MAX_LOGITS = 2**26
# Logits that are reduced at once, in float32, on a CPU: they stay in its cache.
REDUCED_LOGITS = 2**20


def sum_nll_fused(hidden_N_D: Any, weight_V_D: Any, labels_N: Any) -> Any:
    """Σ −log p(label) in nats, in float32, of logits = hidden @ weight.T.

    Under autocast the product is in autocast's precision.
    """
    return head_loss_function().apply(hidden_N_D, weight_V_D, labels_N)


def replace_by_gradient(logits_N_V: Any, labels_N: Any) -> Any:
    """Σ nll of the block. Its logits become p − onehot(label), in place."""
    import torch

    total = torch.zeros((), device=logits_N_V.device)
    n_logits = scale_for_device(REDUCED_LOGITS, logits_N_V.device)
    n_rows = max(1, n_logits // logits_N_V.shape[1])
    blocks = zip(logits_N_V.split(n_rows), labels_N[:, None].split(n_rows), strict=True)
    for block_R_V, label_R_1 in blocks:
        scores_R_V = block_R_V.float()
        logsum_R_1 = scores_R_V.logsumexp(-1, keepdim=True)
        total += (logsum_R_1 - scores_R_V.gather(1, label_R_1)).sum()
        p_R_V = scores_R_V.sub_(logsum_R_1).exp_()
        minus_one_R_1 = p_R_V.new_full(label_R_1.shape, -1.0)
        block_R_V.copy_(p_R_V.scatter_add_(1, label_R_1, minus_one_R_1))
    return total


@cache
def head_loss_function() -> Any:
    """The autograd function, made at first use: importing this module loads no torch."""
    import torch

    class HeadLoss(torch.autograd.Function):
        """Takes the gradients in the forward pass, while the logits exist."""

        @staticmethod
        def forward(ctx: Any, hidden_N_D: Any, weight_V_D: Any, labels_N: Any) -> Any:
            dtype = product_dtype(hidden_N_D.device.type, weight_V_D)
            hidden = hidden_N_D.to(dtype)
            weight = weight_V_D.to(dtype)
            total = torch.zeros((), device=hidden.device)
            d_hidden = torch.empty_like(hidden)
            d_weight = None
            n_rows = max(1, MAX_LOGITS // len(weight))
            for start in range(0, len(hidden), n_rows):
                block = slice(start, start + n_rows)
                logits = hidden[block] @ weight.T
                total += replace_by_gradient(logits, labels_N[block])
                d_hidden[block] = logits @ weight
                if ctx.needs_input_grad[1]:
                    part = logits.T @ hidden[block]
                    # The sum over blocks is in float32: bf16 would lose small parts.
                    d_weight = part if d_weight is None else d_weight.float().add_(part)
            ctx.save_for_backward(d_hidden, d_weight)
            return total

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            d_hidden, d_weight = ctx.saved_tensors
            grad_weight = None if d_weight is None else d_weight * grads[0]
            return d_hidden * grads[0], grad_weight, None

    return HeadLoss


def product_dtype(device_type: str, weight_V_D: Any) -> Any:
    """Autocast's precision where it is on, else the weight's."""
    import torch

    if torch.is_autocast_enabled(device_type):
        return torch.get_autocast_dtype(device_type)
    return weight_V_D.dtype
