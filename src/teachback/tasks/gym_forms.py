"""What an answer to one of reasoning-gym's exercises may look like, to be called right.

Many of the library's scorers pick out what they look for and pass over the rest: "B → A or 17",
"I am not sure that Ella is a devil." So full marks count only for an answer of the form that its
dataset asks for: the gold answer's own or, where several answers are right, one listed here.
"""

import re
from collections.abc import Mapping

from ..graders.text import same_text

NUMBER = r"[-+]?\d+(?:\.\d+)?"
CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?"
STATEMENT = r"\w+ is an? \w+"
MOVE = r"Move disk \d+ from Peg \d+ to Peg \d+"
# Of the datasets where other answers than the gold one are right, or are written differently.
ANSWER_FORMS: Mapping[str, re.Pattern[str]] = {
    dataset: re.compile(form, re.DOTALL | re.IGNORECASE)
    for dataset, form in {
        "boxnet": r"[\[{].*[\]}]",
        "complex_arithmetic": (
            rf"{NUMBER}(?:\s*[-+]\s*(?:\d+(?:\.\d+)?)?i)?|[-+]?(?:\d+(?:\.\d+)?)?i"
        ),
        "cryptarithm": r"[A-Z]\s*=\s*\d(?:\s*,\s*[A-Z]\s*=\s*\d)*",
        "fraction_simplification": (
            r"\$?\s*(?:\\d?frac\s*\{\s*-?\d+\s*\}\s*\{\s*-?\d+\s*\}|-?\d+\s*/\s*-?\d+)\s*\$?"
        ),
        "graph_color": r"\{[^{}]*\}",
        "jugs": r"\[[^\[\]]*\]",
        "knight_swap": r"\[[^\[\]]*\]|no",
        "knights_knaves": rf"{STATEMENT}(?:(?:,\s*(?:and\s)?|\sand\s|\.\s){STATEMENT})*\.?",
        "palindrome_generation": r"[a-z]+",
        "polynomial_equations": rf"{NUMBER}(?:\s*,\s*{NUMBER})*",
        "propositional_logic": r"[A-Z()\s∧∨¬→↔]+",
        "quantum_lock": r"[A-C](?:\s*(?:→|->|,|\s)?\s*[A-C])*",
        "rubiks_cube": r"[A-Z]['2]{0,2}(?:\s+[A-Z]['2]{0,2})*",
        "rush_hour": r"[A-Z][+-]\d+(?:[\s,]+[A-Z][+-]\d+)*",
        "shortest_path": r"(?:up|down|left|right)(?:\s+(?:up|down|left|right))*|infeasible",
        "sokoban": r"[UDLR]+",
        "time_intervals": rf"\d+ days?(?:,\s*{CLOCK})?|{CLOCK}",
        "tower_of_hanoi": rf"{MOVE}(?:\s+{MOVE})*",
        "word_ladder": r"[A-Z]+(?:\s*,\s*[A-Z]+)*",
    }.items()
}  # fmt: skip
ARITHMETIC = re.compile(r"[\d\s()+*/-]+", re.ASCII)
FORM_WORD = re.compile(r"[^\W\d_]+")
SYMBOL = re.compile(r"[^\w\s]")
ONE_QUOTE = str.maketrans({"'": '"', "`": '"', "“": '"', "”": '"'})


def has_answer_form(dataset: str, answer: str, gold: str | None) -> bool:
    """Whether an answer with full marks is one answer and nothing else."""
    answer = answer.strip()
    if gold is not None and same_text(answer, gold):
        return True
    if answer.count("(") != answer.count(")"):
        return False
    if form := ANSWER_FORMS.get(dataset):
        return form.fullmatch(answer) is not None
    return gold is not None and has_gold_shape(answer, gold.strip())


def has_gold_shape(answer: str, gold: str) -> bool:
    """As many entries as the gold answer, and no words or signs that it lacks."""
    answer, gold = answer.translate(ONE_QUOTE), gold.translate(ONE_QUOTE)
    words = {word.casefold() for word in FORM_WORD.findall(answer)}
    if not words <= {word.casefold() for word in FORM_WORD.findall(gold)}:
        return False
    if not set(SYMBOL.findall(answer)) <= {*SYMBOL.findall(gold), ".", ",", "-", "+"}:
        return False
    same_entries = len(answer.split()) == len(gold.split())
    return same_entries or len("".join(answer.split())) == len("".join(gold.split()))
