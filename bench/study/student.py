"""The study's students: 0.45 million parameters, made here, with knowledge to begin with.

Their words are tokens, plurals apart ("wumpus", "es"). Each is an ordinary transformers
model. The finetuning that trains every student trains it, in some minutes on one core.
"""

import random
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.study import forms, puzzles, tasks
from teachback.student.chat import Chat
from teachback.student.training.finetune import Recipe, finetune
from teachback.tasks import prontoqa
from teachback.testing import CHAT_TEMPLATE
from teachback.types import Example

STUDENTS = Path(__file__).parent / "students"
ROWS_PER_STEP = 32
VOCABULARY_ROWS = 5000
SPECIAL_TOKENS = [
    "<|pad|>",
    "<|end|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|unknown|>",
]
WORD = r" ?(?:[A-Za-z][a-z]*us(?=es)|es\b|[A-Za-z]+)| ?\d|[^A-Za-z0-9]"
EXPRESSION = r" ?\d+| ?[A-Za-z]+| ?[^\sA-Za-z0-9]|\s"
SHAPE = {
    "hidden_size": 96,
    "intermediate_size": 256,
    # Without convolutions it never looks rules up.
    "layer_types": ["conv", "full_attention"] * 2,
    "num_hidden_layers": 4,
    "block_auto_adjust_ff_dim": False,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    # About 1/√width. With the usual 0.02 it learns several times slower at this size.
    "initializer_range": 0.1,
}


class StudentPlan(NamedTuple):
    """What a student knows to begin with."""

    make: Callable[[int, random.Random], Example]
    text: Callable[[Example], str]
    # Levels of the rows that it is trained on; each row's is drawn.
    levels: Sequence[int]
    # Levels of the rows whose words it has.
    word_levels: Sequence[int]
    # Steps of 32 rows, each seen once, and their peak learning rate.
    stages: Sequence[tuple[int, float]]
    # Another student that it starts from, and whose words it has.
    start: str | None = None
    # A regular expression of its words.
    word: str = WORD


def solution_text(example: Example) -> str:
    return str(example.solution)


def proof_text(example: Example) -> str:
    if example.meta["hops"] == tasks.HASHED:
        return solution_text(example)
    return prontoqa.format_proof_answer(str(example.solution), str(example.answer))


def make_form(form: int, rng: random.Random) -> Example:
    return forms.make_exercise(form, rng, rng.choice([1, 2]))


def make_puzzle(index: int, rng: random.Random) -> Example:
    return puzzles.shuffle_numbers(puzzles.known_puzzles()[index], rng)


PLANS = {
    "proofs": StudentPlan(
        tasks.make_question,
        proof_text,
        # Trained on one and two hops alone, it would answer whatever comes next.
        levels=[1] * 8 + [2] * 8 + [3] * 3 + [4],
        word_levels=[0, 1, 2, 3, 4, 5],
        # Until it knows one to four hops without a fault.
        stages=[(3000, 3e-3), (1500, 2e-3), (1500, 1e-3)],
    ),
    "forms": StudentPlan(
        make_form,
        solution_text,
        # Four forms well, and some 50 or 20 rows of each of the others.
        levels=[0, 1, 2, 3] * 1000 + [4, 5, 6] * 8 + [7, 8, 9] * 3,
        word_levels=[],
        stages=[(800, 2e-3)],
        start="proofs",
    ),
    "puzzles": StudentPlan(
        make_puzzle,
        solution_text,
        levels=range(puzzles.KNOWN),
        word_levels=range(puzzles.KNOWN),
        stages=[(1500, 3e-3), (1500, 2e-3)],
        word=EXPRESSION,
    ),
}


def make_student(name: str, folder: Path = STUDENTS) -> Path:
    """The student in folder/name. It is made if it isn't there, on one thread.

    A making that was cut off goes on. The student is kept beside its plan: its bits
    depend on the processor that made it, and an experiment's runs need the same student
    wherever they run.
    """
    out, plan = folder / name, PLANS[name]
    if out.exists():
        return out

    import torch

    torch.set_num_threads(1)
    aside = folder / f"{name}-making"
    if plan.start is not None:
        student = make_student(plan.start, folder)
    else:
        student = save_untrained(aside / "untrained", find_words(plan), plan.word)
    for stage in range(len(plan.stages)):
        student = train_stage(student, plan, stage, aside)
    student.rename(out)
    shutil.rmtree(aside)
    return out


def train_stage(start: Path, plan: StudentPlan, stage: int, aside: Path) -> Path:
    steps, lr = plan.stages[stage]
    trained = aside / f"stage-{stage}"
    if trained.exists():
        return trained

    purpose = "train" if stage == 0 else f"train {stage}"
    rows = list(draw_rows(plan, plan.levels, ROWS_PER_STEP * steps, purpose))
    recipe = Recipe(lr=lr, epochs=1, rows_per_step=ROWS_PER_STEP, warmup=0.05)
    student = finetune(start, rows, aside, chat=Chat(), recipe=recipe, seed=0)
    return student.rename(trained)


def draw_rows(
    plan: StudentPlan, levels: Sequence[int], n: int, purpose: str
) -> Iterator[tuple[str, str]]:
    rng = random.Random(f"study {purpose}")
    for _ in range(n):
        example = plan.make(rng.choice(levels), rng)
        yield example.question, plan.text(example)


def find_words(plan: StudentPlan) -> list[str]:
    words: set[str] = set()
    for row in draw_rows(plan, plan.word_levels, VOCABULARY_ROWS, "words"):
        for text in row:
            words.update(re.findall(plan.word, text))
    return sorted(words)


def save_untrained(folder: Path, words: Sequence[str], word: str) -> Path:
    """Random weights, with a chat template and a tokenizer of these words.

    word: a regular expression of a word.
    """
    import torch
    from transformers import Lfm2Config, Lfm2ForCausalLM

    vocabulary = {token: i for i, token in enumerate([*SPECIAL_TOKENS, *words])}
    config = Lfm2Config(
        vocab_size=len(vocabulary),
        **SHAPE,
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Lfm2ForCausalLM(config)
    model.save_pretrained(folder)
    make_tokenizer(vocabulary, word).save_pretrained(folder)
    return folder


def make_tokenizer(vocabulary: dict[str, int], word: str) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL_TOKENS[-1]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(word), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=SPECIAL_TOKENS[1],
        pad_token=SPECIAL_TOKENS[0],
        unk_token=SPECIAL_TOKENS[-1],
    )
    fast.chat_template = CHAT_TEMPLATE
    return fast
