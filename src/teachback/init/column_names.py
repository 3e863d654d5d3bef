"""The names that columns of users' files go by, for each role that a column can have."""

import re
from collections.abc import Iterable, Sequence

# Each list is in order of preference. "output", "response" and "completion" are in two lists:
# their values decide whether they hold the answer or the worked solution. The rows below the first
# lines are other languages: German, French, Spanish, Portuguese, Italian, Dutch, Russian, Chinese,
# Japanese, Korean, Arabic, Hindi.
QUESTION_NAMES = (
    "question", "problem", "prompt", "query", "instruction", "input", "text", "task", "puzzle",
    "sentence", "goal", "stem", "q",
    "frage", "aufgabe", "probleme", "problème", "énoncé", "pregunta", "problema", "enunciado",
    "pergunta", "domanda", "vraag", "вопрос", "задача", "问题", "題目", "题目", "質問", "問題",
    "질문", "سؤال", "السؤال", "प्रश्न", "सवाल",
)  # fmt: skip
ANSWER_NAMES = (
    "answer", "final_answer", "gold_answer", "correct_answer", "expected_answer", "short_answer",
    "answers", "label", "target", "gold", "correct", "correct_option", "answer_key", "answerkey",
    "answer_idx", "answer_index", "ground_truth", "expected", "result", "output", "completion",
    "response", "a", "sql", "cop",
    "antwort", "ergebnis", "réponse", "reponse", "respuesta", "resposta", "risposta", "antwoord",
    "ответ", "答案", "答え", "回答", "정답", "답", "إجابة", "الإجابة", "جواب", "उत्तर",
)  # fmt: skip
SOLUTION_NAMES = (
    "solution", "worked_solution", "rationale", "reasoning", "cot", "chain_of_thought",
    "explanation", "proof", "steps", "generated_solution", "response", "completion", "output",
    "lösung", "loesung", "lösungsweg", "rechenweg", "solución", "solucion", "solução", "soluzione",
    "oplossing", "решение", "解答", "解析", "解説", "풀이", "해설", "الحل", "हल",
)  # fmt: skip
# What a question is about. It is put above the question.
CONTEXT_NAMES = (
    "context", "passage", "paragraph", "article", "document", "background", "story", "ctx",
    "schema", "create_table_statement", "facts",
    "kontext", "contexte", "contexto", "contesto", "контекст", "上下文", "文章", "文脈", "지문",
    "السياق", "संदर्भ",
)  # fmt: skip
SYSTEM_NAMES = ("system", "system_prompt", "system_message")
ID_NAMES = ("id", "uid", "uuid", "unique_id", "question_id", "qid", "idx", "example_id")
OPTION_NAMES = (
    "options", "choices", "endings", "candidates", "alternatives", "mc_options", "optionen",
    "opciones", "opções", "opzioni", "варианты", "选项", "選択肢", "보기", "الخيارات", "विकल्प",
)  # fmt: skip
# The start of names of columns that hold an option each: option_a, opt1, ending0, sol2.
OPTION_STEMS = (
    "", "option", "opt", "op", "choice", "answer", "ans", "ending", "sol", "alternative", "mc",
)  # fmt: skip
# Options beside the right one, which has a column of its own.
WRONG_OPTION_NAMES = (
    "distractor", "incorrect_answer", "incorrect_answers", "wrong_answer", "wrong_answers",
    "distractors", "incorrect",
)  # fmt: skip
CHAT_NAMES = (
    "messages",
    "conversations",
    "conversation",
    "prompt",
    "chosen",
    "dialogue",
)
# Facts about a row. A column of such a name is no answer unless a person says so.
FACT_NAMES = (
    "source", "category", "level", "difficulty", "type", "topic", "subject", "split", "lang",
    "language", "url", "title", "author", "date", "db_id", "unit", "tags", "domain", "year",
    "index", "row", "number", "nr", "no", "score", "count", "length", "hash", "model", "meta",
)  # fmt: skip

NOTE_IN_NAME = re.compile(r"\([^)]*\)|\[[^\]]*\]")
CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])")
# question_text, answer_en: the same role as without.
NAME_ENDING = re.compile(r"_(?:text|str|string|value|content|en|de|fr|es)$")


def match_names(names: Iterable[str], known_names: Sequence[str]) -> list[str]:
    """Those of `names` that are known, in the order of `known_names`."""
    name_by_form: dict[str, str] = {}
    for name in names:
        for form in name_forms(name):
            name_by_form.setdefault(form, name)
    found = (name_by_form[form] for form in known_names if form in name_by_form)
    return list(dict.fromkeys(found))


def name_forms(name: str) -> list[str]:
    """A name as it is matched: "Final Answer" and "finalAnswer" as final_answer, "Antwort (gold)"
    as antwort, "question_text" as question too.
    """
    plain = NOTE_IN_NAME.sub("", name).strip() or name.strip()
    forms = []
    # "answerKey" is known as answerkey and as answer_key.
    for text in (plain, CAMEL_CASE.sub("_", plain)):
        form = re.sub(r"[\s.-]+", "_", text.lower()).strip("_:?")
        forms += [form, NAME_ENDING.sub("", form)]
    return list(dict.fromkeys(forms))
