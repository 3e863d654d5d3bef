"""The runs of a comparison: in each repeat its base, and one for each arm.

Each of them can be resumed by itself. places.py says where they lie.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..build.criterion import make_criterion
from ..config.config import Config
from ..config.reading import make_arm_config
from ..errors import ConfigError
from ..rng import draw
from .places import BASE_ARM, RunPlace
from .summarise import DEFAULT_REFERENCE

# Draw groups of independent arms begin here. Those below are the numbers of repeats.
FIRST_OWN_DRAW_GROUP = 2**40


@dataclass(frozen=True)
class Unit:
    """One run of a comparison, ready to start."""

    config: Config  # with the arm's settings, the repeat and the run's folder
    place: RunPlace
    is_parallel: bool  # other units of this comparison may run at the same time
    draw_group: int  # units of one group reuse each other's answers from the ledger
    # Keys of `finetune` that are auto in the base: what they become there holds for every unit
    chosen_by_base: tuple[str, ...] = ()

    @property
    def arm(self) -> str:
        return self.place.arm

    @property
    def name(self) -> str:
        return self.place.name

    @property
    def folder(self) -> Path:
        return self.place.folder

    @property
    def source_folder(self) -> Path | None:
        """The folder of the unit that has to finish first."""
        source = self.place.source
        return source.folder if source else None


def list_arms(settings: Config, arms: str | Sequence[str] | None) -> list[str]:
    """arms: their names, as a list or with commas; None: random, and the config's or else loss."""
    names = arms.split(",") if isinstance(arms, str) else arms
    if not names:
        names = [DEFAULT_REFERENCE, *(settings.arms or ["loss"])]
    return [name.strip() for name in names]


def make_units(
    settings: Config,
    arms: Sequence[str],
    repeats: int,
    *,
    is_parallel: bool = False,
    independent: bool = False,
) -> list[Unit]:
    """Every arm of the first repeat, then of the second, and so on.

    Raises ConfigError for arms that don't exist.
    """
    has_duplicates = len(set(arms)) != len(arms)
    uses_base_name = BASE_ARM in {*arms, *settings.arms}
    if has_duplicates or len(arms) < 2 or uses_base_name:
        raise ConfigError(
            "a comparison takes two arms or more, each once",
            got=", ".join(arms),
            allowed="as in --arms random,loss",
        )
    # Also arms that are not compared, so that a mistake in any of them is refused
    arm_settings = {
        arm: make_arm_config(settings, arm) for arm in {*arms, *settings.arms}
    }
    chosen_by_base = make_base_settings(settings).finetune.open_keys
    return [
        make_unit(
            arm_settings[arm],
            arm,
            repeat,
            is_parallel=is_parallel,
            independent=independent,
            has_own_rule=changes_rule(settings, arm),
            chosen_by_base=chosen_by_base,
        )
        for repeat in range(repeats)
        for arm in arms
    ]


def changes_rule(settings: Config, arm: str) -> bool:
    """Whether the arm itself changes the rule."""
    changes = settings.arms.get(arm, {})
    return any(name.split(".")[0] == "rule" for name in changes)


def make_unit(
    arm_settings: Config,
    arm: str,
    repeat: int,
    *,
    is_parallel: bool = False,
    independent: bool = False,
    has_own_rule: bool = False,
    chosen_by_base: tuple[str, ...] = (),
) -> Unit:
    """independent: the arm has its own draws and training order, and buys everything itself.

    has_own_rule: the arm sets the rule, which is an error if its criterion picks the seeds
    itself. A rule that all arms share is left out there.
    """
    place = RunPlace(arm_settings.run_dir, arm, repeat)
    gives_scores = make_criterion(arm_settings.criterion, Path.cwd()).gives_scores
    changes = {
        "rule": arm_settings.rule if gives_scores or has_own_rule else None,
        "repeat": repeat,
        "run_dir": place.folder,
    }
    draw_group = repeat
    if independent:
        random = draw(arm_settings.seed, repeat, "arm", arm, 0)
        changes["seed"] = random.getrandbits(31)
        draw_group = FIRST_OWN_DRAW_GROUP + random.getrandbits(40)
    config = arm_settings.model_copy(update=changes)
    return Unit(config, place, is_parallel, draw_group, chosen_by_base)


def make_base_unit(settings: Config, repeat: int, is_parallel: bool) -> Unit:
    base_settings = make_base_settings(settings)
    return make_unit(
        base_settings,
        BASE_ARM,
        repeat,
        is_parallel=is_parallel,
        chosen_by_base=base_settings.finetune.open_keys,
    )


def make_base_settings(settings: Config) -> Config:
    # Any criterion would do: the base stops before a criterion is used
    return make_arm_config(settings, "random")
