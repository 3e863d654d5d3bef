"""What the cards tell of a run, each number read once from its files."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ...config.config import Config
from ...endpoints.settings import EndpointSettings
from ...errors import ConfigError, TeachbackError
from ...ledger.costs import Budget, RoleSpend, Spend
from ...report.diagnosis.diagnose import read_diagnosis
from ...report.diagnosis.diagnosis import Diagnosis
from ...report.diagnosis.evidence import RunEvidence, read_evidence
from ...report.row_yield import count_reasons
from ...run.digests import read_verified
from ...run.history import read_step
from ...student.folder import SMOLLM2, is_hub_name
from ...tasks.gsm8k import GSM8K_ON_HUB
from ...tasks.math import MATH_ON_HUB
from ...teachers.pool_teacher import PoolTeacherSettings
from ...types import Report, Round, Task
from ..exported_run import ExportedRun
from ..row_costs import open_exported_ledger

# The packaged student on the Hub.
SMOLLM2_ON_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"


@dataclass(frozen=True)
class RecordedInputs:
    """What inputs.json keeps of a run's first start."""

    n_seeds: int
    n_dev: int
    n_test: int
    student: str  # which weights: ORGANISATION/NAME@COMMIT, or a hash of local ones
    precision: str
    today: str | None  # the day that the student's prompts name
    versions: Mapping[str, str]


@dataclass(frozen=True)
class RunCosts:
    spend: Spend
    committed: Budget
    roles: Sequence[RoleSpend]


@dataclass(frozen=True)
class CardFacts:
    """One run, for one card."""

    run: ExportedRun
    name: str  # of the card
    place: str  # from where rows or student are loaded

    @property
    def config(self) -> Config:
        return self.run.config

    @property
    def rounds(self) -> tuple[Round, ...]:
        return self.run.history.rounds

    @property
    def diagnosis(self) -> Diagnosis | None:
        return read_diagnosis(self.run.folder, self.run.history)

    @cached_property
    def inputs(self) -> RecordedInputs:
        return read_recorded_inputs(self.run.folder)

    @cached_property
    def evidence(self) -> RunEvidence:
        """Raises ConfigError for a run without a finished round."""
        baseline = self.run.history.baseline
        if baseline is None or not self.rounds:
            raise ConfigError(
                f"the run in {self.run.folder} has nothing to write a card of",
                got="no finished round",
                fix="finish a round first",
            )
        return read_evidence(self.run.folder, baseline, self.rounds)

    @cached_property
    def costs(self) -> RunCosts:
        with open_exported_ledger(self.run) as ledger:
            return RunCosts(
                ledger.spend(), ledger.amount_committed(), ledger.costs_by_role()
            )

    @cached_property
    def task(self) -> Task | None:
        """None: the data or the function that it is made from can't be read here."""
        try:
            return self.run.task
        except TeachbackError:
            return None

    @property
    def n_verified(self) -> int:
        bought = sum(row.verified for done in self.rounds for row in done.fresh.rows)
        return bought + sum(row.verified for row in self.run.given_rows)

    @property
    def refusals(self) -> Counter[str]:
        """By category of the reason."""
        return count_reasons(
            rejection for done in self.rounds for rejection in done.fresh.rejected
        )

    @property
    def n_warnings(self) -> int:
        return sum(len(done.fresh.warnings) for done in self.rounds)

    @cached_property
    def test_reports(self) -> tuple[Report | None, Report | None]:
        """Of the untuned student and of the run's; None: it was not asked test questions."""
        after = self.evidence.after
        r = next(r for r, done in enumerate(self.rounds) if done.report == after)
        folder = self.run.folder
        return (
            read_step(folder / "round-00", "test-baseline"),
            read_step(folder / f"round-{r:02d}", "test"),
        )

    @property
    def base_model(self) -> str | None:
        """The untuned student on the Hub; None: it was a local folder."""
        identity = self.inputs.student
        if identity.startswith(SMOLLM2):
            return SMOLLM2_ON_HUB
        name, _, _ = identity.rpartition("@")
        return name if is_hub_name(name) else None

    @property
    def base_words(self) -> str:
        base = self.base_model
        # The package holds it in 4 bits.
        is_packaged = self.inputs.student.startswith(SMOLLM2)
        words = f"{base}, from 4-bit weights" if is_packaged else base
        return words or "a local model"

    @property
    def hub_dataset(self) -> str | None:
        """The data set on the Hub that the seeds are from."""
        task = self.config.task
        if task.name == "hub":
            return task.dataset if is_hub_name(task.dataset) else None
        if getattr(task, "path", None) is not None:
            return None
        known = {"gsm8k": GSM8K_ON_HUB[0], "math": MATH_ON_HUB["math_train"][0]}
        return known.get(task.name)

    @property
    def models(self) -> tuple[str, ...]:
        """That wrote or checked rows. Their providers may have terms."""
        roles = self.config.endpoints_by_role()
        return tuple(dict.fromkeys(settings.model for settings in roles.values()))


def read_recorded_inputs(folder: Path) -> RecordedInputs:
    kept = json.loads(read_verified(folder / "inputs.json"))
    # Such as "16 rows, sha256 8e08…".
    sizes = {name: int(kept[name].split()[0]) for name in ("seeds", "dev", "test")}
    return RecordedInputs(
        n_seeds=sizes["seeds"],
        n_dev=sizes["dev"],
        n_test=sizes["test"],
        student=kept["student"],
        precision=kept["precision"],
        today=kept.get("today"),
        versions=kept["versions"],
    )


def describe_teacher(config: Config) -> str:
    """Where the rows come from."""
    teacher = config.teacher
    if isinstance(teacher, EndpointSettings):
        return f"the model {teacher.model}"
    if isinstance(teacher, PoolTeacherSettings):
        return f"{teacher.rows.name}, which was there before"
    return "the task's own program"
