"""How an answer to a ProntoQA question is read and graded: its label, and its proof."""

import hashlib
import json
import re
from dataclasses import replace

from ..graders.reply_text import trim_reply
from ..types import Example, Grade
from .ontology import LogicQuestion, decide_question, read_question
from .proof import proof_flaw

_ANY_LABEL = re.compile(
    r"\bAnswer[*_]{0,3}:[^\w\n]{0,9}(?:boxed[^\w\n]{0,3})?(?:text[^\w\n]{0,3})?(True|False)\b",
    re.IGNORECASE,
)
# "Answer: False", also as a heading or in bold type, quotes or a box: **Answer:** False.
_LABEL_LINE = re.compile(
    r"(?:[>#]{1,6}[ \t]+)?[*_]{0,3}(?:Final[ \t]+(?:a|A)|A)nswer[*_]{0,3}:[*_]{0,3}[ \t]*"
    r"[*_`\"'“$]{0,3}(?:\\boxed\{)?(?:\\(?:text|textbf)\{)?"
    r"(?P<label>True|False|true|false|TRUE|FALSE)[*_`\"'”$}.]{0,6}"
)


def proof_target(example: Example) -> str | None:
    """The solution, and the answer unless the solution names it."""
    if example.solution is None or example.answer is None:
        return example.solution
    label, _ = _read_label(example.solution)
    if label is not None:
        return example.solution
    return format_proof_answer(example.solution, example.answer)


def format_proof_answer(solution: str, answer: str) -> str:
    return f"{solution}\nAnswer: {answer}"


def grade_proof(example: Example, text: str) -> Grade:
    """Right if the last line is "Answer: " and the gold label, and the proof is valid.

    See `proof.proof_flaw` for valid proofs. The grade is "unparsed" if the last line is no
    answer, or if the text names both labels as its answer.
    """
    return _grade_label_and_proof(read_question(example.question), text, example.answer)


def verify_proof(question: str, text: str) -> Grade:
    """As `grade_proof`, with the label that follows from the premises by forward chaining.

    A question whose premises don't decide the query, or contradict each other about its
    subject, is "wrong".
    """
    logic_question = read_question(question)
    if logic_question is None:
        return _grade_label_and_proof(None, text, None)
    decision = decide_question(logic_question)
    grade = _grade_label_and_proof(logic_question, text, decision.label)
    if decision.reason and grade.outcome == "wrong":
        return replace(grade, reason=decision.reason)
    return grade


def _grade_label_and_proof(
    question: LogicQuestion | None,
    text: str,
    gold: str | None,
) -> Grade:
    label, proof = _read_label(text)
    is_label_right = label is not None and label == gold
    if question is None:
        reason = 'the question is not facts, rules and one "True or false: ..."'
        return Grade("unparsed", label, is_label_right, reason)
    if label is None:
        reason = (
            'no last line "Answer: True" or "Answer: False", or several that differ'
        )
        return Grade("unparsed", reason=reason)
    if not is_label_right:
        return Grade("wrong", label, False, f"the answer is {gold}")
    flaw = proof_flaw(question, proof, label)
    if flaw:
        return Grade("wrong", label, True, flaw)
    return Grade("right", label, True)


def _read_label(text: str) -> tuple[str | None, str]:
    """The label, and the text before its line; no label if there are several that differ."""
    proof, _, last_line = trim_reply(text).rpartition("\n")
    match = _LABEL_LINE.fullmatch(last_line.strip())
    labels = {label.lower() for label in _ANY_LABEL.findall(text)}
    if match is None or len(labels) > 1:
        return None, text
    return match["label"].capitalize(), proof


def prontoqa_key(question: str) -> str:
    """Equal for questions with the same premises, in any order and wording, and one query.

    The query's polarity is left out: whoever knows whether Max is red knows whether he is not.
    Other names or concepts make another exercise. A question that can't be read is known by its
    text, apart from case and white space.
    """
    logic_question = read_question(question)
    identity: object = " ".join(question.lower().split())
    if logic_question is not None:
        premises = sorted(
            (p.rule, p.subject, p.predicate, p.negated) for p in logic_question.premises
        )
        query = logic_question.query
        identity = [premises, query.subject, query.predicate]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
