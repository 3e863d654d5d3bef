"""Proofs for ProntoQA's questions: writing one, and checking one sentence by sentence."""

import re
from collections import defaultdict

from .ontology import LogicQuestion, Statement, read_sentence, split_sentences
from .wording import singular, with_article


def write_proof(question: LogicQuestion, text: str) -> str:
    """The premises that decide the query, in the words of `text`, each with what follows.

    The wording is the data set's. The question must be decidable (see
    `ontology.decide_question`).
    """
    context, *_ = re.split("true or false:", text, flags=re.IGNORECASE)
    sentences = {read_sentence(s): f"{s}." for s in split_sentences(context)}
    fact, *rules = shortest_derivation(question)
    name = sentences[fact].split()[0]
    steps = [sentences[fact]]
    for rule in rules:
        predicate = rule.predicate
        if predicate in question.concepts:
            predicate = with_article(singular(predicate))
        negation = "not " if rule.negated else ""
        steps.append(f"{sentences[rule]} {name} is {negation}{predicate}.")
    return " ".join(steps)


def shortest_derivation(question: LogicQuestion) -> list[Statement]:
    """A given fact, then the rules that lead to the query or its opposite, in their order.

    Empty if neither follows.
    """
    query = question.query
    rules = defaultdict(list)
    derivations = []
    for premise in sorted(question.premises):
        if premise.rule:
            rules[premise.subject].append(premise)
        elif premise.subject == query.subject:
            derivations.append([premise])

    reached = set[str]()
    for derivation in derivations:  # grows as it is read: the shortest come first
        last = derivation[-1]
        if last.predicate == query.predicate:
            return derivation
        if not last.negated and last.predicate not in reached:
            reached.add(last.predicate)
            derivations += [[*derivation, rule] for rule in rules[last.predicate]]
    return []


def proof_flaw(question: LogicQuestion, proof: str, label: str) -> str | None:
    """Why the proof doesn't show that the query is `label` ("True" or "False"), or None.

    Each sentence must be a premise (in any wording), or a fact that one rule of the question
    gives from a fact that is given or was stated before. Given facts and rules may be left out;
    steps may not. Other conclusions are allowed, but the last sentence must settle the query.
    Time is near linear in the proof's length.
    """
    rule_subjects = defaultdict(set)  # of the rules with this (predicate, negated)
    known_predicates = defaultdict(set)  # of each subject
    for premise in question.premises:
        if premise.rule:
            rule_subjects[premise.predicate, premise.negated].add(premise.subject)
        elif not premise.negated:
            known_predicates[premise.subject].add(premise.predicate)

    stated = set(question.premises)
    last = None
    for sentence in split_sentences(proof):
        last = read_sentence(sentence)
        if last is None or not question.allows(last):
            return f"not a fact or a rule: {sentence[:80]!r}"
        if last in stated:
            continue
        if last.rule:
            return f"not a rule of the question: {sentence[:80]!r}"
        known = known_predicates[last.subject]
        if known.isdisjoint(rule_subjects[last.predicate, last.negated]):
            return f"does not follow in one step: {sentence[:80]!r}"
        stated.add(last)
        if not last.negated:
            known.add(last.predicate)
    return _conclusion_flaw(question.query, last, label)


def _conclusion_flaw(
    query: Statement, last: Statement | None, label: str
) -> str | None:
    if last is None:
        return "no proof"
    conclusion = last.rule, last.subject, last.predicate
    if conclusion != (False, query.subject, query.predicate):
        return "the proof's last sentence does not settle what is asked"
    shown = str(last.negated == query.negated)
    if shown != label:
        return f"the proof shows {shown}, the answer says {label}"
    return None
