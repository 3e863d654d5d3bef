"""What an exported row says of itself: seed, round, score, teacher and cost."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from exporting import ExportedFolder
from ledgers import buy, cost, reserved
from teachback.export.exported_run import read_exported_run
from teachback.export.row_costs import RowCost, read_row_costs
from teachback.ledger.costs import UNKNOWN_PRICE, Usage
from teachback.ledger.ledger import Ledger
from teachback.run.history import read_step


def test_meta_says_where_each_row_is_from(
    exported: ExportedFolder, tmp_path: Path
) -> None:
    path = exported.export("messages", tmp_path, meta=True)
    lines = path.read_bytes().decode().split("\n")[:-1]
    metas = [json.loads(line)["meta"] for line in lines]
    own = [meta for meta in metas if meta["round"] is None]
    assert len(own) == 6
    for meta in own:
        unknown = {name for name, value in meta.items() if value is None}
        assert unknown == {*meta} - {"id", "verified"}
        assert meta["id"].startswith("given-own-")

    with sqlite3.connect(exported.folder / "ledger.sqlite") as db:
        tokens = dict(db.execute("SELECT seed || '#' || n, tokens FROM costs"))
    db.close()
    for r in (0, 1):
        round_folder = exported.folder / f"round-{r:02d}"
        picks = {pick.seed: pick for pick in read_step(round_folder, "select").picks}
        drafts = {draft.seed: draft for draft in read_step(round_folder, "generate")}
        rows = read_step(round_folder, "curate").rows
        assert [meta for meta in metas if meta["round"] == r] == [
            {
                "id": row.id,
                "seed": row.seed,
                "round": r,
                "criterion": "loss",
                "score": picks[row.seed].score,
                "teacher": "program",
                "prompt_sha256": drafts[row.seed].prompt,
                "verified": True,
                "tokens": tokens[row.id],
                "usd": 0.0,
            }
            for row in rows
        ]


def test_columns_of_parquet_have_their_types_even_if_empty(
    exported: ExportedFolder, tmp_path: Path
) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="teachback[files] is missing")
    from pyarrow import parquet

    path = exported.export("parquet", tmp_path, meta=True)
    schema = parquet.read_schema(path)
    assert schema.field("messages").type.value_type.names == ["role", "content"]
    assert {name: str(schema.field(name).type) for name in schema.names[1:]} == {
        "id": "string",
        "seed": "string",
        "round": "int64",
        "criterion": "string",
        "score": "double",
        "teacher": "string",
        "prompt_sha256": "string",
        "verified": "bool",
        "tokens": "int64",
        "usd": "double",
    }
    assert pyarrow.types.is_list(schema.field("messages").type)


@pytest.fixture
def priced_run(exported: ExportedFolder, tmp_path: Path) -> Path:
    """A copy whose ledger holds other purchases."""
    folder = tmp_path / "comparison" / "repeat-0" / "loss"
    shutil.copytree(exported.folder, folder)
    (folder / "ledger.sqlite").unlink()
    with Ledger(folder / "ledger.sqlite") as ledger:
        pair = reserved(ledger, "s1", 300)
        buy(ledger, pair, "question", b"q")
        buy(ledger, pair, "answer", b"a")
        other = ledger.reserve("s1", 0, 0, cost(100), kind="judge")
        assert other is not None
        buy(ledger, other, "judge", b"j")
        unpriced = reserved(ledger, "s2", 300)
        call = ledger.charge_call(unpriced, "question", b"u", cost(50))
        assert call is not None
        ledger.answer(call, "body", Usage(20, 10), 0.5, UNKNOWN_PRICE)
    return folder


def test_a_row_costs_what_its_own_calls_did(priced_run: Path) -> None:
    """30 tokens a call at 7 picodollars. A judge's call for the seed is not the row's."""
    costs = read_row_costs(read_exported_run(priced_run))
    assert costs == {
        ("s1", 0): RowCost(60, 60 * 7e-12),
        ("s2", 0): RowCost(30, None),
    }


def test_an_arm_of_a_comparison_has_its_costs_in_the_shared_ledger(
    priced_run: Path,
) -> None:
    alone = read_row_costs(read_exported_run(priced_run))
    shared = priced_run.parents[1] / "ledger.sqlite"
    (priced_run / "ledger.sqlite").rename(shared)
    with sqlite3.connect(shared) as db:
        db.execute("UPDATE arms SET arm = 'loss'")
    db.close()
    assert read_row_costs(read_exported_run(priced_run)) == alone
