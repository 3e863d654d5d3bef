"""Shared fixtures. Everything runs offline; a test that needs the real data files skips without them."""

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from teachback.ledger.ledger import Ledger

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = (
    "1"  # before torch is loaded: the models here are small, and threads wait by spinning
)
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


FIRST = [
    *(
        "test_crash.py",
        "test_faults.py",
        "test_ledger_kills.py",
    ),  # they fork a hundred times: before torch is loaded
    *(
        "test_smollm2.py",
        "test_compare_arms.py",
        "test_finetune_machine.py",
        "test_run_tiny.py",
        "test_cli.py",
    ),
]  # and the longest, so that no worker is left alone with one of them at the end


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: (
            FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST)
        )
    )


@pytest.fixture(autouse=True, scope="module")
def loaded_modules_stay() -> None:
    """Each finetuning asks for a collection: half a second, if torch and transformers are looked through every time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data() -> Path:
    folder = Path(
        os.environ.get("TEACHBACK_DATA", Path(__file__).parents[1] / "../shared/data")
    ).resolve()
    if not folder.is_dir():
        pytest.skip(f"no real data files in {folder} (set TEACHBACK_DATA)")
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of a few thousand parameters, made on the spot."""
    from teachback.testing import tiny_student

    student = tiny_student(tmp_path_factory.mktemp("students") / "tiny")
    gc.freeze()
    return student


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def start(path: Path) -> Iterator["Callable[..., Ledger]"]:
    """Opens the test's ledger, as often as asked, and closes what it opened."""
    from teachback.ledger.ledger import Ledger

    opened: list[Ledger] = []

    def start(**given: Any) -> Ledger:
        opened.append(Ledger(path, **given))
        return opened[-1]

    yield start
    for ledger in opened:
        ledger.close()
