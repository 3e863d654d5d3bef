"""Our accuracy on GSM8K against lm-eval's: 50 items, one student, each difference explained.

Both ask the same student the same messages, greedily and in float32. lm-eval's side is
its own: HFLM and `evaluate` on its gsm8k.yaml. Only the data's path, the message (ours,
without its five examples) and the number of new tokens are changed; stop strings,
filters and metric are as published. We compare the prompts' tokens, the texts, and the
verdicts of three graders: ours, strict-match and flexible-extract.

A small student is seldom right, and equal zeros say little. So the three also grade the
items' gold solutions in all the forms of bench/rewritten.py.

The gate: the prompts are the same; every difference has a reason from the fixed lists of
bench/reasons.py; and ours grades each rewritten solution as a careful reader would.
`ratio` is the share of the differences that is explained.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from bench.data import data_folder
from bench.outcome import Outcome
from bench.process import peak_mib, run_fresh
from bench.reasons import (
    FILTERS,
    REASONS,
    STRICT,
    TEXT_REASONS,
    PeerVerdict,
    Row,
    describe_parting,
    find_differences,
    summarise,
)
from bench.rewritten import Form, count_by_form, count_mistakes, solution_forms
from teachback.metrics.accuracy import grade_attempt, make_report
from teachback.student.attempt import summarise_attempt as summarise_answer
from teachback.student.chat import Chat, prompt_ids
from teachback.student.decode import decode_batch
from teachback.student.decode_log import DecodedAnswer
from teachback.student.folder import SMOLLM2, resolve_model
from teachback.student.inference import InferenceModel, apply_head, load_for_inference
from teachback.tasks import gsm8k
from teachback.types import Attempt, Example, Task

BATCH = 25
SEED = 0
LIBRARIES = ("lm-eval", "torch", "transformers", "datasets")


class Doc(NamedTuple):
    """A row of lm-eval's data set."""

    message: str
    # The published solution, with its "#### 18".
    answer: str


class PeerResults(NamedTuple):
    answers: list[PeerVerdict]
    prompts: list[list[int]]
    accuracy: dict[str, float]
    stops: list[str]
    rewritten: list[PeerVerdict]


class OurResults(NamedTuple):
    attempts: list[Attempt]
    prompts: list[list[int]]
    # By an item's id, where our text is not lm-eval's: see `logit_gap`.
    gaps: dict[str, float]
    rss_mib: float


@dataclass(frozen=True)
class FixedAnswers:
    """Takes the place of lm-eval's model, and answers with fixed texts."""

    texts: Sequence[str]
    rank: int = field(default=0, init=False)
    world_size: int = field(default=1, init=False)

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        return [self.texts[request.doc_id] for request in requests]


def bench(quick: bool, student: str = SMOLLM2) -> Outcome:
    count, max_new_tokens = (3, 12) if quick else (50, 160)
    task = gsm8k.load_gsm8k(path=data_folder(), seeds=1, dev=1, test=count, seed=SEED)
    docs = {one.id: make_doc(task, one) for one in task.test}
    forms = forms_of(task.test)

    folder, identity = resolve_model(student)
    texts = [(docs[example.id], form.text) for example, form in forms]
    peer = run_fresh(run_lm_eval, str(folder), [*docs.values()], max_new_tokens, texts)
    peer_texts = [verdict.text for verdict in peer.answers]
    ours = run_fresh(run_ours, str(folder), docs, max_new_tokens, peer_texts)

    answers = []
    for example, attempt, verdict in zip(
        task.test, ours.attempts, peer.answers, strict=True
    ):
        answers.append(make_row(task, example, attempt, verdict))
    rewritten = []
    for (example, form), verdict in zip(forms, peer.rewritten, strict=True):
        attempt = Attempt(form.name, form.text, 1, form.cut_off, 0.0)
        rewritten.append(make_row(task, example, attempt, verdict))

    work = {
        "student": identity,
        "task": "gsm8k_test",
        "items": count,
        "seed": SEED,
        "max_new_tokens": max_new_tokens,
    }
    report = make_report(task, "test", task.test, ours.attempts)
    accuracy = {"ours": report.accuracy, **peer.accuracy}
    written = [form for _, form in forms]
    return make_outcome(work, accuracy, ours, peer, answers, rewritten, written)


