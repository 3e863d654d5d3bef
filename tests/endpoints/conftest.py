"""Fixtures of the tests that ask a real server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from teachback.endpoints.retries import RetryPolicy
from teachback.ledger.ledger import Ledger
from teachback.teachers import client


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RETRIES", RetryPolicy(backoff_s=0.005))


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own are not tested."""
    for name in [*os.environ]:
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as ledger:
        yield ledger
