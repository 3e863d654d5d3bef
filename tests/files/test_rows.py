"""Rows of every format, with their places; what can't be read is refused by file and line."""

import bz2
import csv
import gzip
import io
import json
import lzma
import pickle
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teachback.errors import DataError, MissingPackages
from teachback.files.find_files import find_files, hash_row_files
from teachback.files.json_rows import WrittenFloat
from teachback.files.rows import read_rows

ROWS = [
    {"question": 'He said "hi"; what, then?\nSecond line', "answer": "007"},
    {"question": "It's | a\ttab", "answer": None},
    {"question": "Größe?", "answer": "1.50"},
]


def as_csv(rows: Sequence[dict[str, Any]], **form: Any) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), **form)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_jsonl(rows: Sequence[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("my.csv", {}),
        ("my.csv", {"delimiter": ";"}),
        ("my.tsv", {"delimiter": "\t"}),
        ("my.csv", {"delimiter": "\t"}),
        ("my.txt", {"delimiter": "|"}),
        ("my.csv", {"delimiter": "^"}),
        ("my.csv", {"quoting": csv.QUOTE_ALL}),
        ("my.csv", {"quoting": csv.QUOTE_ALL, "quotechar": "'"}),
        ("my.csv", {"doublequote": False, "escapechar": "\\"}),
        ("my.csv", {"lineterminator": "\n"}),
    ],
)
def test_tables_with_any_separator_and_quotes(
    name: str, form: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(as_csv(ROWS, **form), encoding="utf-8", newline="")
    file = read_rows(path)
    assert file.rows == ROWS
    assert [*file.places][2] == f"{path}, line 5, row 3"
    is_usual = form.get("delimiter", ",") in ",\t" and not {
        "quotechar",
        "escapechar",
    } & {*form}
    assert bool(file.notes) != is_usual


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16"),
        ("utf-16-be", "UTF-16"),
        ("latin-1", "Latin-1"),
        ("cp1252", "Latin-1"),
    ],
)
def test_encodings_are_told(encoding: str, note: str | None, tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_bytes(as_csv(ROWS).encode(encoding))
    file = read_rows(path)
    assert file.rows == ROWS
    notes = (f"my.csv is not UTF-8: read as {note}",) if note else ()
    assert file.notes == notes


def test_excel_says_its_separator_and_pandas_numbers_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text("sep=;\na;b\n1;2,5\n", encoding="utf-8")
    assert read_rows(path).rows == [{"a": "1", "b": "2,5"}]
    assert [*read_rows(path).places] == [f"{path}, line 3, row 1"]
    path.write_text(",a,b,\n0,x,y,\n1,z,,\n", encoding="utf-8")
    rows = read_rows(path).rows
    assert rows == [
        {"column 1": "0", "a": "x", "b": "y"},
        {"column 1": "1", "a": "z", "b": None},
    ]


def test_quotes_in_the_middle_of_tabs_stay(tmp_path: Path) -> None:
    path = tmp_path / "my.tsv"
    path.write_text('a\tb\n"Hm" she said\t1\n', encoding="utf-8")
    file = read_rows(path)
    assert file.rows == [{"a": '"Hm" she said', "b": "1"}]
    assert "quotes are part of the cells" in file.notes[0]


def test_a_table_of_one_column(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    path.write_text('question\nWho?\n"What, and why?"\n', encoding="utf-8")
    assert [row["question"] for row in read_rows(path).rows] == [
        "Who?",
        "What, and why?",
    ]


def test_a_long_cell_and_the_limit_of_the_process(tmp_path: Path) -> None:
    path = tmp_path / "my.csv"
    limit = csv.field_size_limit()
    path.write_text("a,b\n" + "x" * 200_000 + ",1\n", encoding="utf-8")
    assert len(str(read_rows(path).rows[0]["a"])) == 200_000
    assert csv.field_size_limit() == limit


DOCUMENTS: dict[str, Callable[[Any], str]] = {
    "lines": as_jsonl,
    "array": json.dumps,
    "array over lines": lambda rows: json.dumps(rows, indent=2),
    "under data": lambda rows: json.dumps({"version": 2, "data": rows}),
    "under data, over lines": lambda rows: json.dumps({"data": rows}, indent=1),
    "one after the other": lambda rows: "\n".join(
        json.dumps(row, indent=1) for row in rows
    ),
    "columns": lambda rows: json.dumps({k: [row[k] for row in rows] for k in rows[0]}),
    "columns of pandas": lambda rows: json.dumps(
        {k: {str(n): row[k] for n, row in enumerate(rows)} for k in rows[0]}
    ),
}


@pytest.mark.parametrize("form", DOCUMENTS)
@pytest.mark.parametrize("name", ["my.json", "my.jsonl", "my.txt"])
def test_json_in_any_form(form: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(DOCUMENTS[form](ROWS), encoding="utf-8")
    assert read_rows(path).rows == ROWS


def test_one_row_is_no_table(tmp_path: Path) -> None:
    row = {"question": "q", "options": ["x", "y"], "turns": [{"role": "user"}]}
    path = tmp_path / "my.jsonl"
    path.write_text(json.dumps(row), encoding="utf-8")
    assert read_rows(path).rows == [row]


def test_numbers_keep_their_text(tmp_path: Path) -> None:
    path = tmp_path / "my.jsonl"
    path.write_text(
        f'{{"a": 1.50, "b": 1e5, "c": {10**40}, "d": "007"}}', encoding="utf-8"
    )
    (row,) = read_rows(path).rows
    assert [str(value) for value in row.values()] == ["1.50", "1e5", str(10**40), "007"]
    assert row["a"] == 1.5
    assert json.dumps(row["a"]) == "1.5"
    assert str(pickle.loads(pickle.dumps(row["a"]))) == "1.50"
    with pytest.raises(ValueError, match="not a finite number"):
        WrittenFloat("1e999")


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("my.jsonl.gz", gzip.compress),
        ("my.jsonl.bz2", bz2.compress),
        ("my.jsonl.xz", lzma.compress),
    ],
)
def test_packed_files(
    name: str, pack: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / name
    content = as_jsonl(ROWS * 50).encode()
    path.write_bytes(pack(content))
    file = read_rows(path)
    assert file.rows == ROWS * 50
    assert file.stem == "my"
    path.write_bytes(pack(content)[:40])
    with pytest.raises(
        DataError, match=r"can't be unpacked as \w+(.|\n)*fix: copy the file again"
    ):
        read_rows(path)


def test_parquet_arrow_and_zstd(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="teachback[files] is not installed")
    from pyarrow import feather, parquet

    rows = [
        {
            "q": "a",
            "n": 2**62,
            "d": Decimal("1.50"),
            "l": ["x", "y"],
            "o": {"k": 1},
            "t": True,
        },
        {"q": None, "n": None, "d": None, "l": None, "o": None, "t": None},
    ]
    table = pa.Table.from_pylist(rows)
    table = table.append_column("f", pa.array([0.1, None], pa.float32()))
    expected = [{**rows[0], "f": 0.1}, {**rows[1], "f": None}]
    parquet.write_table(table, tmp_path / "my.parquet")
    feather.write_feather(table, tmp_path / "my.feather")
    with (
        pa.OSFile(str(tmp_path / "my.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)
    for name in ("my.parquet", "my.feather", "my.arrow"):
        assert read_rows(tmp_path / name).rows == expected, name
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:60])
        with pytest.raises(DataError, match="can't be read as"):
            read_rows(tmp_path / name)

    packed = tmp_path / "my.csv.zst"
    with pa.CompressedOutputStream(str(packed), "zstd") as stream:
        stream.write(as_csv(ROWS).encode())
    assert read_rows(packed).rows == ROWS
    packed.write_bytes(packed.read_bytes()[:20])
    with pytest.raises(DataError, match="can't be unpacked as zstd"):
        read_rows(packed)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "my.csv",
            b"a,b\n1,2\n1,2,3\n",
            r"my\.csv, line 3: another number of cells than names\n  got: 3 cells",
        ),
        ("my.csv", b'a,b\n"x\ny",2\n"z\n', r"my\.csv, line 3 or below: not CSV"),
        ("my.csv", b"a,a\n1,2\n", r"line 1: the name 'a' stands there twice"),
        (
            "my.csv",
            b"What is 2?,2\nWhat is 3?,3\n",
            r"line 1: holds no names of columns",
        ),
        (
            "my.csv",
            b"a,b\nx\xc3\xa9\xc3\xa9,1\n\xff,2\n",
            r"my\.csv, line 3: not UTF-8",
        ),
        (
            "my.csv",
            "问题,答案\n一加一等于多少,二\n".encode("gbk"),
            r"line 1: not UTF-8(.|\n)*save it as UTF-8",
        ),
        ("my.json", b'[{"a": 1},\n {"a" 2}]', r"my\.json, line 2: not JSON"),
        ("my.json", b'[{"a": 1}\n {"a": 2}]', r"my\.json, line 2: not JSON"),
        (
            "my.json",
            b'[{"a": 1}]\nx',
            r"my\.json, line 2: not JSON\n  got: more text behind",
        ),
        ("my.json", b'[{"a": 1},\n\n 3]', r"my\.json, line 3: not an object"),
        ("my.json", b'[{"a": NaN}]', r"my\.json, line 1: not JSON"),
        ("my.json", b'[{"a": "\\ud800"}]', r"my\.json, line 1: not JSON"),
        ("my.json", b"[" * 100_000, r"my\.json, line 1: not JSON"),
        ("my.xlsx", b"PK\x03\x04....", "is a ZIP archive, or an Excel file(.|\n)*CSV"),
        ("my.parquet", b"PAR1....", "can't be read as Parquet"),
    ],
)
def test_what_can_not_be_read_is_refused_with_its_place(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow", reason="teachback[files] is not installed")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_rows(tmp_path / name)


@given(st.binary(max_size=60), st.sampled_from(["my.csv", "my.json", "my.jsonl", "my"]))
def test_any_bytes_are_read_or_refused(content: bytes, name: str) -> None:
    from teachback.files.row_format import find_format
    from teachback.files.rows import READERS

    path = Path(name)
    form = find_format(path, content)
    with suppress(DataError):
        READERS[form](content, path)


CELLS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8
)