def make_doc(task: Task, example: Example) -> Doc:
    return Doc(task.prompt(example.question), str(example.solution))


def forms_of(examples: Sequence[Example]) -> list[tuple[Example, Form]]:
    forms = []
    for example in examples:
        if example.answer != "0":
            forms += [(example, form) for form in solution_forms(example)]
    return forms


def make_row(
    task: Task, example: Example, attempt: Attempt, verdict: PeerVerdict
) -> Row:
    """Named after the attempt: an item's id or a form's name."""
    grade = grade_attempt(task, example, attempt)
    return Row(attempt.id, str(example.answer), attempt.text, grade, verdict)


def make_outcome(
    work: Mapping[str, Any],
    accuracy: Mapping[str, float],
    ours: OurResults,
    peer: PeerResults,
    answers: Sequence[Row],
    rewritten: Sequence[Row],
    forms: Sequence[Form],
) -> Outcome:
    partings = [
        describe_parting(row, peer.stops, ours.gaps[row.name])
        for row in answers
        if row.text != row.peer.text
    ]
    differences = [*find_differences(answers), *find_differences(rewritten)]
    reasons = [one["reason"] for one in partings] + [one.reason for one in differences]
    n_explained = sum(reason is not None for reason in reasons)
    mistakes = count_mistakes(forms, rewritten)
    facts: dict[str, Any] = {
        "work": {
            **work,
            "batch": BATCH,
            "threads": 1,
            "dtype": "float32",
            "stops_of_lm_eval": peer.stops,
        },
        "versions_compared": {name: version(name) for name in LIBRARIES},
        "same_prompts": sum(
            a == b for a, b in zip(ours.prompts, peer.prompts, strict=True)
        ),
        "same_texts": len(answers) - len(partings),
        "different_texts": partings,
        "accuracy": accuracy,
        "answers": summarise(answers),
        "rewritten": {
            **summarise(rewritten),
            "mistakes": mistakes,
            "forms": count_by_form(forms, rewritten),
        },
        "reasons": {
            **{name: reason.words for name, reason in REASONS.items()},
            **TEXT_REASONS,
        },
    }
    same = ours.prompts == peer.prompts
    same = same and n_explained == len(reasons) and not mistakes["ours"]
    ratio = n_explained / len(reasons) if reasons else 1.0
    return Outcome(ratio, 1.0, same, ours.rss_mib, facts)


def run_lm_eval(
    folder: str,
    docs: Sequence[Doc],
    max_new_tokens: int,
    texts: Sequence[tuple[Doc, str]],
) -> PeerResults:
    """lm-eval on the student, and on fixed texts."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from lm_eval.models.huggingface import HFLM

    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = HFLM(pretrained=folder, dtype="float32", device=device, batch_size=BATCH)
    config = lm_eval_config(max_new_tokens)
    answers, accuracy = evaluate_docs(model, config, docs, chat=True)
    fixed_answers = FixedAnswers([text for _, text in texts])
    rewritten, _ = evaluate_docs(
        fixed_answers, config, [doc for doc, _ in texts], chat=False
    )

    prompts = [model.tok_batch_encode([one.prompt])[0][0].tolist() for one in answers]
    end = model.tok_decode(model.eot_token_id, skip_special_tokens=False)
    stops = [*dict.fromkeys([*config["generation_kwargs"]["until"], end])]
    return PeerResults(answers, prompts, accuracy, stops, rewritten)


def lm_eval_config(max_new_tokens: int) -> dict[str, Any]:
    """lm-eval's own task file, with our message and our data."""
    import lm_eval
    import yaml

    file = Path(lm_eval.__file__).parent / "tasks" / "gsm8k" / "gsm8k.yaml"
    config: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    config |= {
        "dataset_path": "json",
        "dataset_name": None,
        "training_split": None,
        "fewshot_split": None,
        "doc_to_text": "{{message}}",
        "num_fewshot": 0,
    }
    config["generation_kwargs"]["max_gen_toks"] = max_new_tokens
    return config


