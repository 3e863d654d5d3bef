"""What the browser shows that the steps of a run don't hold: whoever opens the run reads it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...ledger.costs import PairReply
from ...types import Example


def read_unchanged(body: str) -> str:
    return body


class RowSources(NamedTuple):
    """The pool of seeds, and what was bought. Without them the browser shows less, and says so."""

    seeds: Sequence[Example] = ()  # with their questions; a run keeps their ids alone
    replies: Sequence[PairReply] = ()  # of all seeds, as the ledger gives them
    # read_text(body): what the model wrote
    read_text: Callable[[str], str] = read_unchanged
    notes: tuple[str, ...] = ()  # such as why there are no seeds
