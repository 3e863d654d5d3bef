"""From a run's directory to what was bought, and to what may change until then."""

from collections.abc import Sequence
from pathlib import Path

from ..config.run_identity import find_request_section
from ..ledger.audit import Purchase
from ..ledger.queries import read_bought_roles
from ..run.history import read_steps
from ..teachers.judge_gaps import REFEREE_ROLE
from ..teachers.judge_grades import GRADING_ROLE
from ..teachers.judge_marks import MARKING_ROLE
from ..teachers.openai import VERIFIER_ROLE
from ..teachers.purchases import BUYING_STEPS, GRADED_STEPS, list_purchases

LEDGER_FILE = "ledger.sqlite"
# In the ledger.
ROLES_OF_SECTION = {
    "verifier": {VERIFIER_ROLE},
    "judge": {GRADING_ROLE},
    "criterion": {MARKING_ROLE, REFEREE_ROLE},
}
# Every role but these is the teacher's.
OTHER_ROLES = {VERIFIER_ROLE, GRADING_ROLE, MARKING_ROLE, REFEREE_ROLE}


def read_purchases(folder: Path, *, is_judged: bool) -> Sequence[Purchase] | None:
    """is_judged: a judge has graded the reports. None: nothing was bought, and no round has
    opened, so there need not be a ledger.
    """
    names = (*BUYING_STEPS, *GRADED_STEPS) if is_judged else BUYING_STEPS
    purchases = list_purchases(read_steps(folder, names))
    has_opened = (folder / "round-00" / "open.json").exists()
    return purchases if purchases or has_opened else None


def may_change_setting(ledger: Path, key: str) -> bool:
    """Whether a key of the config may change between two starts.

    What an endpoint is asked with may, as long as nothing was bought from it: such a change is
    what a provider advises that refuses a request.
    """
    section = find_request_section(key)
    if section is None:
        return False
    bought = read_bought_roles(ledger)
    if section == "teacher":
        return bought <= OTHER_ROLES
    return bought.isdisjoint(ROLES_OF_SECTION[section])
