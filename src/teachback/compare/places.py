"""Where the runs of a comparison lie.

comparison/ledger.sqlite       of all arms: a pair that several arms of a repeat need is
                               bought once, and charged to each of them
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
        """The run that this one copies from, and that has to finish first.

        An arm copies from the base of its repeat. A base copies from the first base.
        """
        if not self.is_base:
            return RunPlace(self.root, BASE_ARM, self.repeat)
        if self.repeat == 0:
            return None
        return RunPlace(self.root, BASE_ARM, 0)
