"""The config: one typed tree of settings, with what belongs together checked."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from ..criteria import CRITERIA
from ..criteria.candidates import CandidateLimit, ReuseSeeds
from ..criteria.criterion import CriterionSettings
from ..criteria.rules import RuleSettings
from ..endpoints.settings import EndpointSettings
from ..ledger.settings import BudgetSettings, PriceSettings
from ..student.settings import MachineSettings, StudentSettings
from ..student.training.recipe import FinetuneSettings
from ..tasks.table_settings import TableSettings
from ..teachers.judge_grades import GradingJudgeSettings
from ..teachers.openai_teacher import OpenAITeacherSettings
from ..teachers.program_teacher import ProgramTeacherSettings
from ..teachers.registered import VerifierSettings
from ..trackers.settings import TrackerNames
from ..types import PositiveInt, Settings
from .about import AboutSettings
from .sections_by_name import FoundByName, expand_short_form

# What an arm of a comparison may change.
ARM_KEYS = (
    "criterion",
    "rule",
    "candidates",
    "per_round",
    "rounds",
    "reuse_seeds",
    "finetune",
)

NamedCriterion = Annotated[
    CriterionSettings, FoundByName("criterion"), BeforeValidator(expand_short_form)
]
NamedRule = Annotated[
    RuleSettings, FoundByName("rule"), BeforeValidator(expand_short_form)
]


class Config(Settings):
    """Everything that can be set of a run."""

    task: Annotated[Any, FoundByName("task")]
    student: StudentSettings = StudentSettings()
    teacher: Annotated[Any, FoundByName("teacher")] = ProgramTeacherSettings()
    verifier: VerifierSettings | None = None
    judge: GradingJudgeSettings | None = None
    # By the model's name.
    prices: dict[str, PriceSettings] = {}
    criterion: NamedCriterion = CriterionSettings(name="loss")
    # Of a comparison: the arm whose difference from random is tested alone. The others are
    # tested together.
    primary: str = "loss"
    # Of a comparison: arms with settings of their own.
    arms: dict[str, dict[str, JsonValue]] = {}
    # null: top, where the criterion is a score. A chooser has no rule.
    rule: NamedRule | None = None
    # Seeds that a criterion scores each round: a number, a multiple of per_round (10x), or all.
    candidates: CandidateLimit = None
    # m: seeds selected a round.
    per_round: PositiveInt = 32
    # null: until the budget is spent.
    rounds: PositiveInt | None = None
    # Whether a seed may be selected in more than one round.
    reuse_seeds: ReuseSeeds = "evenly"
    # Rows that you already have: question, and answer or solution.
    rows: Path | None = None
    # Whether the student is also trained on the seeds' own solutions.
    include_seeds: bool = False
    finetune: FinetuneSettings = FinetuneSettings()
    budget: BudgetSettings = BudgetSettings()
    seed: int = 0
    # Of a comparison.
    repeat: Annotated[int, Field(ge=0)] = 0
    keep: Literal["last", "best", "all"] = "last"
    # Trackers that hear of each round: trackio, wandb, mlflow, tensorboard, or a function of yours.
    track: TrackerNames = []
    run_dir: Path = Path("runs/run")
    machine: MachineSettings = MachineSettings()
    about: AboutSettings = AboutSettings()

    @field_validator("arms")
    @classmethod
    def _check_arms(
        cls, arms: dict[str, dict[str, JsonValue]]
    ) -> dict[str, dict[str, JsonValue]]:
        for arm, changes in arms.items():
            if not re.fullmatch(r"\w[\w.+-]*", arm):
                raise ValueError(
                    f"{arm!r} is a folder's name too: "
                    "letters, digits and . _ + - are allowed"
                )
            fixed = [name for name in changes if name.split(".")[0] not in ARM_KEYS]
            if fixed:
                raise ValueError(
                    f"{arm} changes {', '.join(fixed)}; "
                    f"an arm may change {', '.join(ARM_KEYS)}"
                )
        return arms

    @model_validator(mode="after")
    def _check_end(self) -> "Config":
        if self.rounds is None and not self.budget.limits():
            names = ["generated", "accepted", "teacher_tokens", "usd", "flops"]
            raise ValueError(
                "nothing ends this run: "
                f"set rounds, or one of budget: {', '.join(names)}"
            )
        return self

    @model_validator(mode="after")
    def _check_grading_judge(self) -> "Config":
        wants_judge = (
            isinstance(self.task, TableSettings) and self.task.grader == "judge"
        )
        if wants_judge != (self.judge is not None):
            raise ValueError(
                "task.grader: judge and the section judge (base_url, model) "
                "belong together"
            )
        return self

    @model_validator(mode="after")
    def _check_criterion(self) -> "Config":
        name = self.criterion.name
        has_teacher = isinstance(self.teacher, OpenAITeacherSettings)
        if self.criterion.asks_teacher and not has_teacher:
            raise ValueError(
                f"criterion {name} compares the student with teacher.name: openai"
            )

        # The criteria that it is made of, such as those of a mixture.
        scores_only = name == "facility"
        allowed = [
            other
            for other, criterion in CRITERIA.items()
            if criterion.can_be_member
            and (criterion.kind == "score" or not scores_only)
        ]
        for other in self.criterion.member_names():
            if other not in allowed:
                raise ValueError(
                    f"criterion {name} can't use {other!r} "
                    f"(allowed: {', '.join(allowed)})"
                )
        return self

    @model_validator(mode="after")
    def _check_money(self) -> "Config":
        """Refuse a limit that can't be held, and a price without a limit."""
        if self.verifier and not isinstance(self.teacher, OpenAITeacherSettings):
            raise ValueError(
                "verifier: only drafts of teacher.name: openai "
                "are verified by a second model"
            )
        if self.budget.usd is not None:
            self._check_prices("usd", ("input", "output"))
        if self.budget.flops is not None:
            self._check_prices("flops", ("parameters",))

        priced = self.priced_roles()
        limits = self.budget.limits().keys() - {"accepted"}
        if priced and not limits and self.budget.total is None:
            raise ValueError(
                f"the {' and '.join(priced)} costs money and no budget limits it: "
                "set budget.generated, teacher_tokens, usd or flops"
            )
        return self

    def _check_prices(self, limit: str, needed: tuple[str, ...]) -> None:
        """Raises ValueError where the price of a model lacks what the limit is counted in."""
        endpoints = self.endpoints_by_role()
        if not endpoints:
            raise ValueError(
                f"budget.{limit}: the {self.teacher.name} teacher costs none; "
                "use generated or accepted"
            )
        for role, endpoint in endpoints.items():
            price = self.prices.get(endpoint.model)
            missing = [name for name in needed if getattr(price, name, None) is None]
            if missing:
                raise ValueError(
                    f"budget.{limit} needs {', '.join(missing)} of the {role}'s model: "
                    f"add prices.{endpoint.model}"
                )

    def endpoints_by_role(self) -> dict[str, EndpointSettings]:
        """The endpoints that the run asks."""
        roles = {
            "teacher": self.teacher,
            "verifier": self.verifier,
            "judge": self.judge,
            "criterion": self.criterion,
        }
        return {
            role: section
            for role, section in roles.items()
            if isinstance(section, EndpointSettings)
        }

    def priced_roles(self) -> list[str]:
        """The roles that cost money, as far as `prices` says."""
        priced = []
        for role, endpoint in self.endpoints_by_role().items():
            price = self.prices.get(endpoint.model)
            if price and (price.input or price.output):
                priced.append(role)
        return priced
