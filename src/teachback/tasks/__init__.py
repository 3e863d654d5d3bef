"""Tasks: questions, gold answers and how answers are checked. One task a file; `TASKS` names them.

To add a task, write its file and add its line below.
"""

from collections.abc import Mapping

from .game24 import Game24Settings, load_game24
from .gsm8k import GSM8KSettings, load_gsm8k
from .hub import HubSettings, load_hub
from .jsonl import JsonlSettings, load_jsonl
from .math import MATHSettings, load_math
from .own import OwnTaskSettings, load_own_task
from .prontoqa import ProntoQASettings, load_prontoqa
from .reasoning_gym import ReasoningGymSettings, load_reasoning_gym
from .registered import RegisteredTask

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
    "gsm8k": RegisteredTask(GSM8KSettings, load_gsm8k),
    "math": RegisteredTask(MATHSettings, load_math),
    "game24": RegisteredTask(
        Game24Settings, load_game24, ("game24", "game24_answers", "make24")
    ),
    "reasoning_gym": RegisteredTask(
        ReasoningGymSettings,
        load_reasoning_gym,
        ("reasoning_gym", "gym_items", "gym_datasets"),
    ),
    "jsonl": RegisteredTask(JsonlSettings, load_jsonl),
    "hub": RegisteredTask(HubSettings, load_hub),
    "own": RegisteredTask(OwnTaskSettings, load_own_task),
}
