"""The study's students: of a third of a million parameters, made here and trained on what they are to begin with.

Their words are tokens, plurals apart ("wumpus", "es"). Each is a model of transformers like any other, trained by the
same finetuning as every student, in some minutes on one core.
"""

import random
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.study import forms, puzzles, tasks
from teachback.student.chat import Chat
from teachback.student.training.finetune import Recipe, finetune
from teachback.tasks import prontoqa
from teachback.testing import CHAT_TEMPLATE
from teachback.types import Example

KEPT = Path(__file__).parent / "students"
SPECIAL = [
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
    "layer_types": ["conv", "full_attention"]
    * 2,  # without convolutions it never looks things up
    "num_hidden_layers": 4,
    "block_auto_adjust_ff_dim": False,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "initializer_range": 0.1,  # about 1/√width; the usual 0.02 learns several times slower at this size
}


class Beginning(NamedTuple):
    """What a student knows to begin with. levels: one of a row, drawn. stages: of so many steps of 32 rows, each seen
    once, at that peak learning rate. start: another student, whose words it has."""

    make: Callable[[int, random.Random], Example]
    text: Callable[[Example], str]
    levels: Sequence[int]  # of the rows it is trained on
    words: Sequence[int]  # of the rows whose words it has
    stages: Sequence[tuple[int, float]]
    start: str | None = None
    word: str = WORD


BEGINNINGS = {
    "proofs": Beginning(
        tasks.proof,
        lambda e: (
            prontoqa.format_proof_answer(str(e.solution), str(e.answer))
            if e.meta["hops"]
            else str(e.solution)
        ),
        levels=[1] * 8
        + [2] * 8
        + [3] * 3
        + [4],  # of one and two alone: whatever is asked comes next
        words=[0, 1, 2, 3, 4, 5],
        stages=[
            (3000, 3e-3),
            (1500, 2e-3),
            (1500, 1e-3),
        ],  # until it knows one to four hops without a fault
    ),
    "forms": Beginning(
        lambda form, rng: forms.exercise(form, rng, rng.choice([1, 2])),
        lambda e: str(e.solution),
        levels=[0, 1, 2, 3] * 1000
        + [4, 5, 6] * 8
        + [7, 8, 9] * 3,  # four well, of the others some 50 and 20 rows
        words=[],
        stages=[(800, 2e-3)],
        start="proofs",
    ),
    "puzzles": Beginning(
        lambda k, rng: puzzles.shuffled(puzzles.known()[k], rng),
        lambda e: str(e.solution),
        levels=range(puzzles.KNOWN),
        words=range(puzzles.KNOWN),
        stages=[(1500, 3e-3), (1500, 2e-3)],
        word=EXPRESSION,
    ),
}


def make(name: str, folder: Path = KEPT) -> Path:
    """The student in folder/name, unless it is there. Goes on where it was cut off; one thread.

    It is kept with its recipe: its bits depend on the processor that it was made on, and an experiment's runs belong to
    one student wherever they are carried out."""
    out, beginning = folder / name, BEGINNINGS[name]
    if out.exists():
        return out
    import torch

    torch.set_num_threads(1)
    aside = folder / f"{name}-making"
    if beginning.start is not None:
        student = make(beginning.start, folder)
    else:
        texts = (
            text
            for row in exercises(beginning, beginning.words, 5000, "words")
            for text in row
        )
        words = sorted(
            {word for text in texts for word in re.findall(beginning.word, text)}
        )
        student = untrained(aside / "untrained", words, beginning.word)
    for stage, (steps, lr) in enumerate(beginning.stages):
        rows = list(
            exercises(
                beginning,
                beginning.levels,
                32 * steps,
                "train" if stage == 0 else f"train {stage}",
            )
        )
        recipe = Recipe(lr=lr, epochs=1, rows_per_step=32, warmup=0.05)
        trained = aside / f"stage-{stage}"
        if not trained.exists():
            finetune(student, rows, aside, chat=Chat(), recipe=recipe, seed=0).rename(
                trained
            )
        student = trained
    student.rename(out)
    shutil.rmtree(aside)
    return out


def exercises(
    beginning: Beginning, levels: Sequence[int], n: int, purpose: str
) -> Iterable[tuple[str, str]]:
    rng = random.Random(f"study {purpose}")
    made = (beginning.make(rng.choice(levels), rng) for _ in range(n))
    return ((e.question, beginning.text(e)) for e in made)


def untrained(folder: Path, words: Sequence[str], word: str) -> Path:
    """Random weights, saved with chat template and a tokenizer of these words; word: what one looks like."""
    import torch
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import Lfm2Config, Lfm2ForCausalLM, PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=SPECIAL[-1]))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(word), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(SPECIAL)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=SPECIAL[1],
        pad_token=SPECIAL[0],
        unk_token=SPECIAL[-1],
    )
    fast.chat_template = CHAT_TEMPLATE
    ids = {"eos_token_id": 1, "pad_token_id": 0, "bos_token_id": None}
    config = Lfm2Config(vocab_size=len(vocabulary), **SHAPE, **ids)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Lfm2ForCausalLM(config)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
