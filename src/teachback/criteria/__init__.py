"""Criteria: which seeds the student has most to learn from.

One criterion a file; `CRITERIA` names them.

A criterion sees an `Evidence` and nothing else. A *score* gives each seed a float, higher = more
worth asking about, and a rule (rules.py) picks by it. A "graded" score may tie. A *chooser* picks
the seeds itself, and a *blend* lets other criteria pick. To add a criterion, write its file and add
its line below.
"""

from collections.abc import Mapping

from .badge import badge
from .bandit import BanditSettings, bandit
from .criterion import Criterion, SampledSettings
from .disagreement import disagreement
from .egl import egl
from .entropy import entropy
from .facility import FacilitySettings, facility
from .function import FunctionSettings, function
from .influence import influence
from .judge import MarkingJudgeSettings, judge
from .kcenter import kcenter
from .learnability import learnability
from .least_confidence import least_confidence
from .lion import LionSettings, lion
from .loss import loss
from .margin import margin
from .max_nll import max_nll
from .mixture import MixtureSettings, mixture
from .random_choice import random_choice
from .reward import RewardSettings, reward
from .true_loss import true_loss
from .wrong import wrong

CRITERIA: Mapping[str, Criterion] = {
    "random": Criterion(random_choice, "chooser"),
    "loss": Criterion(loss, "score"),
    "true_loss": Criterion(true_loss, "score", frozenset({"gold_nll"})),
    "entropy": Criterion(entropy, "score", frozenset({"entropy"})),
    "margin": Criterion(margin, "score", frozenset({"gap"})),
    "least_confidence": Criterion(least_confidence, "score"),
    "max_nll": Criterion(max_nll, "score", frozenset({"max_nll"})),
    "egl": Criterion(egl, "score", frozenset({"egl"})),
    "wrong": Criterion(wrong, "graded", frozenset({"right"})),
    "disagreement": Criterion(
        disagreement, "graded", frozenset({"samples"}), SampledSettings
    ),
    "learnability": Criterion(
        learnability, "graded", frozenset({"samples", "gold"}), SampledSettings
    ),
    "reward": Criterion(reward, "score", frozenset({"reward"}), RewardSettings),
    "judge": Criterion(judge, "graded", frozenset({"marks"}), MarkingJudgeSettings),
    "lion": Criterion(lion, "chooser", frozenset({"gaps"}), LionSettings),
    "kcenter": Criterion(kcenter, "chooser", frozenset({"embeddings"})),
    "facility": Criterion(
        facility, "chooser", frozenset({"embeddings"}), FacilitySettings
    ),
    "badge": Criterion(badge, "chooser", frozenset({"gradients"})),
    "influence": Criterion(influence, "score", frozenset({"gold_gradients"})),
    "mixture": Criterion(mixture, "blend", settings=MixtureSettings),
    "bandit": Criterion(bandit, "blend", settings=BanditSettings),
    "function": Criterion(function, "score", settings=FunctionSettings),
}
