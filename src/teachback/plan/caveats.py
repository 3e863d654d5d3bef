"""What a plan leaves out or takes for granted, in words."""

from ..ledger.costs import PICODOLLARS_PER_USD, Cost

RETRIES = "retries and calls in doubt are not in it: each costs up to its worst case"
UNMEASURED = (
    "a token is taken for 2.5 to 5 bytes (English); "
    "an answer for as long as the seeds' own, or its cap",
    "--probe N measures all of this with N real pairs and N student steps",
)
NO_TRAINING_ROWS = "no bought row could be trained on: finetuning was not measured"
PROBE_NOT_REUSED = (
    "the run buys none of the probe's pairs again: its prompts show other attempts"
)
POOL_ROWS = (
    "rows of the pool that are seeds, dev or test questions are not handed out, "
    "but counted here"
)
ROUND_UNDER_WAY = (
    "a round is under way: what it has bought is in the bill, and estimated once more"
)
TEACHER_ANSWERS = (
    "the teacher's answer to a seed is bought once, and counted in every round here"
)
ALL_ACCEPTED = (
    "every pair is taken for an accepted row; all that are rejected cost the same"
)


def plan_caveats(
    *,
    paid: bool,
    probed: bool,
    timed_finetuning: bool,
    shows_attempt: bool,
    from_pool: bool,
    round_under_way: bool,
    dev_judging: Cost | None,
    buys_teacher_answers: bool,
) -> list[str]:
    """paid: somebody is paid for calls. dev_judging: the most that a judge costs on dev."""
    caveats = [RETRIES] if paid else []
    if not probed:
        caveats += UNMEASURED
    elif not timed_finetuning:
        caveats.append(NO_TRAINING_ROWS)
    if probed and shows_attempt:
        caveats.append(PROBE_NOT_REUSED)
    if from_pool:
        caveats.append(POOL_ROWS)
    if round_under_way:
        caveats.append(ROUND_UNDER_WAY)
    if dev_judging is not None:
        caveats.append(judging_caveat(dev_judging))
    if buys_teacher_answers:
        caveats.append(TEACHER_ANSWERS)
    return [*caveats, ALL_ACCEPTED]


def judging_caveat(worst: Cost) -> str:
    usd = ""
    if worst.usd is not None:
        usd = f", ${worst.usd / PICODOLLARS_PER_USD:.2f}"
    return (
        f"judging dev is not in it: at most {worst.tokens:,} tokens{usd} each time, "
        "which is kept back"
    )
