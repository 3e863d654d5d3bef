"""The config: one typed tree, read from YAML, changed by --set a.b=c. Unknown keys are refused with the nearest name.

A config is data at the edge: nothing below the wiring sees one. Paths are relative to the YAML file (run_dir: to the
current folder); $NAME in a path is taken from the environment.
"""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from ..criteria import CRITERIA
from ..criteria.candidates import CandidateLimit, ReuseSeeds
from ..criteria.criterion import CriterionSettings
from ..criteria.judge import MarkingJudgeSettings
from ..criteria.lion import LionSettings
from ..criteria.rules import RuleSettings
from ..endpoints.settings import EndpointSettings
from ..errors import ConfigError
from ..ledger.settings import BudgetSettings, PriceSettings
from ..tasks.table_settings import TableSettings
from ..teachers import OpenAITeacherSettings, ProgramTeacherSettings
from ..teachers.registered import VerifierSettings
from .sections import (
    Count,
    FinetuneConfig,
    Judge,
    MachineConfig,
    Section,
    StudentConfig,
)
from .sections_by_name import (
    CRITERION_SETTINGS,
    RULE_SETTINGS,
    TASK_SETTINGS,
    TEACHER_SETTINGS,
    FoundByName,
    expand_short_form,
)
from .values import changed, dig, located, merged, named, put

__all__ = [
    "Config",
    "FinetuneConfig",
    "Judge",
    "MachineConfig",
    "Section",
    "StudentConfig",
    "identity",
    "make",
    "of_run",
    "read",
    "settings",
]


CriterionConfig = Annotated[
    CriterionSettings,
    FoundByName(CRITERION_SETTINGS),
    BeforeValidator(expand_short_form),
]
RuleConfig = Annotated[
    RuleSettings, FoundByName(RULE_SETTINGS), BeforeValidator(expand_short_form)
]

ARM = (
    "criterion",
    "rule",
    "candidates",
    "per_round",
    "rounds",
    "reuse_seeds",
    "finetune",
)  # what an arm may change


