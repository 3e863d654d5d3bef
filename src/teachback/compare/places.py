"""Where the runs of a comparison lie.

comparison/ledger.sqlite       of all arms: the n-th row of a seed is bought once a repeat,
                               and each arm pays for it
comparison/repeat-0/base/…     the untuned student's answers, made once
comparison/repeat-0/loss/…     an ordinary run's directory
"""

from dataclasses import dataclass
from pathlib import Path

BASE_ARM = "base"  # the run that the arms of a repeat share


@dataclass(frozen=True)
class RunPlace:
    """One arm in one repeat."""

    root: Path  # the comparison's folder
    arm: str
    repeat: int

    @property
    def folder(self) -> Path:
        return self.root / f"repeat-{self.repeat}" / self.arm

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.sqlite"

    @property
    def name(self) -> str:
        return f"repeat {self.repeat}, {self.arm}"

    @property
    def is_base(self) -> bool:
        return self.arm == BASE_ARM

    @property
    def source(self) -> "RunPlace | None":
        """The run that has to be finished first, because this one copies from it.

        An arm copies from its repeat's base, a base from the first one.
        """
        if not self.is_base:
            return RunPlace(self.root, BASE_ARM, self.repeat)
        return RunPlace(self.root, BASE_ARM, 0) if self.repeat else None
