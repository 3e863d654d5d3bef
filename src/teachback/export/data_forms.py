"""A run's rows in the forms that other tools train on.

An encoder turns rows into a file's bytes. Equal rows give equal bytes: no file holds a time.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from ..run.files import commit_file, to_json_bytes
from .exported_rows import ExportedRow, RowOrigin, collect_exported_rows
from .exported_run import ExportedRun
from .row_lines import describe_exported_rows, refuse_no_rows

# ShareGPT's names of the roles.
SPEAKER_OF_ROLE = {"system": "system", "user": "human", "assistant": "gpt"}

# Arrow's types, where one isn't a text. A column of None alone has no type of its own.
ARROW_TYPE_OF_FIELD = {
    "round": "int64",
    "score": "float64",
    "verified": "bool",
    "tokens": "int64",
    "usd": "float64",
}

Encoder = Callable[[Sequence[ExportedRow]], bytes]
_Fields = Mapping[str, object]


def export_rows(run: ExportedRun, out: Path, *, encode: Encoder) -> list[str]:
    """Write a run's rows. Raises ConfigError where there is none."""
    refuse_no_rows(run)
    rows = collect_exported_rows(run)
    commit_file(out, encode(rows))
    return [*describe_exported_rows(run, out)]


def encode_messages(rows: Sequence[ExportedRow]) -> bytes:
    """OpenAI's chats, which TRL reads too."""
    return to_json_lines(
        {"messages": row.turns, **list_options(row), **list_meta(row)} for row in rows
    )


def encode_prompt_completion(rows: Sequence[ExportedRow]) -> bytes:
    """TRL's conversational prompts and completions."""
    return to_json_lines(
        {
            "prompt": row.prompt_turns,
            "completion": [row.answer_turn],
            **list_options(row),
            **list_meta(row),
        }
        for row in rows
    )


def encode_sharegpt(rows: Sequence[ExportedRow]) -> bytes:
    return to_json_bytes(
        [{"conversations": to_sharegpt_turns(row), **list_meta(row)} for row in rows]
    )


def to_sharegpt_turns(row: ExportedRow) -> list[dict[str, str]]:
    return [
        {"from": SPEAKER_OF_ROLE[turn["role"]], "value": turn["content"]}
        for turn in row.turns
    ]


def encode_alpaca(rows: Sequence[ExportedRow]) -> bytes:
    """`input` is empty: the question is a whole."""
    return to_json_bytes(
        [
            {
                "instruction": row.message,
                "input": "",
                "output": row.text,
                **list_system(row),
                **list_meta(row),
            }
            for row in rows
        ]
    )


def encode_csv(rows: Sequence[ExportedRow]) -> bytes:
    """Cells hold what the rows hold, even what a spreadsheet takes for a formula."""
    file = io.StringIO(newline="")
    table = [to_table_row(row) for row in rows]
    # All quoted: then a line break of any kind stays in its cell.
    writer = csv.DictWriter(
        file, list(table[0]), quoting=csv.QUOTE_ALL, lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(table)
    return file.getvalue().encode()


def to_table_row(row: ExportedRow) -> _Fields:
    return {
        **list_system(row),
        "question": row.message,
        "text": row.text,
        **(row.origin._asdict() if row.origin else {}),
    }


def encode_parquet(rows: Sequence[ExportedRow]) -> bytes:
    """The columns of `messages`. Where a row is from has a column for each field."""
    import pyarrow
    from pyarrow import parquet

    turn = pyarrow.struct({"role": pyarrow.string(), "content": pyarrow.string()})
    columns = {
        "messages": pyarrow.array([row.turns for row in rows], pyarrow.list_(turn))
    }
    options = [list_options(row) for row in rows]
    for name in options[0]:
        columns[name] = pyarrow.array([of_row[name] for of_row in options])
    origins = [row.origin._asdict() for row in rows if row.origin]
    for name in RowOrigin._fields if origins else ():
        cells = [origin[name] for origin in origins]
        type = ARROW_TYPE_OF_FIELD.get(name, "string")
        columns[name] = pyarrow.array(cells, type)

    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content


# -- parts of a row ----------------------------------------------------------------------


def list_system(row: ExportedRow) -> _Fields:
    """All rows of a run have the same system message, or none."""
    return {} if row.chat.system is None else {"system": row.chat.system}


def list_options(row: ExportedRow) -> _Fields:
    """Under the name by which TRL passes them to the chat template."""
    options = dict(row.chat.options)
    return {"chat_template_kwargs": options} if options else {}


def list_meta(row: ExportedRow) -> _Fields:
    return {"meta": row.origin._asdict()} if row.origin else {}


def to_json_lines(rows: Iterable[_Fields]) -> bytes:
    lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows]
    return "".join(f"{line}\n" for line in lines).encode()
