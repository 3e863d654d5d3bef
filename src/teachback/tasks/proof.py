"""Proofs of questions in ProntoQA's small logic, worded as the data set words them. What they are checked by is in
`ontology.flaw`."""

import re
from collections import defaultdict

from .ontology import (
    Question,
    Statement,
    read_sentence,
    sentences,
    singular,
    with_article,
)


def prove(question: Question, text: str) -> str:
    """The premises that settle what is asked, each in the words of the question's text, with what follows from it.

    Only for a question that settles what it asks (see `ontology.settle`).
    """
    context, *_ = re.split("true or false:", text, flags=re.IGNORECASE)
    said = {read_sentence(sentence): f"{sentence}." for sentence in sentences(context)}
    fact, *rules = way(question)
    name, steps = said[fact].split()[0], [said[fact]]
    for rule in rules:
        predicate = (
            with_article(singular(rule.predicate))
            if rule.predicate in question.concepts
            else rule.predicate
        )
        steps.append(f"{said[rule]} {name} is {'not ' * rule.negated}{predicate}.")
    return " ".join(steps)


def way(question: Question) -> list[Statement]:
    """A shortest way to the asked statement or its opposite: a given fact, then the rules in their order. Empty when
    neither follows."""
    rules, asked = defaultdict(list), question.asked
    for premise in sorted(question.premises):
        if premise.rule:
            rules[premise.subject].append(premise)
    ways = [
        [premise]
        for premise in sorted(question.premises)
        if not premise.rule and premise.subject == asked.subject
    ]
    reached = set[str]()
    for steps in ways:  # grows as it is read: the shortest come first
        last = steps[-1]
        if last.predicate == asked.predicate:
            return steps
        if not last.negated and last.predicate not in reached:
            reached.add(last.predicate)
            ways += [[*steps, rule] for rule in rules[last.predicate]]
    return []
