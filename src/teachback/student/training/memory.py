"""What finetuning will take of the memory, told before it begins."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...errors import StudentError
from ..batching import scale_for_device
from .batch import TokenRow, batch_tokens, row_length
from .head_loss import MAX_LOGITS, REDUCED_LOGITS
from .layout import BatchLayout, autocast, batch_loss, causal_model
from .recipe import Recipe, RuntimeOptions

GIB = 2**30
MAX_PROBE_TOKENS = (
    160  # tokens of the longer of the two rows that activations are measured on
)


class MemoryEstimate(NamedTuple):
    """In bytes. activations: of the largest micro-batch; head: its logits and their gradient;
    copies: of the weights in bf16.
    """

    weights: int
    gradients: int
    optimiser: int
    copies: int
    activations: int
    head: int
    tokens: int

    @property
    def total(self) -> int:
        return sum(self[:6])

    def told(self) -> str:
        parts = ", ".join(
            f"{name} {value / GIB:.2f}"
            for name, value in list(self._asdict().items())[:6]
        )
        return (
            f"memory: about {self.total / GIB:.1f} GiB ({parts}), with micro-batches of "
            f"{self.tokens} tokens"
        )


def check_memory(
    model: Any,
    rows: Sequence[TokenRow],
    way: BatchLayout,
    recipe: Recipe,
    means: RuntimeOptions,
) -> MemoryEstimate:
    """Raises StudentError when the device can't hold it."""
    found = estimate_memory(model, rows, way, recipe, means)
    free = free_memory(model)
    if free is not None and found.total - found.weights > free:
        raise StudentError(
            "finetuning would not fit the memory",
            got=found.told(),
            allowed=f"{free / GIB:.1f} GiB beside the weights, which are loaded",
            fix="lower machine.micro_tokens, set machine.gradient_checkpointing: true, or "
            "finetune.method: lora",
        )
    return found


def estimate_memory(
    model: Any,
    rows: Sequence[TokenRow],
    way: BatchLayout,
    recipe: Recipe,
    means: RuntimeOptions,
) -> MemoryEstimate:
    """Weights and what belongs to each are counted; activations are measured on two short rows,
    and scaled.
    """
    trained = [p for p in model.parameters() if p.requires_grad]
    trained_bytes = sum(p.numel() * p.element_size() for p in trained)
    half = recipe.precision == "bf16"
    tokens = largest_micro_batch(rows, way, recipe, means)
    answers = sum(len(r["answer"]) for r in rows) / sum(map(row_length, rows))
    vocabulary = causal_model(model).get_output_embeddings().weight
    logits = min(
        int(tokens * answers) * len(vocabulary), MAX_LOGITS if way.fused else 2**62
    )
    each = (
        (2 if half else 4) if way.fused else (2 if half else 0) + 12
    )  # autocast's, float32's, softmax and gradient
    return MemoryEstimate(
        weights=sum(p.numel() * p.element_size() for p in model.parameters()),
        gradients=trained_bytes,
        optimiser=2 * trained_bytes,
        copies=sum(p.numel() * 2 for p in trained if p.ndim == 2) if half else 0,
        activations=int(activation_bytes_per_token(model, rows, way, recipe) * tokens),
        head=logits * each
        + 3 * 4 * scale_for_device(REDUCED_LOGITS, vocabulary.device)
        + (vocabulary.numel() * 6 if vocabulary.requires_grad else 0),
        tokens=tokens,
    )


def largest_micro_batch(
    rows: Sequence[TokenRow], way: BatchLayout, recipe: Recipe, means: RuntimeOptions
) -> int:
    """Tokens of the largest micro-batch that these rows can make."""
    longest = sorted(rows, key=row_length)[-recipe.rows_per_step :]
    return max(
        row_length(longest[-1]),
        min(means.micro_tokens, batch_tokens(longest, way.packed)),
    )


def activation_bytes_per_token(
    model: Any, rows: Sequence[TokenRow], way: BatchLayout, recipe: Recipe
) -> float:
    """Bytes that a forward pass keeps for the backward pass, of one more token: the difference of
    two short rows.
    """
    device = next(model.parameters()).device
    row = max(rows, key=row_length)
    row = TokenRow(
        prompt=row["prompt"][-MAX_PROBE_TOKENS // 2 :],
        answer=row["answer"][: MAX_PROBE_TOKENS // 2],
    )
    short = TokenRow(
        prompt=row["prompt"][-len(row["prompt"]) // 2 :],
        answer=row["answer"][: -(-len(row["answer"]) // 2)],
    )
    if row_length(row) == row_length(short):
        return 0.0
    kept = [activation_bytes(model, one, way, recipe, device) for one in (short, row)]
    return max(0.0, (kept[1] - kept[0]) / (row_length(row) - row_length(short)))


def activation_bytes(
    model: Any, row: TokenRow, way: BatchLayout, recipe: Recipe, device: Any
) -> int:
    import torch

    held: dict[
        int, Any
    ] = {}  # storages, until all are counted: a new one could take the place of an old one

    def keep(tensor: Any) -> None:
        """Nothing of the tensor goes back: its graph would hold it, and it its graph, a circle
        that nobody frees.
        """
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage

    with (
        torch.random.fork_rng(),
        way.attention(model),
        autocast(device, recipe.precision),
        torch.autograd.graph.saved_tensors_hooks(
            keep, lambda nothing: nothing
        ),  # no backward pass comes
    ):
        batch_loss(model.train(), [row], way, device)
    return sum(storage.nbytes() for storage in held.values())


def free_memory(model: Any) -> int | None:
    """What the model's device has left, or None where it doesn't say."""
    import torch

    if next(model.parameters()).device.type == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return (
        int(next(line.split()[1] for line in lines if line.startswith("MemAvailable")))
        * 1024
    )
