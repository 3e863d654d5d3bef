"""The small logic of ProntoQA (Saparov & He, arXiv 2210.01240): sentences and what follows.

A sentence is a fact ("Max is a wumpus", "Max is not dull") or a rule ("Each wumpus is a
tumpus", "Wumpuses are dull"). Case is ignored. The only inference is modus ponens.

A concept is known by its plural, because a plural can be made from a singular but not the
other way round: "Each painted lady is ..." and "Painted ladies are ..." are the same rule.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from .wording import looks_plural, plural

_NOT_A_TERM = {
    "a", "all", "always", "an", "and", "any", "are", "both", "but", "does", "each", "either",
    "every", "everyone", "everything", "few", "has", "have", "if", "is", "it", "many", "most",
    "neither", "never", "no", "nobody", "none", "nor", "not", "nothing", "only", "or", "some",
    "something", "sometimes", "than", "that", "the", "then", "there", "this", "unless", "which",
    "who",
}  # fmt: skip
_WORD = re.compile(r"[\w'-]+")
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\n")
_MAX_TERM_WORDS = 3  # as in "simple closed curves"


@dataclass(frozen=True, order=True)
class Statement:
    """A fact or a rule. Texts are in lower case."""

    rule: bool
    subject: str  # of a fact a name, of a rule a concept's plural
    predicate: str  # a property, or a concept's plural
    negated: bool
    # How the predicate was written. "are P" can be either: only other sentences tell.
    form: Literal["concept", "property", "either"] = field(
        default="either", compare=False
    )


@dataclass(frozen=True)
class LogicQuestion:
    premises: frozenset[Statement]
    query: Statement
    # Plurals of what is known to be a concept. So "Max is wumpuses" is no sentence.
    concepts: frozenset[str]

    def allows(self, statement: Statement) -> bool:
        return statement.form != "property" or statement.predicate not in self.concepts


class Decision(NamedTuple):
    """What the premises say about a question's query."""

    label: str | None  # "True" or "False"; None: they don't decide it
    hops: int = 0  # the fewest rules that decide it
    reason: str | None = None  # why there is no label


def split_sentences(text: str) -> list[str]:
    """The sentences without their full stops; a line break ends a sentence too."""
    sentences = [part.strip() for part in _SENTENCE_END.split(text)]
    return [sentence for sentence in sentences if sentence]


def read_sentence(sentence: str) -> Statement | None:
    """The sentence's logical form; None if it is not a plain fact or rule."""
    words = sentence.lower().split()
    verb = next((i for i, word in enumerate(words) if word in ("is", "are")), None)
    if verb is None:
        return None
    are = words[verb] == "are"
    quantifier, subject = _split_leading(words[:verb], ("each", "every", "all"))
    each = quantifier in ("each", "every")
    negation, predicate = _split_leading(words[verb + 1 :], ("not",))
    article, predicate = _split_leading(predicate, ("a", "an"))

    if not _is_term(subject) or not _is_term(predicate):
        return None
    if are and (each or article):
        return None
    if quantifier == "all" and not are:
        return None
    is_rule = each or are
    if not is_rule and len(subject) > 1:
        return None  # a fact is about a name of one word
    may_be_concept = article or (are and looks_plural(predicate[-1]))
    if len(predicate) > 1 and not may_be_concept:
        return None  # a property is one word

    form: Literal["concept", "property", "either"] = "either" if are else "property"
    predicate_text = " ".join(predicate)
    if article:
        form = "concept"
        predicate_text = plural(predicate_text)
    subject_text = " ".join(subject)
    if each:
        subject_text = plural(subject_text)
    return Statement(is_rule, subject_text, predicate_text, negation is not None, form)


def _split_leading(
    words: list[str],
    options: Sequence[str],
) -> tuple[str | None, list[str]]:
    """The first word if it is one of the options, and the words after it."""
    if words and words[0] in options:
        return words[0], words[1:]
    return None, words


def _is_term(words: list[str]) -> bool:
    if not 0 < len(words) <= _MAX_TERM_WORDS:
        return False
    return all(_WORD.fullmatch(word) and word not in _NOT_A_TERM for word in words)


def read_question(text: str) -> LogicQuestion | None:
    """The premises, and the statement after "True or false:".

    None if a sentence of the question can't be read.
    """
    context, _, query_text = text.lower().rpartition("true or false:")
    if not context or len(split_sentences(query_text)) != 1:
        return None
    statements = []
    for sentence in [*split_sentences(query_text), *split_sentences(context)]:
        statement = read_sentence(sentence)
        if statement is None:
            return None
        statements.append(statement)
    query, *premises = statements
    if query.rule:
        return None

    concepts = {s.subject for s in statements if s.rule}
    concepts |= {s.predicate for s in statements if s.form == "concept"}
    question = LogicQuestion(frozenset(premises), query, frozenset(concepts))
    return question if all(map(question.allows, statements)) else None


def reachable_predicates(question: LogicQuestion) -> dict[tuple[str, bool], int]:
    """All that follows about the query's subject: (predicate, negated) → fewest rules needed."""
    rules = defaultdict(list)
    hops: dict[tuple[str, bool], int] = {}
    for premise in question.premises:
        conclusion = premise.predicate, premise.negated
        if premise.rule:
            rules[premise.subject].append(conclusion)
        elif premise.subject == question.query.subject:
            hops[conclusion] = 0

    queue = list(hops)
    for predicate, negated in queue:  # breadth first: the queue grows as it is read
        if negated:
            continue
        for conclusion in rules[predicate]:
            if conclusion not in hops:
                hops[conclusion] = hops[predicate, negated] + 1
                queue.append(conclusion)
    return hops


def decide_question(question: LogicQuestion) -> Decision:
    """Decides the query by forward chaining.

    There is no label if the query does not follow either way, or if the premises contradict
    each other about its subject.
    """
    reachable = reachable_predicates(question)
    query = question.query
    if any((predicate, not negated) in reachable for predicate, negated in reachable):
        return Decision(None, reason="the question contradicts itself")
    for negated in (query.negated, not query.negated):
        if (query.predicate, negated) in reachable:
            label = str(negated == query.negated)
            return Decision(label, reachable[query.predicate, negated])
    return Decision(None, reason="the question does not settle what it asks")
