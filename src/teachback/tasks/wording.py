"""English for ProntoQA's rules: plurals, articles and whole sentences."""

from typing import NamedTuple

_IRREGULAR_PLURALS = {
    "child": "children", "deer": "deer", "fish": "fish", "foot": "feet", "goose": "geese",
    "larva": "larvae", "man": "men", "mouse": "mice", "ox": "oxen", "person": "people",
    "series": "series", "sheep": "sheep", "species": "species", "tooth": "teeth",
    "woman": "women",
    "calf": "calves", "elf": "elves", "half": "halves", "hoof": "hooves", "leaf": "leaves",
    "loaf": "loaves", "shelf": "shelves", "thief": "thieves", "wolf": "wolves",
    "knife": "knives", "life": "lives", "wife": "wives",
    "buffalo": "buffaloes", "echo": "echoes", "hero": "heroes", "mosquito": "mosquitoes",
    "potato": "potatoes", "tomato": "tomatoes",
}  # fmt: skip
_IRREGULAR_PLURAL_WORDS = frozenset(_IRREGULAR_PLURALS.values())


class WordedRule(NamedTuple):
    """A rule to put into words."""

    subject: str  # a concept, in the singular
    predicate: str  # a concept in the singular, or a property
    is_concept: bool = True  # the predicate
    negated: bool = False

    def wording(self, quantifier: str | None) -> str:
        """A sentence with the quantifier "Each" or "Every", or else in the plural."""
        if quantifier:
            return f"{quantifier} {self.subject} is {self.predicate_wording()}."
        predicate = plural(self.predicate) if self.is_concept else self.predicate
        negation = "not " if self.negated else ""
        return f"{plural(self.subject).capitalize()} are {negation}{predicate}."

    def predicate_wording(self) -> str:
        predicate = with_article(self.predicate) if self.is_concept else self.predicate
        return f"not {predicate}" if self.negated else predicate


def with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    """The plural of an English noun phrase, by its last word; regular unless in the table."""
    head, space, last = noun.rpartition(" ")
    if last in _IRREGULAR_PLURALS:
        last = _IRREGULAR_PLURALS[last]
    elif last.endswith("y") and last[-2:-1] not in tuple("aeiou"):
        last = last[:-1] + "ies"
    elif last.endswith(("s", "x", "z", "ch", "sh")):
        last += "es"
    else:
        last += "s"
    return head + space + last


def singular(noun: str) -> str:
    """A noun phrase with this plural. There may be others ("buses", "horses")."""
    head, space, last = noun.rpartition(" ")
    candidates = [one for one, many in _IRREGULAR_PLURALS.items() if many == last]
    candidates += [
        last.removesuffix("ies") + "y",
        last.removesuffix("es"),
        last.removesuffix("s"),
    ]
    for candidate in candidates:
        if plural(candidate) == last:
            return head + space + candidate
    return noun


def looks_plural(word: str) -> bool:
    return word.endswith("s") or word in _IRREGULAR_PLURAL_WORDS
