"""Public fakes: a run without a model, in a second, and a tiny student that is a real one.

history = fake_run(Path("somewhere"), rounds=2)      # the real loop, ledger, selection and
curation; no torch folder = tiny_student(Path("tiny"))                  # a llama of a few
thousand parameters, with a chat template
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from .build.prepare import identity_sources
from .build.gatherers import make_gatherers
from .build.selector import make_selector
from .build.steps import make_parts
from .build.task import make_task
from .build.teacher import make_teacher
from .config.config import Config
from .config.reading import make_config
from .config.run_identity import identify_config, list_free_settings
from .ledger.ledger import Ledger
from .loop import History, teach
from .rng import draw
from .run.directory import Event, Run
from .run.files import publish_path
from .run.identity import hash_bytes
from .run.inputs import make_inputs
from .student.measure import SamplingPlan, StudentAnswers
from .teachers.registered import TeacherRun
from .types import ArrayFile, Attempt, Attempts, Example, Grade, Student, Task

CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def fake_config(**changes: Any) -> Config:
    """A config for `fake_run`: 16 one- and two-hop seeds, 10 dev questions, 4 pairs a round."""
    tree: dict[str, Any] = {
        "task": {
            "name": "prontoqa",
            "hops": [1, 2],
            "seeds": 16,
            "dev": 10,
            "test": 10,
        },
        "per_round": 4,
        "rounds": 3,
        "student": {"model": "smollm2-135m"},
    }
    return make_config({**tree, **changes})


def fake_run(
    folder: Path,
    *,
    listen: Callable[[Event], None] = lambda event: None,
    **changes: Any,
) -> History:
    """The real loop with a student that is a number: how many rows it has seen.

    Same files, same rules, no torch.
    """
    config = fake_config(**changes)
    task = make_task(config.task)
    with Run(folder, keep=config.keep, listen=listen) as run:
        run.identify(
            identify_config(config),
            make_inputs(
                task,
                model="fake",
                precision="float32",
                teacher=hash_bytes(b"fake"),
                rows=config.rows,
                sources=identity_sources(config, task),
            ),
            list_free_settings(config),
        )
        with Ledger(
            folder / "ledger.sqlite",
            repeat=config.repeat,
            budget=config.budget.budget(),
        ) as ledger:
            teacher = make_teacher(
                config,
                task,
                TeacherRun(
                    ledger,
                    partial(draw, config.seed, config.repeat),
                    lambda text: len(text.split()),
                    hash_bytes(b"fake"),
                    no_reserve,
                ),
            )
            base = untrained(folder / "base")
            answer = FakeResponder(run, task)
            gatherers = make_gatherers(config, run, task, answer, ledger)
            selector = make_selector(config, run, task, answer, gatherers)
            parts = make_parts(
                config, task, run, ledger, answer, selector, teacher, fake_train(run)
            )
            return teach(run, parts, base, task.seeds, config.rounds)


def no_reserve(settings: object) -> Any:
    raise AssertionError(
        "the fake student can't read a reserve: it has no hidden states"
    )


def untrained(folder: Path) -> Student:
    folder.mkdir(exist_ok=True)
    (folder / "skill.json").write_text("0")
    return Student("base")


@dataclass(frozen=True)
class FakeResponder:
    """Answers from the answer key, more of it the more rows were seen; the loss falls with them.

    It has neither hidden states nor gradients: criteria that need them take a real student.
    """

    run: Run
    task: Task

    def answer_questions(
        self, student: Student, questions: Iterable[tuple[str, str]]
    ) -> tuple[Attempt, ...]:
        skill = int((self.run.path(student) / "skill.json").read_text())
        return self.run.map(
            lambda part: [self.one(*q, skill) for q in part],
            list(questions),
            of=Attempt,
        )

    def one(self, id: str, question: str, skill: int) -> Attempt:
        luck = lot(question)
        text = self.gold_of.get(question) if luck < skill / (skill + 10) else None
        return Attempt(
            id,
            text or "I don't know.",
            len((text or "I don't know.").split()),
            False,
            nll(luck, skill),
        )

    @cached_property
    def gold_of(self) -> Mapping[str, str | None]:
        return {
            e.question: self.task.target(e) for e in (*self.task.seeds, *self.task.dev)
        }

    def collect_attempts(
        self,
        student: Student,
        pool: Sequence[Example],
        arrays: Sequence[str],
        sketch_seed: int,
    ) -> Attempts:
        assert not arrays, "the fake student has no hidden states"
        return Attempts(
            self.answer_questions(student, ((e.id, e.question) for e in pool))
        )

    def measure_answers(
        self, student: Student, examples: Sequence[Example]
    ) -> StudentAnswers:
        return StudentAnswers(
            self.answer_questions(student, ((e.id, e.question) for e in examples)),
            (None,) * len(examples),
        )

    def sample_grades(
        self, student: Student, examples: Sequence[Example], samples: SamplingPlan
    ) -> tuple[tuple[Grade, ...], ...]:
        skill = int((self.run.path(student) / "skill.json").read_text())
        chance = skill / (skill + 10)
        rolls = (
            (e, [samples.draw(e.id, k).random() for k in range(samples.n)])
            for e in examples
        )
        return tuple(
            tuple(
                Grade("right", e.answer, True)
                if x < chance * lot(e.question)
                else Grade("wrong")
                for x in drawn
            )
            for e, drawn in rolls
        )

    def compute_gold_nll(
        self, student: Student, examples: Sequence[Example]
    ) -> tuple[float, ...]:
        skill = int((self.run.path(student) / "skill.json").read_text())
        return tuple(nll(lot(e.question), skill) for e in examples)

    def compute_gold_gradients(
        self,
        student: Student,
        seeds: Sequence[Example],
        dev: Sequence[Example],
        sketch_seed: int,
    ) -> tuple[ArrayFile, ArrayFile]:
        raise AssertionError("the fake student has no hidden states")


def lot(question: str) -> float:
    """A number between 0 and 1 that a question always has."""
    return int(hashlib.sha256(question.encode()).hexdigest()[:8], 16) / 16**8


def nll(luck: float, skill: int) -> float:
    return 1 + luck / (1 + skill)


def fake_train(run: Run) -> Callable[[Path, list[tuple[str, str]], int], Path]:
    def train(start: Path, texts: list[tuple[str, str]], seed: int) -> Path:
        out = run.workspace / "student"
        out.with_suffix(".tmp").mkdir(exist_ok=True)
        (out.with_suffix(".tmp") / "skill.json").write_text(
            str(int((start / "skill.json").read_text()) + len(texts))
        )
        publish_path(out.with_suffix(".tmp"), out)
        return out

    return train


def tiny_student(
    folder: Path,
    *,
    architecture: str = "llama",
    seed: int = 0,
    chat_template: str | None = CHAT_TEMPLATE,
) -> Path:
    """A model of a few thousand parameters with random weights, saved like any other: every part
    of the real path.

    architecture: a model type of transformers whose config takes the usual names (llama, qwen2,
    mistral, …).
    """
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    special = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
    vocabulary = {
        token: i
        for i, token in enumerate(
            [*special, *sorted(pre_tokenizers.ByteLevel.alphabet())]
        )
    }
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>"
    )
    if chat_template is not None:
        fast.chat_template = chat_template
    shape = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "initializer_range": 0.5,  # logits that differ, so that its answers do
    }
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(vocabulary),
        **shape,
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=None,
        max_position_embeddings=2048,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder
