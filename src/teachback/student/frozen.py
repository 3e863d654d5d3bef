"""A student that answers and is scored, and isn't trained: in the run's precision, and fast on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import StudentError
from .attention import use_grouped
from .folder import load
from .heap import keep_heap
from .packed import pack

if TYPE_CHECKING:
    import torch

CHECKED = 12  # tokens of the row that a student is tried with
NEAR = {
    "float32": 1e-4,
    "bf16": 0.05,
}  # what may be lost of the largest logit: rounding, never another answer


@dataclass(frozen=True)
class Frozen:
    """A model in memory. decoder: the model without its head. ends: the token ids that end an answer.

    The decoder runs in `precision`; the head, whose log-probabilities are compared, always in float32.
    """

    model: Any
    decoder: Any
    tokenizer: Any
    ends: frozenset[int]
    device: "torch.device"
    precision: Literal["float32", "bf16"]


def freeze(folder: Path, precision: Literal["float32", "bf16"] = "float32") -> Frozen:
    """Load a student for inference. Raises StudentError as `load` does, and for a model that has no head of its own.

    On a CPU its layers are repacked. Should the model's own code not get along with that, it is left as it came.
    """
    import torch

    keep_heap()
    student = as_loaded(folder, precision)
    if student.device.type == "cpu":
        with torch.inference_mode():
            wanted = tried(student)
            pack(student.model)
            use_grouped(student.model)
            if not alike(student, wanted):
                student = as_loaded(folder, precision)
    return student


def as_loaded(folder: Path, precision: Literal["float32", "bf16"]) -> Frozen:
    """The student as transformers runs it, its head in float32."""
    import torch

    loaded = load(folder)
    model = loaded.model.requires_grad_(False)
    decoder, output = model.get_decoder(), model.get_output_embeddings()
    if decoder is model or output is None:
        raise StudentError(
            f"the student in {folder} has no decoder and head that could run apart",
            got=type(model).__name__,
            allowed="a causal language model: a decoder, and output embeddings that make its logits",
        )
    if precision == "bf16":
        head_weight = output.weight.detach().clone()  # of the checkpoint, not rounded
        for parameter in (
            model.parameters()
        ):  # and no buffer: rotary frequencies, rounded, misplace what is far away
            parameter.data = parameter.data.to(torch.bfloat16)
        output.weight = torch.nn.Parameter(head_weight, requires_grad=False)
        if output.bias is not None:
            output.bias = torch.nn.Parameter(output.bias.float(), requires_grad=False)
    return Frozen(
        model, decoder, loaded.tokenizer, loaded.ends, loaded.device, precision
    )


def head(student: Frozen, hidden_N_D: Any) -> Any:
    """logits_N_V in float32 of what the decoder gave, as the model's own forward makes them: scaled, soft-capped."""
    import torch

    with answering(student.decoder, hidden_N_D.float()[None]):
        nothing = torch.zeros(1, 1, dtype=torch.long, device=student.device)
        return student.model(input_ids=nothing, use_cache=False).logits[0].float()


@contextmanager
def answering(decoder: Any, hidden_1_N_D: Any) -> Iterator[None]:
    """Within it the decoder reads nothing and gives what it is told to."""
    from transformers.modeling_outputs import MoeModelOutputWithPast

    decoder.forward = lambda *_, **__: MoeModelOutputWithPast(
        last_hidden_state=hidden_1_N_D
    )
    try:
        yield
    finally:
        del decoder.forward


def tried(student: Frozen) -> Any:
    """logits_T_V of a short row, by the model's own whole forward pass where it is in float32."""
    ids_1_T = some_tokens(student)
    if student.precision == "float32":
        return student.model(input_ids=ids_1_T, use_cache=False).logits[0].float()
    return head(
        student,
        student.decoder(input_ids=ids_1_T, use_cache=False).last_hidden_state[0],
    )


def alike(student: Frozen, wanted_T_V: Any) -> bool:
    try:
        found_T_V = head(
            student,
            student.decoder(
                input_ids=some_tokens(student), use_cache=False
            ).last_hidden_state[0],
        )
    except (AttributeError, RuntimeError, TypeError):  # code that looks into its layers
        return False
    lost, largest = (
        (found_T_V - wanted_T_V).abs().max().item(),
        wanted_T_V.abs().max().item(),
    )
    return bool(lost <= NEAR[student.precision] * max(1.0, largest))


def some_tokens(student: Frozen) -> Any:
    import torch

    first, size = (
        max(student.ends) % 97,
        student.decoder.get_input_embeddings().weight.shape[0],
    )
    return (
        torch.arange(first, first + 7 * CHECKED, 7, device=student.device)[None] % size
    )
