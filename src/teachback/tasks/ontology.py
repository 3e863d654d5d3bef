"""The small logic of ProntoQA (Saparov & He, arXiv 2210.01240): sentences, what follows from them, what proves it.

A sentence is a fact ("Max is a wumpus", "Max is not dull") or a rule ("Each wumpus is a tumpus", "Wumpuses are dull").
Case is ignored. A concept is known by its plural, because plurals can be made from singulars and not the other way
round: "Each painted lady is ..." and "Painted ladies are ..." are the same rule. The only inference is modus ponens.
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

_IRREGULAR = {
    "child": "children", "deer": "deer", "fish": "fish", "foot": "feet", "goose": "geese", "larva": "larvae",
    "man": "men", "mouse": "mice", "ox": "oxen", "person": "people", "series": "series", "sheep": "sheep",
    "species": "species", "tooth": "teeth", "woman": "women",
    **{one: one[:-1] + "ves" for one in ("calf", "elf", "half", "hoof", "leaf", "loaf", "shelf", "thief", "wolf")},
    **{one: one[:-2] + "ves" for one in ("knife", "life", "wife")},
    **{one: one + "es" for one in ("buffalo", "echo", "hero", "mosquito", "potato", "tomato")},
}  # fmt: skip
_PLURALS = frozenset(_IRREGULAR.values())
_NOT_A_TERM = {
    "a", "all", "always", "an", "and", "any", "are", "both", "but", "does", "each", "either", "every",
    "everyone", "everything", "few", "has", "have", "if", "is", "it", "many", "most", "neither", "never", "no",
    "nobody", "none", "nor", "not", "nothing", "only", "or", "some", "something", "sometimes", "than", "that",
    "the", "then", "there", "this", "unless", "which", "who",
}  # fmt: skip
_WORD = re.compile(r"[\w'-]+")
_SENTENCE_END = re.compile(r"\.(?=\s|$)|\n")
_LONGEST_TERM = 3  # words, as in "simple closed curves"


@dataclass(frozen=True, order=True)
class Statement:
    """`subject` is a name (a fact) or a plural (a rule); `predicate` a property, or a concept's plural; lower case.

    form: how the predicate was written. "are P" can be either; only the other sentences tell.
    """

    rule: bool
    subject: str
    predicate: str
    negated: bool
    form: Literal["concept", "property", "either"] = field(
        default="either", compare=False
    )


@dataclass(frozen=True)
class Question:
    """`concepts`: the plurals that are known to be concepts, so that "Max is wumpuses" is no sentence."""

    premises: frozenset[Statement]
    asked: Statement
    concepts: frozenset[str]

    def allows(self, statement: Statement) -> bool:
        return statement.form != "property" or statement.predicate not in self.concepts


class Settled(NamedTuple):
    """What the premises make of the asked statement: "True" or "False" after `hops` rules, or None and the reason."""

    label: str | None
    hops: int = 0
    reason: str | None = None


class Rule(NamedTuple):
    """A rule to be worded: its concepts (`noun`: the predicate is one) are singular here."""

    subject: str
    predicate: str
    noun: bool = True
    negated: bool = False

    def wording(self, quantifier: str | None) -> str:
        """A sentence with "Each" or "Every", or else in the plural."""
        if quantifier:
            return f"{quantifier} {self.subject} is {self.predicate_wording()}."
        predicate = plural(self.predicate) if self.noun else self.predicate
        return f"{plural(self.subject).capitalize()} are {'not ' * self.negated}{predicate}."

    def predicate_wording(self) -> str:
        return "not " * self.negated + (
            with_article(self.predicate) if self.noun else self.predicate
        )


def with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    """The plural of an English noun phrase, by its last word; regular unless it is in the table above."""
    head, space, last = noun.rpartition(" ")
    if last in _IRREGULAR:
        last = _IRREGULAR[last]
    elif last.endswith("y") and last[-2:-1] not in tuple("aeiou"):
        last = last[:-1] + "ies"
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        last += "es"
    else:
        last += "s"
    return head + space + last


def singular(noun: str) -> str:
    """A noun phrase whose plural this is. There may be others ("buses", "horses"): their plural is the same."""
    head, space, last = noun.rpartition(" ")
    known = [one for one, many in _IRREGULAR.items() if many == last]
    cut = [
        last.removesuffix("ies") + "y",
        last.removesuffix("es"),
        last.removesuffix("s"),
    ]
    return (
        head
        + space
        + next((one for one in [*known, *cut] if plural(one) == last), last)
    )


def sentences(text: str) -> list[str]:
    """The sentences of a text without their full stops; a line break ends a sentence too."""
    return [
        stripped for part in _SENTENCE_END.split(text) if (stripped := part.strip())
    ]


def read_sentence(sentence: str) -> Statement | None:
    """The sentence's logical form, or None when it is not a plain fact or rule."""
    words = sentence.lower().split()
    verb = next((at for at, word in enumerate(words) if word in ("is", "are")), 0)
    subject, predicate = words[:verb], words[verb + 1 :]
    are = words[verb : verb + 1] == ["are"]
    each, every_one = subject[:1] in (["each"], ["every"]), subject[:1] == ["all"]
    subject = subject[each or every_one :]
    negated = predicate[:1] == ["not"]
    predicate = predicate[negated:]
    noun = predicate[:1] in (["a"], ["an"])
    predicate = predicate[noun:]
    agree = (
        not (are and (each or noun))
        and (are or not every_one)
        and _is_term(subject)
        and _is_term(predicate)
    )
    named = each or are or len(subject) == 1
    if (
        not agree
        or not named
        or not (noun or len(predicate) == 1 or (are and _is_plural(predicate[-1])))
    ):
        return None
    who = plural(" ".join(subject)) if each else " ".join(subject)
    what = plural(" ".join(predicate)) if noun else " ".join(predicate)
    return Statement(
        each or are,
        who,
        what,
        negated,
        "concept" if noun else "either" if are else "property",
    )


