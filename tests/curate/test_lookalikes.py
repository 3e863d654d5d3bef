"""Texts that look the same are the same question; texts without a disguise are left as they are."""

import unicodedata
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curating import curate_round, text_task
from teachback.curate.lookalikes import (
    FULL_TABLE,
    PLAIN_TABLE,
    SMALL_TABLE,
    fold_lookalikes,
)
from teachback.curate.overlap import HeldOutOverlap, LabelledQuestion
from teachback.curate.words import split_words, split_words_and_signs
from teachback.graders.text import normalize_text
from teachback.tasks.keys import text_key

QUESTION = (
    "A baker sells twelve loaves of rye bread. How many dozen loaves is that in 3 days?"
)


def disguise(latin: str, other: str) -> str:
    return QUESTION.translate(str.maketrans(latin, other))


DISGUISES = {
    "zero-width space": "\u200b".join(QUESTION),
    "zero-width joiner": QUESTION.replace("e", "e\u200d"),
    "word joiner": QUESTION.replace(" ", " \u2060"),
    "byte order mark": f"\ufeff{QUESTION}",
    "soft hyphen": QUESTION.replace("ak", "a\u00adk"),
    "bidirectional marks": f"\u202d{QUESTION}\u202c",
    "isolates": QUESTION.replace("many", "\u2066many\u2069"),
    "variation selector": QUESTION.replace("l", "l\ufe0f"),
    "tags": f"{QUESTION[:9]}\U000e0041{QUESTION[9:]}",
    "Hangul filler": QUESTION.replace("bread", "br\u3164ead"),
    "control characters": QUESTION.replace("rye", "r\x00y\x08e"),
    "combining grapheme joiner": QUESTION.replace("sells", "se\u034flls"),
    "Cyrillic": disguise("aeopcxy", "аеорсху"),
    "Cyrillic capitals": disguise("AHBE", "АНВЕ"),
    "one Cyrillic article": QUESTION.replace("A ", "А "),
    "Greek": disguise("ao", "αο"),
    "Greek capitals": disguise("AH", "ΑΗ"),
    "Armenian": disguise("ohn", "օհո"),
    "Cherokee": disguise("AH", "ᎪᎻ"),
    "small capitals": disguise("aelr", "ᴀᴇʟʀ"),
    "full width": "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in QUESTION),
    "mathematical bold": "".join(
        chr(0x1D41A + ord(c) - ord("a")) if c.islower() else c for c in QUESTION
    ),
    "mathematical italic": "".join(
        "ℎ" if c == "h" else chr(0x1D44E + ord(c) - ord("a")) if c.islower() else c
        for c in QUESTION
    ),
    "decomposed": unicodedata.normalize("NFD", QUESTION),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguised_test_question_has_its_key_and_is_refused(name: str) -> None:
    text = DISGUISES[name]
    assert text_key(text) == text_key(QUESTION)
    assert split_words(text) == split_words(QUESTION)
    curation = curate_round(text_task(test=[QUESTION]), [f"Please: {text} Think."])
    assert str(curation.rejected[0].reason).startswith("contaminated: shares 13 words")


@pytest.mark.parametrize(
    "text",
    [
        QUESTION,
        "Найдите х, если а = 5 и AB = 3. Сколько лет брату?",
        "Ο Γιάννης έχει 3 μήλα. Πόσα μήλα έχει;",
        "If sinα = 3/5, find cos α and ρgh for ρ = 2, x ∈ ℝ, ℓ ∥ m, ΔABC, 2πr, 5 μm.",
        "x² + ½ = ﬁve… “quoted” 1\xa0000 naïve café",
        "小明有３个苹果，他又买了 5 个。一共有多少个苹果？".replace("３", "3"),
        "Kaç elma kaldı? Öğrenci",
        "कितने सेब हैं?",
    ],
)
def test_a_text_without_disguise_keeps_its_letters_and_its_key(text: str) -> None:
    """The splits of data that exist come from these keys."""
    assert fold_lookalikes(text) == text
    old_key = sha256(normalize_text(text).encode("utf-8", "replace")).hexdigest()[:32]
    assert text_key(text) == old_key


def test_the_key_of_a_known_text() -> None:
    assert text_key("What is  2 + 3?") == "d1ecc9f06d04f509d409381e87a970ea"


def test_a_russian_text_with_a_mixed_word_loses_only_that_word() -> None:
    assert fold_lookalikes("SMSка пришла к нам") == "SMSka пришла к нам"


@given(st.text(max_size=100))
def test_folding_is_done_at_once_and_any_text_can_be_folded(text: str) -> None:
    folded = fold_lookalikes(text)
    assert len(folded) <= 4 * len(text)
    if text.isascii() and text.isprintable():
        assert folded == text


@given(st.text("abcxyz ,.?!\n\t0123456789éß漢字яж", max_size=60))
def test_texts_of_ordinary_letters_stay(text: str) -> None:
    composed = unicodedata.normalize("NFC", text)
    assert fold_lookalikes(composed) == composed


def test_the_tables_hold_letters_that_look_like_one_latin_letter() -> None:
    for table in (FULL_TABLE, SMALL_TABLE):
        for code, latin in table.items():
            assert code > 127
            assert len(latin) == 1
            assert latin.isascii()
            assert (
                chr(code).isupper() == latin.isupper()
                or chr(code) in "ᎪᏴᏟᎠᎬᏀᎻᎫᏦᏞᎷᏢᎡᏚᎢᏙᎳᎩᏃ"
            )
    assert PLAIN_TABLE.items() <= FULL_TABLE.items()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (r"\text{How many} apples", ["how", "many", "apples"]),
        (r"app\text{le}s and $5\text{cm}$", ["apples", "and", "5", "cm"]),
        (r"\textbf{\textit{ten} pears}", ["ten", "pears"]),
        (r"\mathrm{ten}\ \mbox{pears} \emph{here}", ["ten", "pears", "here"]),
        (r"{\bf ten} pears", ["ten", "pears"]),
        (r"\textcolor{red}", ["textcolor", "red"]),
        (r"a̲pples n̶o̶w", ["apples", "now"]),
    ],
)
def test_words_are_read_through_markup(text: str, words: list[str]) -> None:
    assert split_words(text) == words


def test_typographic_signs_are_signs() -> None:
    assert split_words_and_signs("3 − 2 × 4 ÷ 5") == [*"3-2*4/5"]


@given(st.text("\\text{}bf ab3", max_size=60))
def test_markup_of_any_form_can_be_read(text: str) -> None:
    overlap = HeldOutOverlap([LabelledQuestion("test t", text)], [])
    overlap.leak_reason(text)


def test_a_short_test_question_is_found_through_markup() -> None:
    task = text_task(test=["How many legs do six spiders have?"])
    row = r"Think: \text{How many} legs do si\text{x} \textbf{spiders} have? Explain."
    assert [x.reason for x in curate_round(task, [row]).rejected] == [
        "contaminated: has all of test t0 in it"
    ]
