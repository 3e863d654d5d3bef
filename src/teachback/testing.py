"""Public fakes: a run without a model, in a second, and a tiny student that is a real one.

# the real loop, ledger, selection and curation, without torch
history = fake_run(Path("somewhere"), rounds=2)

# a llama of a few thousand parameters, with a chat template
folder = tiny_student(Path("tiny"))
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from .build.gatherers import make_gatherers
from .build.prepare import identity_sources
from .build.purchases import read_purchases
from .build.selection_steps import make_selection_steps
from .build.steps import make_parts
from .build.task import make_task
from .build.teacher import make_teacher
from .compare.places import RunPlace
from .config.config import Config
from .config.reading import make_config
from .config.run_identity import identify_config, list_free_settings
from .errors import explain_disk_errors
from .files.find_files import hash_row_files
from .ledger.ledger import Ledger
from .loop import History, teach
from .rng import draw
from .run.directory import Event, Run
from .run.files import hash_bytes, publish_path
from .run.inputs import make_inputs
from .student.measure import SamplingPlan, StudentAnswers
from .teachers.registered import TeacherRun
from .types import ArrayFile, Attempt, Attempts, Example, Grade, Row, Student, Task

CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL_TOKENS = ["<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>"]
# What the fake student is: the number of rows it was trained on.
SKILL_FILE = "skill.json"
UNKNOWN_ANSWER = "I don't know."


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
    place: RunPlace | None = None,
    listen: Callable[[Event], None] = lambda event: None,
    **changes: Any,
) -> History:
    """The real loop with a student that is a number: how many rows it has seen.

    It writes the same files and follows the same rules. place: the folder is that of an arm, which
    shares the comparison's ledger. changes: to `fake_config`.
    """
    config = fake_config(**changes)
    task = make_task(config.task, config.repeat)
    with Run(folder, keep=config.keep, listen=listen) as run:
        run.identify(
            identify_config(config),
            make_inputs(
                task,
                model="fake",
                precision="float32",
                teacher=hash_bytes(b"fake"),
                rows=hash_row_files(config.rows) if config.rows else None,
                sources=identity_sources(config, task),
            ),
            list_free_settings(config),
        )
        with Ledger(
            place.ledger if place else folder / "ledger.sqlite",
            arm=place.arm if place else "main",
            repeat=config.repeat,
            budget=config.budget.budget(),
            purchases=read_purchases(folder, is_judged=False),
        ) as ledger:
            teacher = make_teacher(
                config,
                task,
                TeacherRun(
                    ledger,
                    partial(draw, config.seed, config.repeat),
                    lambda text: len(text.split()),
                    hash_bytes(b"fake"),
                    refuse_reserve,
                ),
            )
            base = save_untrained_student(folder / "base")
            responder = FakeResponder(run, task)
            gatherers = make_gatherers(config, run, task, responder, ledger)
            selector = make_selection_steps(config, run, task, responder, gatherers)
            parts = make_parts(
                config,
                task,
                run,
                ledger,
                responder,
                selector,
                teacher,
                make_fake_train(run),
            )
            return teach(run, parts, base, task.seeds, config.rounds)


def refuse_reserve(settings: object) -> Any:
    raise AssertionError(
        "the fake student can't read a reserve: it has no hidden states"
    )


def save_untrained_student(folder: Path) -> Student:
    with explain_disk_errors(folder):
        folder.mkdir(exist_ok=True)
    write_skill(folder, 0)
    return Student("base")


@dataclass(frozen=True)
class FakeResponder:
    """Answers from the answer key. With more skill it knows more of it, and the loss falls.

    It has neither hidden states nor gradients: criteria that need them take a real student.
    """

    run: Run
    task: Task

    def answer_questions(
        self, student: Student, questions: Iterable[Example | Row]
    ) -> tuple[Attempt, ...]:
        skill = self.skill_of(student)
        return self.run.map(
            lambda shard: [self.answer(item, skill) for item in shard],
            list(questions),
            of=Attempt,
        )

    def answer(self, item: Example | Row, skill: int) -> Attempt:
        question = item.question
        text = None
        if question_luck(question) < known_share(skill):
            text = self.gold_answers.get(question)
        text = text or UNKNOWN_ANSWER
        nll = fake_nll(question, skill)
        return Attempt(item.id, text, len(text.split()), truncated=False, nll=nll)

    def skill_of(self, student: Student) -> int:
        return read_skill(self.run.path(student))

    @cached_property
    def gold_answers(self) -> Mapping[str, str | None]:
        examples = (*self.task.seeds, *self.task.dev)
        return {example.question: self.task.target(example) for example in examples}

    def collect_attempts(
        self,
        student: Student,
        pool: Sequence[Example],
        arrays: Sequence[str],
        sketch_seed: int,
    ) -> Attempts:
        assert not arrays, "the fake student has no hidden states"
        return Attempts(self.answer_questions(student, pool))

    def measure_answers(
        self, student: Student, examples: Sequence[Example]
    ) -> StudentAnswers:
        attempts = self.answer_questions(student, examples)
        return StudentAnswers(attempts, gold_nll=(None,) * len(examples))

    def sample_grades(
        self, student: Student, examples: Sequence[Example], samples: SamplingPlan
    ) -> tuple[tuple[Grade, ...], ...]:
        share = known_share(self.skill_of(student))
        grades: list[tuple[Grade, ...]] = []
        for example in examples:
            chance = share * question_luck(example.question)
            rolls = [samples.draw(example.id, k).random() for k in range(samples.n)]
            grades.append(tuple(fake_grade(example, roll < chance) for roll in rolls))
        return tuple(grades)

    def compute_gold_nll(
        self, student: Student, examples: Sequence[Example]
    ) -> tuple[float, ...]:
        skill = self.skill_of(student)
        return tuple(fake_nll(example.question, skill) for example in examples)

    def compute_gold_gradients(
        self,
        student: Student,
        seeds: Sequence[Example],
        dev: Sequence[Example],
        sketch_seed: int,
    ) -> tuple[ArrayFile, ArrayFile]:
        raise AssertionError("the fake student has no hidden states")


def known_share(skill: int) -> float:
    """The share of the answers that the fake student knows: it nears 1 as skill grows."""
    return skill / (skill + 10)


def question_luck(question: str) -> float:
    """A number from 0 to 1 that a question always has. The student learns small ones first."""
    return int(hashlib.sha256(question.encode()).hexdigest()[:8], 16) / 16**8


def fake_nll(question: str, skill: int) -> float:
    return 1 + question_luck(question) / (1 + skill)


def fake_grade(example: Example, is_right: bool) -> Grade:
    return Grade("right", example.answer, True) if is_right else Grade("wrong")


def read_skill(folder: Path) -> int:
    return int((folder / SKILL_FILE).read_text())


def write_skill(folder: Path, skill: int) -> None:
    path = folder / SKILL_FILE
    with explain_disk_errors(path):
        path.write_text(str(skill))


def make_fake_train(run: Run) -> Callable[[Path, list[tuple[str, str]], int], Path]:
    """train(start, texts, seed): a student with one more skill for each text."""

    def train(start: Path, texts: list[tuple[str, str]], seed: int) -> Path:
        folder = run.workspace / "student"
        aside = folder.with_suffix(".tmp")
        aside.mkdir(exist_ok=True)
        write_skill(aside, read_skill(start) + len(texts))
        publish_path(aside, folder)
        return folder

    return train


def tiny_student(
    folder: Path,
    *,
    architecture: str = "llama",
    seed: int = 0,
    chat_template: str | None = CHAT_TEMPLATE,
) -> Path:
    """A model of a few thousand random weights, saved like any other. Returns the folder.

    It takes every part of the real path. architecture: a model type of transformers whose config
    takes the usual names (llama, qwen2, mistral, …).
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    tokenizer = make_byte_tokenizer()
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        # Large enough for logits that differ. Otherwise all of its answers would be the same.
        initializer_range=0.5,
        eos_token_id=1,
        pad_token_id=0,
        bos_token_id=None,
        max_position_embeddings=2048,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def make_byte_tokenizer() -> Any:
    """A tokenizer of transformers with a token for each byte, and no merges."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = [*SPECIAL_TOKENS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIAL_TOKENS)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>"
    )