def evaluate_docs(
    model: Any, config: Mapping[str, Any], docs: Sequence[Doc], chat: bool
) -> tuple[list[PeerVerdict], dict[str, float]]:
    """Verdicts in the order of the docs, and lm-eval's accuracy by filter."""
    from lm_eval.evaluator import evaluate
    from lm_eval.tasks import TaskManager

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "docs.jsonl"
        lines = [json.dumps(doc._asdict()) + "\n" for doc in docs]
        file.write_text("".join(lines), encoding="utf-8")
        kwargs = {"data_files": {"test": str(file)}, "cache_dir": folder}
        task = TaskManager(include_defaults=False).load(
            [{**config, "dataset_kwargs": kwargs}]
        )
        results = evaluate(
            lm=model, task_dict=task, bootstrap_iters=0, apply_chat_template=chat
        )

    samples: dict[int, dict[str, Any]] = {}
    for sample in results["samples"]["gsm8k"]:
        samples.setdefault(sample["doc_id"], {})[sample["filter"]] = sample
    verdicts = [peer_verdict(samples[i]) for i in range(len(docs))]
    scores = results["results"]["gsm8k"]
    accuracy = {name: float(scores[f"exact_match,{name}"]) for name in FILTERS}
    return verdicts, accuracy


def peer_verdict(by_filter: Mapping[str, Any]) -> PeerVerdict:
    """by_filter: lm-eval's samples of one doc."""
    first = by_filter[STRICT]
    extracts = {}
    for name in FILTERS:
        sample = by_filter[name]
        extracts[name] = sample["filtered_resps"][0], bool(sample["exact_match"])
    return PeerVerdict(first["arguments"][0][0], first["resps"][0][0], extracts)


def run_ours(
    folder: str, docs: Mapping[str, Doc], max_new_tokens: int, peer_texts: Sequence[str]
) -> OurResults:
    import torch

    torch.set_num_threads(1)
    student = load_for_inference(Path(folder))
    prompts = [prompt_ids(student, Chat(), doc.message) for doc in docs.values()]
    answers: list[DecodedAnswer] = []
    for start in range(0, len(prompts), BATCH):
        answers += decode_batch(student, prompts[start : start + BATCH], max_new_tokens)

    attempts = []
    gaps = {}
    for id, prompt, answer, peer_text in zip(
        docs, prompts, answers, peer_texts, strict=True
    ):
        attempt = summarise_answer(student, id, answer, ())
        attempts.append(attempt)
        if attempt.text != peer_text:
            gaps[id] = logit_gap(student, prompt, answer, peer_text)
    return OurResults(attempts, prompts, gaps, peak_mib())


def logit_gap(
    student: InferenceModel,
    prompt: Sequence[int],
    answer: DecodedAnswer,
    peer_text: str,
) -> float:
    """Between the two largest logits where our answer leaves the other text.

    The prompt is read alone, not in a batch.
    """
    import torch

    n_shared = shared_tokens(student, answer.tokens, peer_text)
    ids = [[*prompt, *answer.tokens[:n_shared]]]
    with torch.inference_mode():
        ids_1_T = torch.tensor(ids, device=student.device)
        output = student.decoder(input_ids=ids_1_T, use_cache=False)
        logits_V = apply_head(student, output.last_hidden_state[0, -1:])[0]
    first, second = logits_V.float().topk(2).values.tolist()
    return float(first - second)


def shared_tokens(
    student: InferenceModel, tokens: Sequence[int], peer_text: str
) -> int:
    """How many of our tokens the other text begins with."""
    beginnings = 0
    for n in range(len(tokens)):
        text = student.tokenizer.decode(tokens[:n], skip_special_tokens=True)
        beginnings += peer_text.startswith(text)
    return beginnings - 1
