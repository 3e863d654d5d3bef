"""Which modules of the extras a config needs."""

from ..errors import require_modules
from ..graders import GRADERS
from ..student.folder import SMOLLM2, SMOLLM2_MODULES
from ..student.model_files import STUDENT_MODULES
from ..student.training.recipe import QLORA_MODULES
from ..tasks import TASKS
from ..trackers import TRACKERS
from .config import Config

# For requests, to any endpoint and to a student's server.
HTTP_MODULES = ("aiohttp",)


def require_config_modules(config: Config, *, trains: bool = False) -> None:
    """Raises MissingPackages, naming all that this config needs and that is missing.

    trains: the student is finetuned too. Called before anything is loaded or bought.
    """
    require_modules("this config", list_needed_modules(config, trains=trains))


def list_needed_modules(config: Config, *, trains: bool = True) -> list[str]:
    """The modules that `pip install teachback` leaves out, each once."""
    student = config.student
    grader = GRADERS.get(getattr(config.task, "grader", ""))
    modules = [
        *STUDENT_MODULES,
        *(SMOLLM2_MODULES if student.model == SMOLLM2 else ()),
        *(HTTP_MODULES if config.endpoints_by_role() or student.is_served else ()),
        *TASKS[config.task.name].list_modules(config.task),
        *(grader.modules if grader else ()),
        *(QLORA_MODULES if trains and config.finetune.method == "qlora" else ()),
        *(list_tracker_modules(config) if trains else ()),
    ]
    return list(dict.fromkeys(modules))


def list_tracker_modules(config: Config) -> list[str]:
    """A function of the user's needs none."""
    names = [name for name in config.track if name in TRACKERS]
    return [module for name in names for module in TRACKERS[name].modules]
