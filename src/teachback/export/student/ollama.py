"""`--to ollama`: a GGUF file and the Modelfile for `ollama create`."""

from pathlib import Path

from ...errors import ConfigError
from ...run.files import commit_file
from ..exported_run import ExportedRun
from .gguf_file import describe_weights, write_gguf
from .gguf_vocabulary import begins_with_bos
from .model_folder import open_model_folder
from .saved_student import SavedStudent, make_chat, order_ends, read_student
from .turn_texts import TurnTexts, find_turn_texts

GGUF_NAME = "student.gguf"
MODELFILE_NAME = "Modelfile"
QUOTES = '"""'


def export_ollama(run: ExportedRun, out: Path) -> list[str]:
    """Raises ConfigError for a chat template or a system message that a Modelfile can't hold."""
    student = read_student(run.find_student())
    content = make_modelfile(run, student)
    with open_model_folder(out) as folder:
        weights = write_gguf(
            student, make_chat(run), run.folder.name, "f16", folder / GGUF_NAME
        )
        commit_file(folder / MODELFILE_NAME, content.encode())
    return [
        f"the student in {out}: {describe_weights(student, weights)}",
        f"ollama create NAME -f {out / MODELFILE_NAME} takes it; --quantize q8_0 makes it smaller",
    ]


def make_modelfile(run: ExportedRun, student: SavedStudent) -> str:
    chat = make_chat(run)
    texts = find_turn_texts(student, chat)
    if begins_with_bos(student, chat):
        texts = remove_start(texts, student.tokenizer.bos_token)
    lines = [
        f"FROM ./{GGUF_NAME}",
        f"TEMPLATE {quote(make_go_template(texts), 'the chat template')}",
    ]
    if chat.system is not None:
        lines.append(f"SYSTEM {quote(chat.system, 'student.system')}")
    lines += [
        "PARAMETER temperature 0",
        # Ollama's own is another, and would change greedy answers.
        "PARAMETER repeat_penalty 1",
        f"PARAMETER num_predict {run.config.student.max_new_tokens}",
        *list_stops(student),
    ]
    return "\n".join(lines) + "\n"


def make_go_template(texts: TurnTexts) -> str:
    """The texts in the language of Go's text/template, with Ollama's variables."""
    parts = [go_literal(texts.before_question)]
    if texts.before_system is not None and texts.after_system is not None:
        parts = [
            "{{ if .System }}",
            go_literal(texts.before_system),
            "{{ .System }}",
            go_literal(texts.after_system),
            "{{ else }}",
            *parts,
            "{{ end }}",
        ]
    parts += [
        '{{ range .Messages }}{{ if eq .Role "user" }}{{ .Content }}',
        go_literal(texts.after_question),
        '{{ else if eq .Role "assistant" }}',
        go_literal(texts.before_answer),
        "{{ .Content }}",
        go_literal(texts.after_answer),
        "{{ end }}{{ end }}",
    ]
    return "".join(parts)


def go_literal(text: str) -> str:
    return text.replace("{{", '{{ "{{" }}')


def remove_start(texts: TurnTexts, bos: str) -> TurnTexts:
    """Without the BOS token, which Ollama puts before the prompt."""
    before_system = texts.before_system
    return texts._replace(
        before_question=texts.before_question.removeprefix(bos),
        before_system=before_system and before_system.removeprefix(bos),
    )


def quote(text: str, what: str) -> str:
    """Raises ConfigError for a text that would end the quotes. A run may be somebody else's."""
    if QUOTES in text or text.endswith('"'):
        raise ConfigError(
            f"{what} can't be written into a Modelfile",
            got=repr(text[-200:]),
            allowed=f"a text without {QUOTES} that ends with no quote",
            fix="--to gguf",
        )
    return f"{QUOTES}{text}{QUOTES}"


def list_stops(student: SavedStudent) -> list[str]:
    """The end tokens' texts. The file names them too, so one with quotes can be left out."""
    texts = [student.tokenizer.convert_ids_to_tokens(id) for id in order_ends(student)]
    return [
        f'PARAMETER stop "{text}"'
        for text in texts
        if text.isprintable() and '"' not in text
    ]
