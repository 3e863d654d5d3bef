"""`--to gguf`: the student as one file, which llama.cpp and what is built on it run."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ...errors import explain_disk_errors
from ...run.files import publish_path
from ...student.chat import Chat
from ..exported_run import ExportedRun
from .gguf_model import add_model_metadata, find_model_kind
from .gguf_vocabulary import add_vocabulary
from .gguf_weights import (
    Quantization,
    StoredWeight,
    add_weights,
    count_stored_bytes,
    iterate_arrays,
    list_weights,
)
from .saved_student import SavedStudent, describe_chat, make_chat, read_student


def export_gguf(
    run: ExportedRun, out: Path, *, quantization: Quantization
) -> list[str]:
    """Raises StudentError for a student that llama.cpp would run otherwise than it was taught."""
    student = read_student(run.find_student())
    weights = write_gguf(student, make_chat(run), run.folder.name, quantization, out)
    return [
        f"the student in {out}: {describe_weights(student, weights)}",
        f"llama-server -m {out} --jinja answers with it; temperature 0 gives the run's answers",
        *describe_chat(run),
    ]


def write_gguf(
    student: SavedStudent, chat: Chat, name: str, quantization: Quantization, out: Path
) -> list[StoredWeight]:
    """Write the file, which appears whole or not at all. name: the model's, for people."""
    import gguf

    kind = find_model_kind(student)
    weights = list_weights(student, quantization)
    aside = out.with_name(f"{out.name}.tmp")
    writer = gguf.GGUFWriter(aside, kind.architecture)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{quantization.upper()}"])
    add_model_metadata(writer, student)
    add_vocabulary(writer, student, chat)
    add_weights(writer, student, weights)
    with explain_disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_parts(writer, iterate_arrays(student, weights))
            publish_path(aside, out)
        finally:
            # It is large, and the disk may be full.
            aside.unlink(missing_ok=True)
    return weights


def write_parts(writer: Any, arrays: Iterable[Any]) -> None:
    """writer: gguf's. arrays: the weights, in the order in which it knows them."""
    writer.write_header_to_file()
    try:
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for array in arrays:
            writer.write_tensor_data(array)
    finally:
        writer.close()


def describe_weights(student: SavedStudent, weights: list[StoredWeight]) -> str:
    n_bytes = sum(map(count_stored_bytes, weights))
    formats = sorted({weight.format for weight in weights})
    return (
        f"{student.config.model_type}, {n_bytes / 1e6:,.1f} MB of weights in "
        f"{', '.join(formats)}"
    )
