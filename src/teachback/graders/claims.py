"""Whether a text claims an answer, or only mentions it: "I doubt that the answer is 5"."""

import re

SENTENCE_BREAK = re.compile(r"[.!?。！？](?=[\s\"'”’*$)]|$)|\n")
CLAUSE_BREAK = re.compile(r"[,;:—–]\s|\\\\")
# Anywhere in the sentence before the answer.
SUPPOSITION = re.compile(
    r"\b(?:suppos(?:e|ing)|assum(?:e|ing)|imagine|pretend|hypothetically|what\sif|were\sthe)\b",
    re.IGNORECASE,
)
# In the clause that names the answer.
DOUBT = re.compile(
    r"\b(?:not|never|nor|neither|either|cannot|\w+n['’]t|doubt\w*|if|unless|whether|suppos\w*"
    r"|assum\w*"
    r"|maybe|perhaps|possibly|might|may\s(?:also\s)?be|could|would|wrong\w*|incorrect\w*|false\w*"
    r"|mistak\w*|impossible|unlikely|unclear|uncertain|unsure|hope|wish|wonder|guess|why|deny"
    r"|refute"
    r"|reject|rather\sthan|instead\sof|except|claim\w*|says?|said|thinks|thought|believes|previous"
    r"|pretend\w*|imagine)\b",
    re.IGNORECASE,
)
# "… that the answer is": only these report what the text itself finds.
REPORTING_THAT = re.compile(
    r"\b(?:means?|meaning|find|conclude|shows?|see|know|get|obtain|deduce|infer|follows|implies"
    r"|imply"
    r"|confirms?|verified|say|clear|so|now|given|determine[ds]?|gives?|think|believe|sure"
    r"|confident)"
    r"\sthat\s*$",
    re.IGNORECASE,
)
EMPHASIS = re.compile(r"[*_#>`$]")


def is_claim(before: str) -> bool:
    """Whether a sentence that begins so claims what follows.

    before: the text before the answer, or before the words "the answer is".
    """
    sentence = EMPHASIS.sub("", SENTENCE_BREAK.split(before)[-1])
    if SUPPOSITION.search(sentence):
        return False
    clause = CLAUSE_BREAK.split(sentence)[-1]
    if DOUBT.search(clause):
        return False
    ends_in_that = clause.rstrip().casefold().endswith(" that")
    return not ends_in_that or REPORTING_THAT.search(clause) is not None
