"""How a student is asked: in the very form in which it was trained."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pprint import pformat

from ...errors import TeachbackError
from ..exported_rows import ExportedRow, collect_exported_rows
from .facts import CardFacts
from .markdown import format_code, format_example

# By form: Python that loads `model` and `tokenizer`.
LOADING_CODE: Mapping[str, str] = {
    "safetensors": """\
from transformers import AutoModelForCausalLM, AutoTokenizer

name = {place!r}
tokenizer = AutoTokenizer.from_pretrained(name)
model = AutoModelForCausalLM.from_pretrained(name)
""",
    "adapter": """\
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

base = {base!r}
tokenizer = AutoTokenizer.from_pretrained(base)
model = AutoModelForCausalLM.from_pretrained(base)
model = PeftModel.from_pretrained(model, {place!r})
""",
}
ASKING_CODE = """\
messages = {turns}
prompt = tokenizer.apply_chat_template(
    messages, add_generation_prompt=True, return_dict=True, return_tensors="pt"{options}
)
answer = model.generate(**prompt, max_new_tokens={max_new_tokens}, do_sample=False)
n_prompt = prompt["input_ids"].shape[1]
print(tokenizer.decode(answer[0, n_prompt:], skip_special_tokens=True))"""

# What a reader puts the folder of the untuned student for, where the Hub has none.
LOCAL_BASE = "FOLDER OF THE UNTUNED STUDENT"
# By the beginning of a form's name: what serves it.
SERVING_COMMANDS: Mapping[str, str] = {
    "gguf": "llama-server --jinja -m FILE.gguf",
    "ollama": "ollama create NAME -f Modelfile\nollama run NAME",
}


def usage_section(facts: CardFacts, form: str) -> Iterator[str]:
    """With the question of one of the student's rows."""
    yield from ["## How to ask it", ""]
    for start, command in SERVING_COMMANDS.items():
        if form.startswith(start):
            yield from format_code(command, "sh")
    row = find_shown_row(facts)
    if row is None:
        yield (
            "Ask as in training. The task's data can't be read where this card was made, so its "
            "instruction can't be shown."
        )
        yield ""
        return
    yield "Ask as in training: with the same system message and instruction, if there is one."
    yield ""
    if form in LOADING_CODE:
        yield from format_code(write_usage_code(row, form, facts), "python")
    else:
        yield from format_example(row.prompt_turns)


def find_shown_row(facts: CardFacts) -> ExportedRow | None:
    """The first row of the training set. None: there is none, or the task can't be made."""
    run = replace(facts.run, is_plain=False, with_meta=False)
    try:
        rows: Sequence[ExportedRow] = collect_exported_rows(run)
    except TeachbackError:
        return None
    return rows[0] if rows else None


def write_usage_code(row: ExportedRow, form: str, facts: CardFacts) -> str:
    options = dict(row.chat.options)
    asking = ASKING_CODE.format(
        turns=pformat(row.prompt_turns, width=88, sort_dicts=False),
        options=f",\n    **{options!r}," if options else "",
        max_new_tokens=facts.config.student.max_new_tokens,
    )
    base = facts.base_model or LOCAL_BASE
    return LOADING_CODE[form].format(place=facts.place, base=base) + asking