class Config(Section):
    task: Annotated[Any, FoundByName(TASK_SETTINGS)]
    student: StudentConfig = StudentConfig()
    teacher: Annotated[Any, FoundByName(TEACHER_SETTINGS)] = ProgramTeacherSettings()
    verifier: VerifierSettings | None = None
    judge: Judge | None = None
    prices: dict[str, PriceSettings] = Field(
        default_factory=dict
    )  # by the model's name
    criterion: CriterionConfig = CriterionSettings(name="loss")
    primary: str = "loss"  # of a comparison: the arm whose difference from random is tested alone; the others together
    arms: dict[str, dict[str, JsonValue]] = Field(
        default_factory=dict
    )  # of a comparison, with settings of their own
    rule: RuleConfig | None = (
        None  # None: top, where the criterion is a score; a chooser has none
    )
    candidates: CandidateLimit = None  # seeds that a criterion is asked of a round: 10x (per_round), a number, or all
    per_round: Count = 32  # m: seeds selected a round
    rounds: Count | None = None  # None: until the budget is spent
    reuse_seeds: ReuseSeeds = "evenly"  # may a seed be selected in more than one round?
    rows: Path | None = None  # rows one already has: question, and answer or solution
    include_seeds: bool = False  # also train on the seeds' own solutions
    finetune: FinetuneConfig = FinetuneConfig()
    budget: BudgetSettings = BudgetSettings()
    seed: int = 0
    repeat: Annotated[int, Field(ge=0)] = 0
    keep: Literal["last", "best", "all"] = "last"
    run_dir: Path = Path("runs/run")
    machine: MachineConfig = MachineConfig()

    @field_validator("arms")
    @classmethod
    def _arms(
        cls, arms: dict[str, dict[str, JsonValue]]
    ) -> dict[str, dict[str, JsonValue]]:
        for arm, changes in arms.items():
            if not re.fullmatch(r"\w[\w.+-]*", arm):
                raise ValueError(
                    f"{arm!r} is a folder's name too: letters, digits and . _ + - are allowed"
                )
            if unknown := [name for name in changes if name.split(".")[0] not in ARM]:
                raise ValueError(
                    f"{arm} changes {', '.join(unknown)}; an arm may change {', '.join(ARM)}"
                )
        return arms

    @model_validator(mode="after")
    def _ends(self) -> "Config":
        if (
            self.rounds is None
            and self.budget.model_copy(update={"total": None}) == BudgetSettings()
        ):
            limits = ", ".join(
                name for name in BudgetSettings.model_fields if name != "total"
            )
            raise ValueError(
                f"nothing ends this run: set rounds, or one of budget: {limits}"
            )
        return self

    @model_validator(mode="after")
    def _judge(self) -> "Config":
        judged = isinstance(self.task, TableSettings) and self.task.grader == "judge"
        if judged != (self.judge is not None):
            raise ValueError(
                "task.grader: judge and the section judge (base_url, model) belong together"
            )
        return self

    @model_validator(mode="after")
    def _choosing(self) -> "Config":
        if isinstance(self.criterion, LionSettings) and not isinstance(
            self.teacher, OpenAITeacherSettings
        ):
            raise ValueError(
                "criterion lion compares the student with teacher.name: openai"
            )
        return self

    @model_validator(mode="after")
    def _check_members(self) -> "Config":
        """The criteria that a criterion is made of, such as those of a mixture."""
        scores_only = self.criterion.name == "facility"
        allowed = [
            name
            for name, criterion in CRITERIA.items()
            if criterion.can_be_member
            and (criterion.kind == "score" or not scores_only)
        ]
        for name in self.criterion.uses():
            if name not in allowed:
                raise ValueError(
                    f"criterion {self.criterion.name} can't use {name!r} "
                    f"(allowed: {', '.join(allowed)})"
                )
        return self

    @model_validator(mode="after")
    def _money(self) -> "Config":
        """A limit that can't be held is refused, and a price without a limit."""
        roles = self.roles()
        if self.verifier and not isinstance(self.teacher, OpenAITeacherSettings):
            raise ValueError(
                "verifier: only drafts of teacher.name: openai are verified by a second model"
            )
        for limit, needed in (("usd", ("input", "output")), ("flops", ("parameters",))):
            if getattr(self.budget, limit) is None:
                continue
            if not roles:
                raise ValueError(
                    f"budget.{limit}: the {self.teacher.name} teacher costs none; use generated or accepted"
                )
            for role, endpoint in roles.items():
                known = self.prices.get(endpoint.model)
                if missing := [
                    name
                    for name in needed
                    if known is None or getattr(known, name) is None
                ]:
                    where = f"prices.{endpoint.model}"
                    raise ValueError(
                        f"budget.{limit} needs {', '.join(missing)} of the {role}'s model: add {where}"
                    )
        if (
            self.priced()
            and self.budget.model_dump(exclude={"accepted"}, exclude_none=True) == {}
        ):
            limits = "generated, teacher_tokens, usd or flops"
            raise ValueError(
                f"the {' and '.join(self.priced())} costs money and no budget limits it: set budget.{limits}"
            )
        return self

    def roles(self) -> dict[str, EndpointSettings]:
        """The endpoints that are asked, by role."""
        teacher = (
            {"teacher": self.teacher}
            if isinstance(self.teacher, OpenAITeacherSettings)
            else {}
        )
        asked = (
            self.criterion
            if isinstance(self.criterion, MarkingJudgeSettings | LionSettings)
            else None
        )
        others = {"verifier": self.verifier, "judge": self.judge, "criterion": asked}
        return {
            **teacher,
            **{role: endpoint for role, endpoint in others.items() if endpoint},
        }

    def priced(self) -> list[str]:
        """The roles that cost money, as far as `prices` says."""
        prices = {
            role: self.prices.get(endpoint.model)
            for role, endpoint in self.roles().items()
        }
        return [
            role
            for role, price in prices.items()
            if price and (price.input or price.output)
        ]


# Not part of what is computed (R3): how long, how much, where, and by which road.
ROADS = (
    "base_url", "key_env", "in_flight", "requests_per_minute", "tokens_per_minute", "tries", "deadline_s", "patience_s",
    "template_tokens",
)  # fmt: skip
FREE = (
    "rounds",
    "budget",
    "arms",
    "keep",
    "run_dir",
    "machine",
    "prices",
    *(
        f"{role}.{name}"
        for role in ("teacher", "verifier", "judge", "criterion")
        for name in ROADS
    ),
    *(
        f"student.{name}"
        for name in ("serve", "base_url", "served_model", *ROADS, "ready_s")
    ),
)


def identity(config: Config) -> dict[str, object]:
    """What makes two runs the same run: the config without what may differ from start to start."""
    tree = config.model_dump(mode="json")
    for name in FREE:
        *path, last = name.split(".")
        branch = dig(tree, ".".join(path)) if path else tree
        if isinstance(branch, dict):
            branch.pop(last, None)
    if (
        config.student.served
    ):  # where is a road; that it isn't this process's own model is not
        tree = put(tree, ["student", "served"], True)
    return tree


def settings(config: Config) -> dict[str, object]:
    """The rest of the config: what may differ from start to start."""
    tree = config.model_dump(mode="json")
    out: dict[str, Any] = {}
    for name in FREE:
        section, _, last = name.rpartition(".")
        branch = dig(tree, section) if section else tree
        if name != "run_dir" and isinstance(branch, dict) and last in branch:
            out = put(out, name.split("."), branch[last])
    return out


