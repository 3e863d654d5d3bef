"""A student that answers and is scored but not trained: in the run's precision, and fast."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import StudentError
from .attention import use_grouped_attention
from .chat import Chat
from .context import find_context_length
from .decoder_check import (
    ALL_ABILITIES,
    DecoderAbilities,
    find_abilities,
    read_alone,
    trial_rows,
)
from .heap import keep_freed_memory
from .loading import DEFAULT_CHAT, LoadedStudent, load_student
from .model_files import shorten_reason
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
    abilities: DecoderAbilities = ALL_ABILITIES

    @property
    def max_tokens(self) -> int | None:
        """Of prompt and answer together; None: no limit is known."""
        return find_context_length(self.model.config)


def load_for_inference(
    folder: Path,
    precision: Literal["float32", "bf16"] = "float32",
    chat: Chat = DEFAULT_CHAT,
) -> InferenceModel:
    """Load a student for inference.

    On a CPU its layers and its attention are replaced by faster ones, unless the
    model's own code doesn't work with those. Raises StudentError as `load_student`
    does, and for a model whose head can't run apart or whose logits are no numbers.
    """
    import torch

    keep_freed_memory()
    student = load_unpatched(folder, precision, chat)
    if student.device.type == "cpu":
        with torch.inference_mode():
            expected_T_V = probe_unpatched(student)
            pack_linear_layers(student.model)
            use_grouped_attention(student.model)
            if not patches_work(student, expected_T_V):
                student = load_unpatched(folder, precision, chat)
    return student


def load_unpatched(
    folder: Path, precision: Literal["float32", "bf16"], chat: Chat = DEFAULT_CHAT
) -> InferenceModel:
    """The student as transformers runs it, but with its head in float32."""
    import torch

    student = load_student(folder, chat)
    model = student.model.requires_grad_(False)
    decoder = find_decoder(model)
    output = model.get_output_embeddings()
    if decoder is None or output is None:
        raise head_error(folder, model)
    with torch.inference_mode():
        abilities = try_model(folder, student, decoder)
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
        model,
        decoder,
        student.tokenizer,
        student.ends,
        student.device,
        precision,
        abilities,
    )


def find_decoder(model: Any) -> Any:
    """The model without its head; None where it has no such part."""
    decoder = model.get_decoder()
    if decoder is not model:
        return decoder
    embeddings = model.get_input_embeddings()
    for part in model.children():
        if part is not embeddings and any(m is embeddings for m in part.modules()):
            return part
    return None


def head_error(folder: Path, model: Any) -> StudentError:
    return StudentError(
        f"the student in {folder} has no decoder and head that could run apart",
        got=type(model).__name__,
        allowed="a causal language model: a decoder, "
        "and output embeddings that make its logits",
        fix="choose another student",
    )


def try_model(folder: Path, student: LoadedStudent, decoder: Any) -> DecoderAbilities:
    """What the model, still in float32, can do of all that attempts and scoring need.

    Raises StudentError where its own code fails, its logits are no numbers, or its head
    can't run apart.
    """
    model = student.model
    alone_B_D, expected_V = run_trial_rows(folder, model, decoder, student.device)
    try:
        logits_V = run_head(model, decoder, alone_B_D[:1])
    except Exception as error:
        raise head_error(folder, model) from error
    if not logits_agree(logits_V, [expected_V[None]], MAX_LOGIT_ERROR["float32"]):
        raise head_error(folder, model)
    return find_abilities(model, decoder, student.device, alone_B_D)


def run_trial_rows(
    folder: Path, model: Any, decoder: Any, device: Any
) -> tuple[Any, Any]:
    """hidden_B_D of the trial rows' last tokens, and logits_V of the first row's.

    Raises StudentError where the model's own code fails, or its logits are no numbers.
    """
    import torch

    rows = trial_rows(decoder)
    try:
        alone_B_D = read_alone(decoder, rows, device)
        row_1_T = torch.tensor(rows[:1], device=device)
        expected_V = model(input_ids=row_1_T, use_cache=False).logits[0, -1].float()
    # Of the model's own code: a config that contradicts itself, a missing kernel.
    except Exception as error:
        raise StudentError(
            f"the model in {folder} fails on a short row in transformers' own code",
            got=f"{type(model).__name__}: {shorten_reason(error)}",
            allowed="a model that transformers can run on this machine",
            fix="check its config.json, or choose another student",
        ) from error
    if not (alone_B_D.isfinite().all() and expected_V.isfinite().all()):
        raise StudentError(
            f"the student in {folder} gives logits that are NaN or infinite",
            allowed="finite weights",
            fix="fetch or save the model again, or start from an earlier student",
        )
    return alone_B_D, expected_V


def apply_head(student: InferenceModel, hidden_N_D: Any) -> Any:
    """logits_N_V in float32, scaled and soft-capped as by the model's own forward pass."""
    return run_head(student.model, student.decoder, hidden_N_D)


def run_head(model: Any, decoder: Any, hidden_N_D: Any) -> Any:
    import torch

    with fixed_decoder_output(decoder, hidden_N_D.float()[None]):
        unused_ids = torch.zeros(1, 1, dtype=torch.long, device=hidden_N_D.device)
        return model(input_ids=unused_ids, use_cache=False).logits[0].float()


@contextmanager
def fixed_decoder_output(decoder: Any, hidden_1_N_D: Any) -> Iterator[None]:
    """Within it the decoder computes nothing and returns these hidden states."""
    output_class = decoder_output_class()

    def return_hidden(*args: Any, **kwargs: Any) -> Any:
        return output_class(last_hidden_state=hidden_1_N_D)

    decoder.forward = return_hidden
    try:
        yield
    finally:
        del decoder.forward


@cache
def decoder_output_class() -> Any:
    """What a decoder returns that computed nothing but hidden states.

    Models read further fields of it, of their own names: all of them are None.
    """
    from transformers.modeling_outputs import BaseModelOutput

    class HiddenStates(BaseModelOutput):  # type: ignore[misc]
        def __getattr__(self, name: str) -> None:
            if name.startswith("_"):
                raise AttributeError(name)

    return HiddenStates


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
