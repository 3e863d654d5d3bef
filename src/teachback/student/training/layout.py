"""How a micro-batch goes through a model in training: packed, and with the head fused.

Packing and fusing are used only where they are exact, which is tried on the rows. Some
models let packed rows see one another, by a state that is carried on, or by a mask that
attention doesn't get. Others do more to their logits than the head does. Such a model
gives other logits in the trial. It is then trained on padded rows, or through its own
head.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from ..patch_check import PATCH_ERRORS, logits_agree
from .batch import IGNORED_LABEL, TokenRow, pack_batch, pad_batch, row_length
from .head_loss import sum_nll_fused
from .packed_attention import attend_rows_apart

# As a share of the largest logit. Rounding stays below it, another row's tokens don't.
MAX_PACKING_ERROR = 1e-3


class BatchLayout(NamedTuple):
    is_packed: bool  # rows stand one after the other
    is_fused: bool  # the head and the loss in one; only where rows are packed
    is_single: bool = False  # a micro-batch has one row; only where rows aren't packed

    def __str__(self) -> str:
        if self.is_single:
            return "rows go one by one: padding changes what this model makes of them"
        if not self.is_packed:
            return "rows are padded: this model can't be given packed ones"
        if not self.is_fused:
            return "rows are packed, the loss is taken from the model's own logits"
        return "rows are packed"

    def attention(self, model: Any) -> AbstractContextManager[None]:
        """Within it the model attends as this layout needs."""
        return attend_rows_apart(model) if self.is_packed else nullcontext()


PADDED_LAYOUT = BatchLayout(is_packed=False, is_fused=False)
SINGLE_LAYOUT = BatchLayout(is_packed=False, is_fused=False, is_single=True)


def autocast(device: Any, precision: str) -> Any:
    """Within it products are in `precision`."""
    import torch

    return torch.autocast(
        device.type, dtype=torch.bfloat16, enabled=precision == "bf16"
    )


def compute_batch_loss(
    model: Any, rows: Sequence[TokenRow], layout: BatchLayout, device: Any
) -> Any:
    """Σ −log p of the rows' completion tokens in nats, in float32."""
    batch = pack_batch(rows) if layout.is_packed else pad_batch(rows)
    inputs = move_inputs(batch, device)
    labels = inputs.pop("labels")
    if not layout.is_fused:
        logits = compute_kept_logits(model, inputs)
        return sum_nll(logits, labels if layout.is_packed else labels[:, 1:])
    causal_model = get_causal_model(model)
    keep_T = inputs.pop("logits_to_keep")
    hidden_1_T_D = causal_model.get_decoder()(**inputs).last_hidden_state
    head_weight = causal_model.get_output_embeddings().weight
    return sum_nll_fused(hidden_1_T_D[0, keep_T], head_weight, labels)


def sum_nll(logits_B_K_V: Any, labels_B_K: Any) -> Any:
    import torch.nn.functional as F

    return F.cross_entropy(
        logits_B_K_V.float().flatten(0, -2),
        labels_B_K.flatten(),
        ignore_index=IGNORED_LABEL,
        reduction="sum",
    )


def move_inputs(inputs: dict[str, Any], device: Any) -> dict[str, Any]:
    """The inputs with their tensors on the device."""
    return {
        name: value.to(device) if hasattr(value, "to") else value
        for name, value in inputs.items()
    }


def get_causal_model(model: Any) -> Any:
    """The causal language model inside of its adapters."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def choose_layout(model: Any, rows: Sequence[TokenRow], pack: bool) -> BatchLayout:
    """The fastest layout that is exact for this model and these rows.

    It is tried on the longest and the shortest row. Packing is tried in training mode:
    dropout, which packed attention leaves out, then shows.
    """
    import torch

    trial_rows = [max(rows, key=row_length), min(rows, key=row_length)]
    was_training = model.training
    with torch.no_grad(), torch.random.fork_rng():
        # A router's noise must not decide by chance.
        torch.manual_seed(0)
        try:
            model.train()
            layout = try_packing(model, trial_rows) if pack else PADDED_LAYOUT
            if layout.is_packed:
                return layout
            # Without dropout, which isn't to blame on padding.
            model.eval()
            return try_padding(model, trial_rows)
        finally:
            model.train(was_training)


def try_padding(model: Any, rows: Sequence[TokenRow]) -> BatchLayout:
    import torch

    device = next(model.parameters()).device
    expected = compute_logits_alone(model, rows, device)
    padded_B_K_V = compute_kept_logits(model, move_inputs(pad_batch(rows), device))
    own_logits = [
        logits_K_V[: len(row["answer"])].float()
        for logits_K_V, row in zip(padded_B_K_V, rows, strict=True)
    ]
    is_same = packing_agrees(torch.cat(own_logits), expected)
    return PADDED_LAYOUT if is_same else SINGLE_LAYOUT


def compute_logits_alone(
    model: Any, rows: Sequence[TokenRow], device: Any
) -> list[Any]:
    """logits_K_V of each row's answer, by the model's whole forward pass."""
    expected = []
    for row in rows:
        inputs = move_inputs(pad_batch([row]), device)
        expected.append(flatten_logits(compute_kept_logits(model, inputs)))
    return expected


def try_packing(model: Any, rows: Sequence[TokenRow]) -> BatchLayout:
    device = next(model.parameters()).device
    expected = compute_logits_alone(model, rows, device)
    packed_inputs = move_inputs(pack_batch(rows), device)
    try:
        with attend_rows_apart(model):
            fused_N_V = compute_head_product(model, packed_inputs)
            if fused_N_V is not None and packing_agrees(fused_N_V, expected):
                return BatchLayout(is_packed=True, is_fused=True)
            own_N_V = flatten_logits(compute_kept_logits(model, packed_inputs))
            is_packed = packing_agrees(own_N_V, expected)
            return BatchLayout(is_packed=is_packed, is_fused=False)
    except PATCH_ERRORS:
        return PADDED_LAYOUT


def packing_agrees(logits_N_V: Any, expected: Sequence[Any]) -> bool:
    return logits_agree(logits_N_V, expected, MAX_PACKING_ERROR)


def compute_kept_logits(model: Any, inputs: dict[str, Any]) -> Any:
    """logits_B_K_V of the kept positions, by the model's whole forward pass."""
    logits = model(**without_keys(inputs, "labels")).logits
    keep_T = inputs["logits_to_keep"]
    # Some models don't know logits_to_keep, and give all logits.
    return logits[:, keep_T] if logits.shape[1] == len(keep_T) else logits


def flatten_logits(logits_B_K_V: Any) -> Any:
    return logits_B_K_V.flatten(0, -2).float()


def compute_head_product(model: Any, inputs: dict[str, Any]) -> Any:
    """logits_N_V by a product with the head's weight; None where the head has a bias."""
    import torch

    causal_model = get_causal_model(model)
    head = causal_model.get_output_embeddings()
    if type(head) is not torch.nn.Linear or head.bias is not None:
        return None
    decoder_inputs = without_keys(inputs, "labels", "logits_to_keep")
    hidden_1_T_D = causal_model.get_decoder()(**decoder_inputs).last_hidden_state
    return (hidden_1_T_D[0, inputs["logits_to_keep"]] @ head.weight.T).float()


def without_keys(inputs: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if name not in keys}
