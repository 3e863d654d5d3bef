"""A student that answers and is scored but not trained: in the run's precision, and fast."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import StudentError
from .attention import use_grouped_attention
from .heap import keep_freed_memory
from .loading import load_student
from .packed_linear import pack_linear_layers
from .patch_check import PATCH_ERRORS, logits_agree

if TYPE_CHECKING:
    import torch

PROBE_TOKENS = 12  # of the row that a patched model is tried with
# How far a patched model's logits may be off, as a share of the largest: by rounding.
MAX_LOGIT_ERROR = {"float32": 1e-4, "bf16": 0.05}


@dataclass(frozen=True)
class InferenceModel:
    """A model in memory.

    The decoder runs in `precision`. The head always runs in float32, because its
    log-probabilities are compared.
    """

    model: Any
    decoder: Any  # the model without its head
    tokenizer: Any
    ends: frozenset[int]  # the token ids that end an answer
    device: "torch.device"
    precision: Literal["float32", "bf16"]


def load_for_inference(
    folder: Path, precision: Literal["float32", "bf16"] = "float32"
) -> InferenceModel:
    """Load a student for inference.

    On a CPU its layers and its attention are replaced by faster ones, unless the
    model's own code doesn't work with those. Raises StudentError as `load_student`
    does, and for a model whose head can't run apart.
    """
    import torch

    keep_freed_memory()
    student = load_unpatched(folder, precision)
    if student.device.type == "cpu":
        with torch.inference_mode():
            expected_T_V = probe_unpatched(student)
            pack_linear_layers(student.model)
            use_grouped_attention(student.model)
            if not patches_work(student, expected_T_V):
                student = load_unpatched(folder, precision)
    return student


def load_unpatched(
    folder: Path, precision: Literal["float32", "bf16"]
) -> InferenceModel:
    """The student as transformers runs it, but with its head in float32."""
    import torch

    student = load_student(folder)
    model = student.model.requires_grad_(False)
    decoder = model.get_decoder()
    output = model.get_output_embeddings()
    if decoder is model or output is None:
        raise StudentError(
            f"the student in {folder} has no decoder and head that could run apart",
            got=type(model).__name__,
            allowed="a causal language model: a decoder, "
            "and output embeddings that make its logits",
        )
    if precision == "bf16":
        # The head keeps the checkpoint's weights, which are not rounded. Buffers stay
        # too: rounded rotary frequencies misplace distant tokens.
        head_weight = output.weight.detach().clone()
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
        output.weight = torch.nn.Parameter(head_weight, requires_grad=False)
        if output.bias is not None:
            output.bias = torch.nn.Parameter(output.bias.float(), requires_grad=False)
    return InferenceModel(
        model, decoder, student.tokenizer, student.ends, student.device, precision
    )


def apply_head(student: InferenceModel, hidden_N_D: Any) -> Any:
    """logits_N_V in float32, scaled and soft-capped as by the model's own forward pass."""
    import torch

    with fixed_decoder_output(student.decoder, hidden_N_D.float()[None]):
        unused_ids = torch.zeros(1, 1, dtype=torch.long, device=student.device)
        return student.model(input_ids=unused_ids, use_cache=False).logits[0].float()


@contextmanager
def fixed_decoder_output(decoder: Any, hidden_1_N_D: Any) -> Iterator[None]:
    """Within it the decoder computes nothing and returns these hidden states."""
    from transformers.modeling_outputs import MoeModelOutputWithPast

    def return_hidden(*args: Any, **kwargs: Any) -> Any:
        return MoeModelOutputWithPast(last_hidden_state=hidden_1_N_D)

    decoder.forward = return_hidden
    try:
        yield
    finally:
        del decoder.forward


def probe_unpatched(student: InferenceModel) -> Any:
    """logits_T_V of a short row, in float32 by the model's own whole forward pass."""
    if student.precision == "float32":
        ids_1_T = probe_tokens(student)
        return student.model(input_ids=ids_1_T, use_cache=False).logits[0].float()
    return probe_in_parts(student)


def probe_in_parts(student: InferenceModel) -> Any:
    """The same by the decoder and then the head."""
    output = student.decoder(input_ids=probe_tokens(student), use_cache=False)
    return apply_head(student, output.last_hidden_state[0])


def patches_work(student: InferenceModel, expected_T_V: Any) -> bool:
    """Whether the patched model gives the logits that it gave before."""
    try:
        logits_T_V = probe_in_parts(student)
    except PATCH_ERRORS:
        return False
    tolerance = MAX_LOGIT_ERROR[student.precision]
    return logits_agree(logits_T_V, [expected_T_V], tolerance, min_scale=1.0)


def probe_tokens(student: InferenceModel) -> Any:
    """ids_1_T of the row that a model is tried with."""
    import torch

    # Any tokens do, as long as they are the same each time.
    start = max(student.ends) % 97
    stop = start + 7 * PROBE_TOKENS
    vocabulary = student.decoder.get_input_embeddings().weight.shape[0]
    return torch.arange(start, stop, 7, device=student.device)[None] % vocabulary
