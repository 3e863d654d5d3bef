"""An estimate of the memory that finetuning takes, made before it begins."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import StudentError
from ..batching import scale_for_device
from .batch import TokenRow, count_batch_tokens, row_length
from .head_loss import MAX_LOGITS, REDUCED_LOGITS
from .layout import BatchLayout, autocast, compute_batch_loss, get_causal_model
from .recipe import Recipe, RuntimeOptions

GIB = 2**30
# Tokens of the longer of the two rows that activations are measured on.
MAX_PROBE_TOKENS = 160


class MemoryEstimate(NamedTuple):
    """In bytes, but for the tokens."""

    weights: int
    gradients: int
    optimiser: int
    copies: int  # of the weights, in bf16
    activations: int  # of the largest micro-batch
    head: int  # its logits and their gradient
    tokens: int  # of the largest micro-batch

    @property
    def bytes_by_part(self) -> dict[str, int]:
        sizes = self._asdict()
        del sizes["tokens"]
        return sizes

    @property
    def total(self) -> int:
        return sum(self.bytes_by_part.values())

    def describe(self) -> str:
        parts = [
            f"{name} {size / GIB:.2f}" for name, size in self.bytes_by_part.items()
        ]
        return (
            f"memory: about {self.total / GIB:.1f} GiB ({', '.join(parts)}), "
            f"with micro-batches of {self.tokens} tokens"
        )


def check_memory(
    model: Any,
    rows: Sequence[TokenRow],
    layout: BatchLayout,
    recipe: Recipe,
    options: RuntimeOptions,
) -> MemoryEstimate:
    """The estimate. Raises StudentError when the device can't hold it."""
    estimate = estimate_memory(model, rows, layout, recipe, options)
    free = free_memory(model)
    # The weights are loaded already: the free memory is what is left beside them.
    if free is not None and estimate.total - estimate.weights > free:
        raise StudentError(
            "finetuning would not fit the memory",
            got=estimate.describe(),
            allowed=f"{free / GIB:.1f} GiB beside the weights, which are loaded",
            fix="lower machine.micro_tokens, set machine.gradient_checkpointing: true, or "
            "finetune.method: lora",
        )
    return estimate


def estimate_memory(
    model: Any,
    rows: Sequence[TokenRow],
    layout: BatchLayout,
    recipe: Recipe,
    options: RuntimeOptions,
) -> MemoryEstimate:
    """Weights and what belongs to them are counted. Activations are measured, and scaled."""
    trained_parameters = [p for p in model.parameters() if p.requires_grad]
    trained_bytes = count_bytes(trained_parameters)
    copied_bytes = 0
    if recipe.precision == "bf16":
        # Autocast keeps a copy of the matrices that it multiplies by.
        copied_bytes = sum(p.numel() * 2 for p in trained_parameters if p.ndim == 2)
    tokens = count_largest_batch_tokens(rows, layout, recipe, options)
    token_bytes = measure_activation_bytes_per_token(model, rows, layout, recipe)
    return MemoryEstimate(
        weights=count_bytes(model.parameters()),
        gradients=trained_bytes,
        optimiser=2 * trained_bytes,
        copies=copied_bytes,
        activations=int(token_bytes * tokens),
        head=estimate_head_bytes(model, rows, layout, recipe, tokens),
        tokens=tokens,
    )


def count_bytes(parameters: Iterable[Any]) -> int:
    return sum(p.numel() * p.element_size() for p in parameters)


def estimate_head_bytes(
    model: Any,
    rows: Sequence[TokenRow],
    layout: BatchLayout,
    recipe: Recipe,
    tokens: int,
) -> int:
    """Bytes of the head's logits and gradients in a micro-batch of so many tokens."""
    weight_V_D = get_causal_model(model).get_output_embeddings().weight
    answer_tokens = sum(len(row["answer"]) for row in rows)
    answer_share = answer_tokens / sum(map(row_length, rows))
    n_logits = int(tokens * answer_share) * len(weight_V_D)
    product_bytes = 2 if recipe.precision == "bf16" else 0
    if layout.is_fused:
        n_logits = min(n_logits, MAX_LOGITS)
        logit_bytes = product_bytes or 4
    else:
        # Autocast's logits; then float32's, their softmax and their gradient.
        logit_bytes = product_bytes + 12
    # Scores, probabilities and one copy of them, in float32.
    reduced_bytes = 3 * 4 * scale_for_device(REDUCED_LOGITS, weight_V_D.device)
    # The weight's gradient, in the product's precision and in float32.
    gradient_bytes = weight_V_D.numel() * 6 if weight_V_D.requires_grad else 0
    return n_logits * logit_bytes + reduced_bytes + gradient_bytes


def count_largest_batch_tokens(
    rows: Sequence[TokenRow],
    layout: BatchLayout,
    recipe: Recipe,
    options: RuntimeOptions,
) -> int:
    """Tokens of the largest micro-batch that these rows can make."""
    longest = sorted(rows, key=row_length)[-recipe.rows_per_step :]
    step_tokens = count_batch_tokens(longest, layout.is_packed)
    # A row above the budget goes alone.
    return max(row_length(longest[-1]), min(options.micro_tokens, step_tokens))


def measure_activation_bytes_per_token(
    model: Any, rows: Sequence[TokenRow], layout: BatchLayout, recipe: Recipe
) -> float:
    """Bytes that a forward pass keeps for the backward pass, for one more token.

    It is the difference of two short rows: what a pass keeps in any case drops out.
    """
    device = next(model.parameters()).device
    longest = max(rows, key=row_length)
    long = TokenRow(
        prompt=longest["prompt"][-MAX_PROBE_TOKENS // 2 :],
        answer=longest["answer"][: MAX_PROBE_TOKENS // 2],
    )
    short = TokenRow(
        prompt=long["prompt"][-len(long["prompt"]) // 2 :],
        answer=long["answer"][: -(-len(long["answer"]) // 2)],
    )
    more_tokens = row_length(long) - row_length(short)
    if more_tokens == 0:
        return 0.0
    short_bytes = measure_activation_bytes(model, short, layout, recipe, device)
    long_bytes = measure_activation_bytes(model, long, layout, recipe, device)
    return max(0.0, (long_bytes - short_bytes) / more_tokens)


def measure_activation_bytes(
    model: Any, row: TokenRow, layout: BatchLayout, recipe: Recipe, device: Any
) -> int:
    """Bytes that a forward pass of one row keeps for the backward pass."""
    import torch

    # Storages stay here until all are counted: else a new one could take the place of an
    # old one, and be taken for it.
    storage_at: dict[int, Any] = {}

    def keep_storage(tensor: Any) -> None:
        """Returns nothing of the tensor.

        Its graph would hold the tensor and the tensor its graph: a cycle that is never
        freed.
        """
        storage = tensor.untyped_storage()
        storage_at[storage.data_ptr()] = storage

    def unpack(packed: Any) -> Any:
        """Never called: there is no backward pass."""
        return packed

    with (
        torch.random.fork_rng(),
        layout.attention(model),
        autocast(device, recipe.precision),
        torch.autograd.graph.saved_tensors_hooks(keep_storage, unpack),
    ):
        compute_batch_loss(model.train(), [row], layout, device)
    return sum(storage.nbytes() for storage in storage_at.values())


def free_memory(model: Any) -> int | None:
    """Bytes that are free on the model's device, or None where it doesn't say."""
    import torch

    if next(model.parameters()).device.type == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    available = next(line for line in lines if line.startswith("MemAvailable"))
    return int(available.split()[1]) * 1024  # from kB
