"""A student's weights in GGUF: names, order of rows, and number formats."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from .gguf_model import compute_rope_factors, find_model_kind, make_unknown_error
from .saved_student import SavedStudent

Quantization = Literal["f16", "q8_0"]

Q8_BLOCK = 32  # numbers that share a scale, along a row
NBYTES_OF_Q8_BLOCK = 34
LARGEST_F16 = 65504
# Old checkpoints hold these, which are computed.
COMPUTED_WEIGHTS = ("rotary_emb.inv_freq",)


class StoredWeight(NamedTuple):
    """A weight in a file of the student's."""

    file: Path
    name: str  # transformers' name
    gguf_name: str
    shape: tuple[int, ...]
    format: str  # gguf's name of a number format


def list_weights(
    student: SavedStudent, quantization: Quantization
) -> list[StoredWeight]:
    """Every weight, without reading one. Raises StudentError for one without a place in GGUF."""
    import gguf
    from safetensors import safe_open

    kind = find_model_kind(student)
    architecture = find_architecture(kind.architecture)
    names = gguf.get_tensor_name_map(architecture, student.config.num_hidden_layers)
    weights: list[StoredWeight] = []
    for path in sorted(student.folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (it is no mapping)
                if name.endswith(COMPUTED_WEIGHTS):
                    continue
                gguf_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
                if gguf_name is None:
                    raise make_unknown_error(
                        student, f"the weight {name}", "its type's"
                    )
                shape = tuple(file.get_slice(name).get_shape())
                format = choose_format(shape, quantization)
                weights.append(StoredWeight(path, name, gguf_name, shape, format))
    return weights


def find_architecture(name: str) -> Any:
    import gguf

    return next(key for key, text in gguf.MODEL_ARCH_NAMES.items() if text == name)


def choose_format(shape: tuple[int, ...], quantization: Quantization) -> str:
    """As llama.cpp does: vectors stay in float32, and rows that don't fit the blocks in f16."""
    if len(shape) == 1:
        return "F32"
    if quantization == "q8_0" and shape[-1] % Q8_BLOCK == 0:
        return "Q8_0"
    return "F16"


def count_stored_bytes(weight: StoredWeight) -> int:
    n_numbers = 1
    for size in weight.shape:
        n_numbers *= size
    if weight.format == "Q8_0":
        return n_numbers // Q8_BLOCK * NBYTES_OF_Q8_BLOCK
    return n_numbers * (4 if weight.format == "F32" else 2)


def add_weights(
    writer: Any, student: SavedStudent, weights: list[StoredWeight]
) -> None:
    """What the file's head says of the weights, in the order in which they are written."""
    import gguf
    import numpy

    for weight in weights:
        writer.add_tensor_info(
            weight.gguf_name,
            weight.shape,
            numpy.dtype("float32"),
            count_stored_bytes(weight),
            gguf.GGMLQuantizationType[weight.format],
        )
    factors = compute_rope_factors(student.config)
    if factors is not None:
        name = f"{gguf.TENSOR_NAMES[gguf.MODEL_TENSOR.ROPE_FREQS]}.weight"
        writer.add_tensor_info(name, factors.shape, factors.dtype, factors.nbytes)


def iterate_arrays(student: SavedStudent, weights: list[StoredWeight]) -> Iterator[Any]:
    """The weights as the file holds them. One at a time is in memory."""
    import gguf
    from safetensors import safe_open

    for weight in weights:
        with safe_open(weight.file, framework="pt") as file:
            array = file.get_tensor(weight.name).float().numpy()
        array = order_rows(student, weight, array)
        if weight.format != "F32" and abs(array).max() > LARGEST_F16:
            raise make_unknown_error(
                student,
                f"{abs(array).max():.3g} in {weight.name}",
                f"weights up to {LARGEST_F16}, which 16 bits can hold",
            )
        yield gguf.quantize(array, gguf.GGMLQuantizationType[weight.format])
    factors = compute_rope_factors(student.config)
    if factors is not None:
        yield factors


def order_rows(student: SavedStudent, weight: StoredWeight, array: Any) -> Any:
    """Queries' and keys' rows in the order in which llama.cpp turns them."""
    config = student.config
    part = weight.name.rpartition(".")[0]
    if not find_model_kind(student).turns_neighbours:
        return array
    if part.endswith("q_proj"):
        return interleave_halves(array, config.num_attention_heads)
    if part.endswith("k_proj"):
        return interleave_halves(array, config.num_key_value_heads)
    return array


def interleave_halves(array: Any, n_heads: int) -> Any:
    """Each head's rows 0, 1, 2, … become row 0, the first of its second half, row 1, …"""
    halves = array.reshape(n_heads, 2, -1, *array.shape[1:])
    return halves.swapaxes(1, 2).reshape(array.shape)
