"""Tasks: questions, gold answers and how answers are checked. One task a file; `TASKS` names them.

To add a task, write its file and add its line below.
"""

from collections.abc import Mapping

from ..graders import GRADERS
from .file_task import FileTaskSettings, load_file_task
from .game24 import Game24Settings, load_game24
from .gsm8k import GSM8KSettings, load_gsm8k
from .gym_datasets import GYM_MODULES
from .hub import HubSettings, load_hub
from .hub_dataset import HUB_MODULES, hub_modules_without_path
from .math import MATHSettings, load_math
from .own import OwnTaskSettings, load_own_task
from .prontoqa import ProntoQASettings, load_prontoqa
from .reasoning_gym import ReasoningGymSettings, load_reasoning_gym
from .registered import RegisteredTask
from .stories import StoriesSettings, load_stories

TASKS: Mapping[str, RegisteredTask] = {
    "prontoqa": RegisteredTask(
        ProntoQASettings,
        load_prontoqa,
        (
            "prontoqa",
            "prontoqa_answers",
            "prontoqa_exercises",
            "ontology",
            "wording",
            "proof",
        ),
    ),
    "gsm8k": RegisteredTask(
        GSM8KSettings, load_gsm8k, list_modules=hub_modules_without_path
    ),
    "math": RegisteredTask(
        MATHSettings,
        load_math,
        list_modules=lambda settings: (
            *GRADERS["math"].modules,
            *hub_modules_without_path(settings),
        ),
    ),
    "game24": RegisteredTask(
        Game24Settings, load_game24, ("game24", "game24_answers", "make24")
    ),
    "stories": RegisteredTask(StoriesSettings, load_stories, ("stories",)),
    "reasoning_gym": RegisteredTask(
        ReasoningGymSettings,
        load_reasoning_gym,
        ("reasoning_gym", "gym_items", "gym_datasets"),
        lambda settings: GYM_MODULES,
    ),
    "files": RegisteredTask(FileTaskSettings, load_file_task),
    # Its former name.
    "jsonl": RegisteredTask(FileTaskSettings, load_file_task),
    "hub": RegisteredTask(
        HubSettings, load_hub, list_modules=lambda settings: HUB_MODULES
    ),
    "own": RegisteredTask(OwnTaskSettings, load_own_task),
}
