"""How a micro-batch goes through a model while it is trained: packed, and with the head fused,
where that is exact.

Whether it is, is tried on the rows themselves: a model that packed rows reach one another in by
some way of its own (a state that is carried on, a mask that attention isn't told of), or that
does more to its logits than its head, gives other logits, and is then trained on padded rows, or
through its own head.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from .batch import IGNORED_LABEL, TokenRow, pack_batch, pad_batch, row_length
from .head_loss import summed_nll
from .packed_attention import attend_rows_apart

MAX_ROUNDING = 1e-3  # of the largest logit: rounding, never another row's words


class BatchLayout(NamedTuple):
    """packed: rows lie one behind the other. fused: the head and the loss in one (packed rows
    only).
    """

    packed: bool
    fused: bool

    def __str__(self) -> str:
        if not self.packed:
            return "rows are padded: this model can't be given packed ones"
        return "rows are packed" + (
            "" if self.fused else ", the loss is taken from the model's own logits"
        )

    def attention(self, model: Any) -> AbstractContextManager[None]:
        return attend_rows_apart(model) if self.packed else nullcontext()


PADDED_LAYOUT = BatchLayout(packed=False, fused=False)


def autocast(device: Any, precision: str) -> Any:
    import torch

    return torch.autocast(
        device.type, dtype=torch.bfloat16, enabled=precision == "bf16"
    )


def batch_loss(
    model: Any, rows: Sequence[TokenRow], way: BatchLayout, device: Any
) -> Any:
    """Σ −log p of the rows' completion tokens in nats, in float32."""
    given = move_to(device, pack_batch(rows) if way.packed else pad_batch(rows))
    labels = given.pop("labels")
    if not way.fused:
        return sum_nll(model(**given).logits, labels if way.packed else labels[:, 1:])
    keep_T = given.pop("logits_to_keep")
    hidden_1_T_D = causal_model(model).get_decoder()(**given).last_hidden_state
    return summed_nll(
        hidden_1_T_D[0, keep_T],
        causal_model(model).get_output_embeddings().weight,
        labels,
    )


def sum_nll(logits_B_K_V: Any, labels_B_K: Any) -> Any:
    import torch.nn.functional as F

    return F.cross_entropy(
        logits_B_K_V.float().flatten(0, -2),
        labels_B_K.flatten(),
        ignore_index=IGNORED_LABEL,
        reduction="sum",
    )


def move_to(device: Any, given: dict[str, Any]) -> dict[str, Any]:
    return {name: x.to(device) if hasattr(x, "to") else x for name, x in given.items()}


def causal_model(model: Any) -> Any:
    """The causal language model inside of its adapters."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def choose_layout(model: Any, rows: Sequence[TokenRow], pack: bool) -> BatchLayout:
    """What is exact for this model and these rows: tried on the longest and the shortest, in
    training mode.
    """
    import torch

    if not pack:
        return PADDED_LAYOUT
    some = [max(rows, key=row_length), min(rows, key=row_length)]
    was_training = model.training
    with torch.no_grad(), torch.random.fork_rng():
        model.train()
        try:
            return try_packing(model, some)
        finally:
            model.train(was_training)


def try_packing(model: Any, some: Sequence[TokenRow]) -> BatchLayout:
    device = next(model.parameters()).device
    wanted = [kept_logits(model, move_to(device, pad_batch([row]))) for row in some]
    given = move_to(device, pack_batch(some))
    try:
        with attend_rows_apart(model):
            if alike(head_by_hand(model, given), wanted):
                return BatchLayout(packed=True, fused=True)
            return BatchLayout(
                packed=alike(kept_logits(model, given), wanted), fused=False
            )
    except (
        AttributeError,
        RuntimeError,
        TypeError,
        ValueError,
    ):  # a model with code of its own
        return PADDED_LAYOUT


def kept_logits(model: Any, given: dict[str, Any]) -> Any:
    """logits_N_V of the kept positions, by the model's whole forward pass."""
    return (
        model(**{name: x for name, x in given.items() if name != "labels"})
        .logits.flatten(0, -2)
        .float()
    )


def head_by_hand(model: Any, given: dict[str, Any]) -> Any:
    """The same, if a product with its weight is all that the model's head does; None where it has
    a bias.
    """
    import torch

    head = causal_model(model).get_output_embeddings()
    if type(head) is not torch.nn.Linear or head.bias is not None:
        return None
    body = {
        name: x for name, x in given.items() if name not in ("labels", "logits_to_keep")
    }
    hidden_1_T_D = causal_model(model).get_decoder()(**body).last_hidden_state
    return (hidden_1_T_D[0, given["logits_to_keep"]] @ head.weight.T).float()


def alike(found_N_V: Any, wanted: Sequence[Any]) -> bool:
    """wanted: logits_T_V of each row alone."""
    if found_N_V is None or found_N_V.shape[0] != sum(map(len, wanted)):
        return False
    parts = zip(found_N_V.split([len(one) for one in wanted]), wanted, strict=True)
    return all(
        bool((found - one).abs().max() <= MAX_ROUNDING * one.abs().max())
        for found, one in parts
    )
