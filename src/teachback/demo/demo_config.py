"""The config that `teachback demo` runs."""

from pathlib import Path

from ..config.config import Config
from ..config.reading import read_config, read_tree

DEMO_FILE = Path(__file__).with_name("demo.yaml")
# By dotted name: what --quick changes.
QUICK_FILE = DEMO_FILE.with_name("quick.yaml")


def read_demo_config(*, quick: bool = False, run_dir: Path | None = None) -> Config:
    """run_dir: by default runs/demo, or runs/demo-quick, below the current folder."""
    if not quick:
        return read_config(DEMO_FILE, run_dir=run_dir)
    changes = read_tree(QUICK_FILE)
    return read_config(DEMO_FILE, changes, run_dir or Path("runs", "demo-quick"))
