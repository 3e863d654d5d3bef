"""Carry-over: do the rows ask as much of the student as the seeds they came from?"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..types import CarryOver
from .charts import ScatterChart, draw_scatter_chart
from .sources import PageSources


@dataclass(frozen=True)
class TransferRow:
    name: str
    n: int
    seed_median: str
    row_median: str
    rho: str
    score_rho: str


@dataclass(frozen=True)
class Transfers:
    chart: ScatterChart
    rows: tuple[TransferRow, ...]


def collect_transfers(sources: PageSources) -> Transfers | None:
    """None where no row was accepted."""
    transfers = [done.transfer for done in sources.status.history.rounds]
    title = "loss of each row against its seed's, by the same student"
    chart = draw_losses(title, transfers)
    if chart is None:
        return None
    return Transfers(chart, tuple(list_transfers(transfers)))


def draw_losses(title: str, transfers: Sequence[CarryOver]) -> ScatterChart | None:
    """None where no row was accepted."""
    losses = [
        (pair.seed_loss, pair.row_loss)
        for transfer in transfers
        for pair in transfer.pairs
    ]
    if not losses:
        return None
    n_above = sum(row > seed for seed, row in losses)
    return draw_scatter_chart(
        title,
        f"{len(losses)} rows, {n_above} of them harder for the student than their seed",
        ("loss of the seed", "loss of the row"),
        losses,
        has_diagonal=True,
    )


def list_transfers(transfers: list[CarryOver]) -> Iterator[TransferRow]:
    for r, transfer in enumerate(transfers):
        yield TransferRow(
            f"round {r}",
            len(transfer.pairs),
            format_number(transfer.seed_median, ".3f"),
            format_number(transfer.row_median, ".3f"),
            format_number(transfer.row_rho, "+.2f"),
            format_number(transfer.row_score_rho, "+.2f"),
        )


def format_number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