def of_run(folder: Path) -> Config:
    """The config of a run, from its directory. Raises ConfigError when there is no run."""
    try:
        fixed, free = (
            json.loads((folder / name).read_bytes())
            for name in ("config.json", "settings.json")
        )
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no run in {folder}: {error}",
            fix="give the directory of a run, such as runs/demo",
        ) from error
    for section, values in free.items():
        fixed[section] = (
            {**fixed.get(section, {}), **values} if isinstance(values, dict) else values
        )
    fixed["student"].pop("served", None)
    return make({**fixed, "run_dir": str(folder.absolute())})


def read(
    path: Path, changes: Sequence[str] = (), run_dir: Path | None = None
) -> Config:
    """A config from a YAML file with --set changes applied. Raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the config {path} can't be read: {error}",
            fix="give the path of a YAML file, such as recipes/demo.yaml",
        ) from error
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is no YAML: {error}") from error
    if not isinstance(tree, dict):
        raise ConfigError(
            f"{path} holds no config",
            got=type(tree).__name__,
            allowed="keys and values, such as task: and student:",
        )
    for change in changes:
        tree = changed(tree, change)
    if run_dir is not None:
        tree = {**tree, "run_dir": str(run_dir.absolute())}
    elif "run_dir" not in tree:
        tree["run_dir"] = str(Path("runs", path.stem).absolute())
    return make(tree, base=path.parent)


def make(tree: Mapping[str, Any], base: Path = Path()) -> Config:
    """A checked Config from plain data. Relative paths are taken from `base`."""
    try:
        return Config.model_validate(located(named(dict(tree)), base))
    except ValidationError as error:
        raise ConfigError(
            "\n".join(
                [
                    "the config is not valid",
                    *(f"  {explain(e)}" for e in error.errors()[:8]),
                ]
            )
        ) from error


def of_arm(config: Config, arm: str) -> Config:
    """The config of an arm of a comparison: with what `arms` says of it; the config's own criterion, if that has its
    name; else the criterion of that name, with its defaults. Raises ConfigError."""
    changes = config.arms.get(
        arm, {} if config.criterion.name == arm else {"criterion": arm}
    )
    tree: dict[str, Any] = config.model_dump(mode="json", exclude={"arms"})
    for name, value in changes.items():
        tree = merged(tree, name.split("."), value)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(
            "\n".join(
                [
                    f"no such arm: {arm}",
                    *(f"  {explain(e)}" for e in error.errors()[:8]),
                ]
            ),
            fix="--arms random,loss; settings of its own go into the config: arms: {mine: {criterion: …}}",
        ) from error


KINDS_BY_SECTION: Mapping[str, Mapping[str, type[Section]]] = {
    "task": TASK_SETTINGS,
    "criterion": CRITERION_SETTINGS,
    "rule": RULE_SETTINGS,
    "teacher": TEACHER_SETTINGS,
}


def explain(error: Any) -> str:
    """One of pydantic's complaints, with the value and, for an unknown key, the nearest name."""
    loc = error["loc"]
    keys = [str(key) for key in loc]
    if keys and keys[0] in KINDS_BY_SECTION and len(keys) > 1:
        del keys[1]  # the kind's name, which pydantic puts behind the section's
    where = ".".join(keys) or "config"

    if error["type"] == "extra_forbidden":
        names = allowed_names(loc)
        return f"unknown key {where}{did_you_mean(keys[-1], names)}"
    if error["type"] == "union_tag_invalid":
        names = re.findall(r"'([^']+)'", error["ctx"]["expected_tags"])
        got = error["ctx"]["tag"]
        return f"{where}: no {got!r}{did_you_mean(got, names)}"
    if error["type"] == "missing":
        return f"{where} is missing"

    message = error["msg"].removeprefix("Value error, ")
    is_section = isinstance(error["input"], dict | Section)
    return f"{where}: {message}" + ("" if is_section else f" (got {error['input']!r})")


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """The nearest of the allowed names, and all of them."""
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{hint}  (allowed: {', '.join(names)})"


def allowed_names(loc: Sequence[object]) -> list[str]:
    """The keys of the section that holds the last key of a path."""
    section: type[Section] = Config
    path = list(loc[:-1])
    if path and path[0] in KINDS_BY_SECTION:
        section = KINDS_BY_SECTION[str(path[0])][str(path[1])]
        path = path[2:]
    for key in path:
        if isinstance(key, str) and key in section.model_fields:
            section = section_of(section.model_fields[key].annotation) or section
    return sorted(section.model_fields)


def section_of(annotation: Any) -> type[Section] | None:
    """The section inside an annotation such as `Judge | None` or `dict[str, PriceSettings]`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    inner = (section_of(one) for one in get_args(annotation))
    return next((section for section in inner if section), None)
