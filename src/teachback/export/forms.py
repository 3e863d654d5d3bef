"""Every form that a run can be exported to. This table is the only place that lists them.

The command's allowed values, its help and the table of docs/guides/export.md come from it. A new
form is one line here and one function:

    export(run: ExportedRun, out: Path) -> list[str]

It writes `out`, and returns the lines to print. `out` is a file, or a folder if the form has no
`file_name`. export_run has checked that it may be written: nothing is there, or --force was given.
What the form needs is imported inside the function, after export_run has asked for `modules`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from ..student.model_files import STUDENT_MODULES
from .data_forms import (
    encode_alpaca,
    encode_csv,
    encode_messages,
    encode_parquet,
    encode_prompt_completion,
    encode_sharegpt,
    export_rows,
)
from .exported_run import ExportedRun
from .student.adapter import export_adapter
from .student.gguf_file import export_gguf
from .student.ollama import export_ollama
from .student.whole_folder import export_safetensors


@dataclass(frozen=True)
class ExportForm:
    """One form."""

    # The run's rows, or its student.
    kind: Literal["data", "student"]
    # What is written, in the words of the help and of the docs.
    writes: str
    export: Callable[[ExportedRun, Path], list[str]]
    # The name of its file where --out is a folder; empty: the form is a folder.
    file_name: str = ""
    # The packages that it needs beside those of `pip install teachback`.
    modules: tuple[str, ...] = ()


FORMS: Mapping[str, ExportForm] = {
    "messages": ExportForm(
        "data",
        "JSONL of conversations, as OpenAI and TRL read them",
        partial(export_rows, encode=encode_messages),
        "messages.jsonl",
    ),
    "prompt-completion": ExportForm(
        "data",
        "JSONL of prompts and completions: TRL trains on the answers alone",
        partial(export_rows, encode=encode_prompt_completion),
        "prompt-completion.jsonl",
    ),
    "sharegpt": ExportForm(
        "data",
        "JSON of conversations, as LLaMA-Factory and axolotl read them",
        partial(export_rows, encode=encode_sharegpt),
        "sharegpt.json",
    ),
    "alpaca": ExportForm(
        "data",
        "JSON of instructions and outputs",
        partial(export_rows, encode=encode_alpaca),
        "alpaca.json",
    ),
    "parquet": ExportForm(
        "data",
        "the conversations of `messages`, as Parquet",
        partial(export_rows, encode=encode_parquet),
        "messages.parquet",
        ("pyarrow",),
    ),
    "csv": ExportForm(
        "data",
        "a table with the columns system, question and text",
        partial(export_rows, encode=encode_csv),
        "rows.csv",
    ),
    "safetensors": ExportForm(
        "student",
        "a folder that transformers loads: weights, tokenizer, chat template",
        export_safetensors,
        modules=STUDENT_MODULES,
    ),
    "adapter": ExportForm(
        "student",
        "the LoRA adapter alone, as peft loads it",
        export_adapter,
    ),
    "gguf": ExportForm(
        "student",
        "one file for llama.cpp, weights in f16",
        partial(export_gguf, quantization="f16"),
        "student.gguf",
        (*STUDENT_MODULES, "gguf"),
    ),
    "gguf-q8_0": ExportForm(
        "student",
        "the same with weights of 8 bits: half the size",
        partial(export_gguf, quantization="q8_0"),
        "student-q8_0.gguf",
        (*STUDENT_MODULES, "gguf"),
    ),
    "ollama": ExportForm(
        "student",
        "a folder with the GGUF file and a Modelfile for Ollama",
        export_ollama,
        modules=(*STUDENT_MODULES, "gguf"),
    ),
}


def describe_forms() -> str:
    """What each form writes, for the help: click leaves a paragraph after a \\b as it is."""
    width = max(map(len, FORMS))
    lines = [f"  {name:{width}}  {form.writes}" for name, form in FORMS.items()]
    return "\n".join(["\b", "Forms:", *lines])
