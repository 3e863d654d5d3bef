"""What a plan leaves out or assumes, in words."""

from ..ledger.costs import PICODOLLARS_PER_USD, Cost

RETRIES_CAVEAT = (
    "retries and calls in doubt are not in it: each costs up to its worst case"
)
NO_PROBE_CAVEATS = (
    "a token is taken for 2.5 to 5 bytes (English); "
    "an answer for as long as the seeds' own, or its cap",
    "--probe N measures all of this with N real pairs and N student steps",
)
NO_TRAINING_ROWS_CAVEAT = (
    "no bought row could be trained on: finetuning was not measured"
)
PROBE_REUSE_CAVEAT = (
    "the run buys none of the probe's pairs again: its prompts show other attempts"
)
POOL_ROWS_CAVEAT = (
    "rows of the pool that are seeds, dev or test questions are not handed out, "
    "but counted here"
)
OPEN_ROUND_CAVEAT = (
    "a round is under way: what it has bought is in the bill, and estimated once more"
)
TEACHER_ANSWERS_CAVEAT = (
    "the teacher's answer to a seed is bought once, and counted in every round here"
)
ACCEPTANCE_CAVEAT = (
    "every pair is taken for an accepted row; all that are rejected cost the same"
)


def list_caveats(
    *,
    has_paid_calls: bool,
    has_probe: bool,
    has_finetuning_speed: bool,
    shows_attempt: bool,
    has_pool: bool,
    has_open_round: bool,
    dev_judging: Cost | None,
    buys_teacher_answers: bool,
) -> list[str]:
    """The caveats that apply, in the order in which they are printed.

    dev_judging: the most that a judge costs on dev; None: no judge grades.
    """
    caveats = [RETRIES_CAVEAT] if has_paid_calls else []
    if not has_probe:
        caveats += NO_PROBE_CAVEATS
    elif not has_finetuning_speed:
        caveats.append(NO_TRAINING_ROWS_CAVEAT)
    if has_probe and shows_attempt:
        caveats.append(PROBE_REUSE_CAVEAT)
    if has_pool:
        caveats.append(POOL_ROWS_CAVEAT)
    if has_open_round:
        caveats.append(OPEN_ROUND_CAVEAT)
    if dev_judging is not None:
        caveats.append(write_judging_caveat(dev_judging))
    if buys_teacher_answers:
        caveats.append(TEACHER_ANSWERS_CAVEAT)
    return [*caveats, ACCEPTANCE_CAVEAT]


def write_judging_caveat(worst: Cost) -> str:
    usd = ""
    if worst.usd is not None:
        usd = f", ${worst.usd / PICODOLLARS_PER_USD:.2f}"
    return (
        f"judging dev is not in it: at most {worst.tokens:,} tokens{usd} each time, "
        "which is kept back"
    )
