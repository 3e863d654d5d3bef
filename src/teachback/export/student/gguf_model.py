"""What llama.cpp must know of a model beside its weights: the metadata of its GGUF file.

The names of the keys are gguf's own. Only models that llama.cpp computes as transformers does are
let through; the others are refused by name.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...errors import StudentError
from .saved_student import SavedStudent

LLAMA_CPP_CONVERTER = (
    "--to safetensors, then llama.cpp's own converter: "
    "python convert_hf_to_gguf.py FOLDER --outfile student.gguf"
)
ACTIVATIONS = ("silu", "swish")


class ModelKind(NamedTuple):
    """How llama.cpp runs a model type of transformers."""

    architecture: str  # its name there
    # It turns neighbouring rows of queries and keys, where transformers turns the two halves of a
    # head.
    turns_neighbours: bool
    # It reads factors of RoPE's frequencies.
    reads_rope_factors: bool


MODEL_KINDS: Mapping[str, ModelKind] = {
    "llama": ModelKind("llama", turns_neighbours=True, reads_rope_factors=True),
    "mistral": ModelKind("llama", turns_neighbours=True, reads_rope_factors=True),
    "qwen2": ModelKind("qwen2", turns_neighbours=False, reads_rope_factors=False),
    "qwen3": ModelKind("qwen3", turns_neighbours=False, reads_rope_factors=False),
}


def find_model_kind(student: SavedStudent) -> ModelKind:
    """Raises StudentError for a model that this writer doesn't know."""
    config = student.config
    kind = MODEL_KINDS.get(config.model_type)
    if kind is None:
        raise make_unknown_error(
            student, f"the model type {config.model_type}", ", ".join(MODEL_KINDS)
        )
    if config.hidden_act not in ACTIVATIONS:
        raise make_unknown_error(student, f"hidden_act: {config.hidden_act}", "silu")
    rope_types = ["default", "linear", *(["llama3"] if kind.reads_rope_factors else [])]
    rope_type = find_rope(config).get("rope_type", "default")
    if rope_type not in rope_types:
        raise make_unknown_error(
            student, f"rope_type: {rope_type}", ", ".join(rope_types)
        )
    if find_rope(config).get("partial_rotary_factor", 1.0) != 1.0:
        raise make_unknown_error(student, "a partial_rotary_factor", "1.0")
    return kind


def make_unknown_error(student: SavedStudent, got: str, allowed: str) -> StudentError:
    return StudentError(
        f"the student in {student.folder} can't be written as GGUF here",
        got=got,
        allowed=allowed,
        fix=LLAMA_CPP_CONVERTER,
    )


def find_rope(config: Any) -> Mapping[str, Any]:
    """The settings of RoPE, theta among them."""
    parameters: Mapping[str, Any] = config.rope_parameters or {}
    return parameters


def head_size(config: Any) -> int:
    size: int | None = getattr(config, "head_dim", None)
    return size or config.hidden_size // config.num_attention_heads


def add_model_metadata(writer: Any, student: SavedStudent) -> None:
    """writer: gguf's."""
    config = student.config
    size = head_size(config)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(find_context(config))
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    writer.add_rope_dimension_count(size)
    rope = find_rope(config)
    writer.add_rope_freq_base(float(rope["rope_theta"]))
    if rope.get("rope_type") == "linear":
        from gguf import RopeScalingType

        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(float(rope["factor"]))


def find_context(config: Any) -> int:
    """How many tokens it can see. llama.cpp has no sliding window for these models."""
    window = getattr(config, "sliding_window", None)
    length: int = config.max_position_embeddings
    return min(length, window) if window else length


def compute_rope_factors(config: Any) -> Any:
    """What Llama 3 divides RoPE's frequencies by, as a float32 array; None for other models."""
    if find_rope(config).get("rope_type") != "llama3":
        return None
    import numpy
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    steps = numpy.arange(len(scaled), dtype="float64")
    plain = find_rope(config)["rope_theta"] ** (-2.0 * steps / head_size(config))
    return (plain / scaled.double().numpy()).astype("float32")
