"""Which seeds the student has most to learn from. One criterion a file; `CRITERIA` names them, and what each needs.

A criterion sees an `Evidence` and nothing else. A *score* gives one float a seed, higher = more worth asking about, and
a rule (rules.py) picks by it; a "graded" one ties by its nature. A *chooser* picks the seeds itself.
"""

from collections.abc import Callable, Mapping

from .badge import badge
from .bandit import bandit
from .criterion import DEAR, NEEDS, Choice, Criterion
from .disagreement import disagreement
from .egl import egl
from .entropy import entropy
from .evidence import Evidence
from .facility import facility
from .influence import influence
from .judge import judge
from .kcenter import kcenter
from .learnability import learnability
from .least_confidence import least_confidence
from .lion import lion
from .loss import loss
from .margin import margin
from .max_nll import max_nll
from .mixture import mixture
from .random_choice import random_choice
from .reward import reward
from .true_loss import true_loss
from .wrong import wrong

__all__ = ["BLENDS", "CRITERIA", "DEAR", "NEEDS", "Choice", "Criterion", "Evidence"]

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
    "disagreement": Criterion(disagreement, "graded", frozenset({"samples"})),
    "learnability": Criterion(learnability, "graded", frozenset({"samples", "gold"})),
    "reward": Criterion(reward, "score", frozenset({"reward"})),
    "judge": Criterion(judge, "graded", frozenset({"marks"})),
    "lion": Criterion(lion, "chooser", frozenset({"gaps"})),
    "kcenter": Criterion(kcenter, "chooser", frozenset({"embeddings"})),
    "facility": Criterion(facility, "chooser", frozenset({"embeddings"})),
    "badge": Criterion(badge, "chooser", frozenset({"gradients"})),
    "influence": Criterion(influence, "score", frozenset({"gold_gradients"})),
}
BLENDS: Mapping[str, Callable[..., list[Choice]]] = {
    "mixture": mixture,
    "bandit": bandit,
}  # of several of these, which the config names