def _is_term(words: list[str]) -> bool:
    return 0 < len(words) <= _LONGEST_TERM and all(
        _WORD.fullmatch(w) and w not in _NOT_A_TERM for w in words
    )


def _is_plural(word: str) -> bool:
    return word.endswith("s") or word in _PLURALS


def read_question(text: str) -> Question | None:
    """The premises and the statement after "True or false:", or None when any sentence of it can't be read."""
    context, _, query = text.lower().rpartition("true or false:")
    read = []
    for sentence in [*sentences(query), *sentences(context)]:
        if (statement := read_sentence(sentence)) is None:
            return None
        read.append(statement)
    if len(sentences(query)) != 1 or read[0].rule or not context:
        return None
    subjects = {statement.subject for statement in read if statement.rule}
    concepts = subjects | {
        statement.predicate for statement in read if statement.form == "concept"
    }
    question = Question(frozenset(read[1:]), read[0], frozenset(concepts))
    return question if all(map(question.allows, read)) else None


def closure(question: Question) -> dict[tuple[str, bool], int]:
    """Everything that follows about the asked subject: (predicate, negated) to the fewest rules that it takes."""
    rules = defaultdict(list)
    for premise in question.premises:
        if premise.rule:
            rules[premise.subject].append((premise.predicate, premise.negated))
    given = (
        p
        for p in question.premises
        if not p.rule and p.subject == question.asked.subject
    )
    depth = {(premise.predicate, premise.negated): 0 for premise in given}
    front = list(depth)
    for predicate, negated in front:
        for reached in [] if negated else rules[predicate]:
            if reached not in depth:
                depth[reached] = depth[predicate, negated] + 1
                front.append(reached)
    return depth


def settle(question: Question) -> Settled:
    """Forward chaining. No label where the asked statement does not follow either way, or where the premises say
    something and its opposite about the asked subject."""
    follows, asked = closure(question), question.asked
    if any((predicate, not negated) in follows for predicate, negated in follows):
        return Settled(None, reason="the question contradicts itself")
    for negated in (asked.negated, not asked.negated):
        if (asked.predicate, negated) in follows:
            return Settled(
                str(negated == asked.negated), follows[asked.predicate, negated]
            )
    return Settled(None, reason="the question does not settle what it asks")


def flaw(question: Question, proof: str, label: str) -> str | None:
    """Why the proof does not show that the asked statement is `label` ("True" or "False"); None when it does.

    Each sentence must be a premise (in any wording of it), or a fact that one rule of the question gives from a fact
    that is given or was stated before. Restating the rule is optional, and so are given facts; steps are not. What else
    follows may be said too, but the last sentence must settle the asked statement. Time is near linear in the length.
    """
    bodies, held = defaultdict(set), defaultdict(set)
    for premise in question.premises:
        if premise.rule:
            bodies[premise.predicate, premise.negated].add(premise.subject)
        elif not premise.negated:
            held[premise.subject].add(premise.predicate)
    stated, last = set(question.premises), None
    for sentence in sentences(proof):
        last = read_sentence(sentence)
        if last is None or not question.allows(last):
            return f"not a fact or a rule: {sentence[:80]!r}"
        if last in stated:
            continue
        if last.rule:
            return f"not a rule of the question: {sentence[:80]!r}"
        if held[last.subject].isdisjoint(bodies[last.predicate, last.negated]):
            return f"does not follow in one step: {sentence[:80]!r}"
        stated.add(last)
        if not last.negated:
            held[last.subject].add(last.predicate)
    return _unsettled(question.asked, last, label)


def _unsettled(asked: Statement, last: Statement | None, label: str) -> str | None:
    if last is None:
        return "no proof"
    if (last.rule, last.subject, last.predicate) != (
        False,
        asked.subject,
        asked.predicate,
    ):
        return "the proof's last sentence does not settle what is asked"
    shown = str(last.negated == asked.negated)
    return (
        None if shown == label else f"the proof shows {shown}, the answer says {label}"
    )