@given(
    st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6), st.sampled_from(",;\t|")
)
def test_a_table_comes_back_as_it_was_written(
    rows: list[tuple[str, str]], separator: str
) -> None:
    from teachback.files.csv_rows import read_csv

    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator, quoting=csv.QUOTE_ALL)
    writer.writerows([("question", "answer"), *rows])
    source = read_csv(text.getvalue().encode(), Path("my.csv"))
    expected = [{"question": q or None, "answer": a or None} for q, a in rows]
    # A line of blank cells is no row.
    assert source.rows == [
        row for row in expected if any((cell or "").strip() for cell in row.values())
    ]


@pytest.mark.parametrize(
    "content", [b"PAR1....", b"ARROW1\x00\x00", b"\x28\xb5\x2f\xfd..."]
)
def test_what_needs_pyarrow_says_what_to_install(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "my").write_bytes(content)
    with pytest.raises(MissingPackages, match=r"pip install 'teachback\[files\]'"):
        read_rows(tmp_path / "my")


def test_folders_and_patterns(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    names = ["b.jsonl", "a.jsonl", "sub/c.csv", ".d.jsonl", "notes.md", "state.json"]
    for name in names:
        text = "x\n1\n" if name.endswith("csv") else '{"x": "1"}\n'
        (tmp_path / name).write_text(text, encoding="utf-8")
    file = read_rows(tmp_path)
    assert len(file.rows) == 3
    assert file.stem == tmp_path.name
    assert [*file.places][2] == f"{tmp_path / 'sub/c.csv'}, line 2, row 1"
    assert len(find_files(tmp_path / "*.jsonl")) == 3
    assert find_files(tmp_path / "sub" / "*.csv") == [tmp_path / "sub/c.csv"]
    with pytest.raises(DataError, match="no file's name fits"):
        read_rows(tmp_path / "*.parquet")
    (tmp_path / "my_test.jsonl").write_text('{"x": "1"}\n', encoding="utf-8")
    with pytest.raises(DataError, match="holds files of several splits"):
        read_rows(tmp_path)


def test_the_hash_covers_every_byte(tmp_path: Path) -> None:
    from hashlib import sha256

    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"x": 1}\n')
    assert hash_row_files(path) == sha256(b'{"x": 1}\n').hexdigest()
    before = hash_row_files(tmp_path)
    (tmp_path / "b.jsonl").write_bytes(b'{"x": 2}\n')
    both = hash_row_files(tmp_path)
    (tmp_path / "b.jsonl").write_bytes(b'{"x": 3}\n')
    assert len({before, both, hash_row_files(tmp_path)}) == 3
    with pytest.raises(DataError, match=r"none\.jsonl: can't be read"):
        hash_row_files(tmp_path / "none.jsonl")
