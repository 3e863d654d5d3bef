"""Our accuracy on GSM8K against lm-eval's: 50 items, one student, and every difference explained.

Both ask the same folder the same messages, greedily and in float32. lm-eval's side is its own: HFLM and `evaluate` on
its gsm8k.yaml, of which only the place of the data, the message (ours, without its five examples) and the number of
new tokens are changed; stop strings, filters and metric are as published. Compared are the prompts' tokens, the texts,
and the verdicts: ours, strict-match and flexible-extract.

A small student is seldom right, and equal zeros say little. So the three judge a second set: the items' gold solutions,
each in all the forms of bench/rewritten.py.

The gate: the same prompts; every difference has a reason from the fixed lists of bench/reasons.py; and ours says of
each rewritten solution what a careful reader would. `ratio` is the share of the differences that is explained.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from bench.against import Outcome, fresh, peak_mib
from bench.reasons import (
    FILTERS,
    REASONS,
    STRICT,
    TEXT_REASONS,
    Judged,
    Row,
    differences,
    facts_of,
    parting,
)
from bench.rewritten import Form, forms, mistakes_of, table
from teachback.metrics.accuracy import graded, report
from teachback.student.attempt import summarise
from teachback.student.chat import Chat, prompt_ids
from teachback.student.decode import Decoded, decode
from teachback.student.folder import SMOLLM2, resolve
from teachback.student.frozen import Frozen, freeze, head
from teachback.tasks import gsm8k
from teachback.types import Attempt

BATCH, SEED = 25, 0


class Doc(NamedTuple):
    """A row of lm-eval's data set. answer: the published solution, with its "#### 18"."""

    message: str
    answer: str


class Theirs(NamedTuple):
    answers: list[Judged]
    prompts: list[list[int]]
    accuracy: dict[str, float]
    stops: list[str]
    rewritten: list[Judged]


class Ours(NamedTuple):
    """gaps: by an item's id, where our text is not lm-eval's: see `gap`."""

    attempts: list[Attempt]
    prompts: list[list[int]]
    gaps: dict[str, float]
    rss_mib: float


@dataclass(frozen=True)
class Given:
    """Stands where lm-eval's model does, and answers with the texts that it was given."""

    texts: Sequence[str]
    rank: int = field(default=0, init=False)
    world_size: int = field(default=1, init=False)

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        return [self.texts[request.doc_id] for request in requests]


def bench(quick: bool, student: str = SMOLLM2) -> Outcome:
    count, limit = (3, 12) if quick else (50, 160)
    data = Path(
        os.environ.get("TEACHBACK_DATA", Path(__file__).parents[1] / "../shared/data")
    )
    task = gsm8k.load(path=data, seeds=1, dev=1, test=count, seed=SEED)
    docs = {e.id: Doc(task.prompt(e.question), str(e.solution)) for e in task.test}
    written = [(e, form) for e in task.test if e.answer != "0" for form in forms(e)]

    folder, identity = resolve(student)
    texts = [(docs[e.id], form.text) for e, form in written]
    their = fresh(theirs, str(folder), [*docs.values()], limit, texts)
    our = fresh(
        ours, str(folder), docs, limit, [judged.text for judged in their.answers]
    )

    answers = [
        Row(e.id, str(e.answer), a.text, graded(task, e, a), judged)
        for e, a, judged in zip(task.test, our.attempts, their.answers, strict=True)
    ]
    attempts = [
        Attempt(form.name, form.text, 1, form.cut_off, 0.0) for _, form in written
    ]
    rewritten = [
        Row(a.id, str(e.answer), a.text, graded(task, e, a), judged)
        for (e, _), a, judged in zip(written, attempts, their.rewritten, strict=True)
    ]
    work = {
        "student": identity,
        "task": "gsm8k_test",
        "items": count,
        "seed": SEED,
        "max_new_tokens": limit,
    }
    accuracy = {
        "ours": report(task, "test", task.test, our.attempts).accuracy
    } | their.accuracy
    return outcome(
        work, accuracy, our, their, answers, rewritten, [form for _, form in written]
    )


def outcome(
    work: Mapping[str, Any],
    accuracy: Mapping[str, float],
    our: Ours,
    their: Theirs,
    answers: Sequence[Row],
    rewritten: Sequence[Row],
    written: Sequence[Form],
) -> Outcome:
    parted = [
        parting(row, their.stops, our.gaps[row.name])
        for row in answers
        if row.text != row.theirs.text
    ]
    reasons = [one["reason"] for one in parted]
    reasons += [one.reason for one in (*differences(answers), *differences(rewritten))]
    explained = sum(why is not None for why in reasons)
    mistakes = mistakes_of(written, rewritten)
    facts: dict[str, Any] = {
        "work": {
            **work,
            "batch": BATCH,
            "threads": 1,
            "dtype": "float32",
            "stops_of_lm_eval": their.stops,
        },
        "versions_compared": {
            name: version(name)
            for name in ("lm-eval", "torch", "transformers", "datasets")
        },
        "same_prompts": sum(
            a == b for a, b in zip(our.prompts, their.prompts, strict=True)
        ),
        "same_texts": len(answers) - len(parted),
        "different_texts": parted,
        "accuracy": accuracy,
        "answers": facts_of(answers),
        "rewritten": facts_of(rewritten)
        | {"mistakes": mistakes, "forms": table(written, rewritten)},
        "reasons": {name: one.words for name, one in REASONS.items()} | TEXT_REASONS,
    }
    same = (
        our.prompts == their.prompts
        and explained == len(reasons)
        and not mistakes["ours"]
    )
    return Outcome(
        explained / len(reasons) if reasons else 1.0, 1.0, same, our.rss_mib, facts
    )


def theirs(
    folder: str, docs: Sequence[Doc], limit: int, texts: Sequence[tuple[Doc, str]]
) -> Theirs:
    """lm-eval on the student, and on texts that someone else wrote."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from lm_eval.models.huggingface import HFLM

    torch.set_num_threads(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = HFLM(pretrained=folder, dtype="float32", device=device, batch_size=BATCH)
    config = published(limit)
    answers, accuracy = evaluated(model, config, docs, chat=True)
    rewritten, _ = evaluated(
        Given([text for _, text in texts]),
        config,
        [doc for doc, _ in texts],
        chat=False,
    )
    prompts = [model.tok_batch_encode([one.prompt])[0][0].tolist() for one in answers]
    stops = [
        *config["generation_kwargs"]["until"],
        model.tok_decode(model.eot_token_id, skip_special_tokens=False),
    ]
    return Theirs(answers, prompts, accuracy, [*dict.fromkeys(stops)], rewritten)


def published(limit: int) -> dict[str, Any]:
    """lm-eval's own task file, asking our message of our data."""
    import lm_eval
    import yaml

    file = Path(lm_eval.__file__).parent / "tasks" / "gsm8k" / "gsm8k.yaml"
    config: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    config |= {
        "dataset_path": "json",
        "dataset_name": None,
        "training_split": None,
        "fewshot_split": None,
    }
    config |= {"doc_to_text": "{{message}}", "num_fewshot": 0}
    config["generation_kwargs"]["max_gen_toks"] = limit
    return config


def evaluated(
    model: Any, config: Mapping[str, Any], docs: Sequence[Doc], chat: bool
) -> tuple[list[Judged], dict[str, float]]:
    """In the order of the docs; and the accuracy that lm-eval reports, by filter."""
    from lm_eval.evaluator import evaluate
    from lm_eval.tasks import TaskManager

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "docs.jsonl"
        file.write_text(
            "".join(json.dumps(doc._asdict()) + "\n" for doc in docs), encoding="utf-8"
        )
        kwargs = {"data_files": {"test": str(file)}, "cache_dir": folder}
        task = TaskManager(include_defaults=False).load(
            [{**config, "dataset_kwargs": kwargs}]
        )
        found = evaluate(
            lm=model, task_dict=task, bootstrap_iters=0, apply_chat_template=chat
        )
    samples = {(one["doc_id"], one["filter"]): one for one in found["samples"]["gsm8k"]}
    judged = [
        Judged(
            samples[at, STRICT]["arguments"][0][0],
            samples[at, STRICT]["resps"][0][0],
            {
                f: (
                    samples[at, f]["filtered_resps"][0],
                    bool(samples[at, f]["exact_match"]),
                )
                for f in FILTERS
            },
        )
        for at in range(len(docs))
    ]
    return judged, {
        name: float(found["results"]["gsm8k"][f"exact_match,{name}"])
        for name in FILTERS
    }


def ours(
    folder: str, docs: Mapping[str, Doc], limit: int, texts: Sequence[str]
) -> Ours:
    """texts: lm-eval's answers."""
    import torch

    torch.set_num_threads(1)
    student = freeze(Path(folder))
    prompts = [prompt_ids(student, Chat(), doc.message) for doc in docs.values()]
    decoded = [
        one
        for at in range(0, len(prompts), BATCH)
        for one in decode(student, prompts[at : at + BATCH], limit)
    ]
    attempts = [
        summarise(student, id, one, ()) for id, one in zip(docs, decoded, strict=True)
    ]
    gaps = {
        attempt.id: gap(student, prompt, one, text)
        for attempt, prompt, one, text in zip(
            attempts, prompts, decoded, texts, strict=True
        )
        if attempt.text != text
    }
    return Ours(attempts, prompts, gaps, peak_mib())


def gap(student: Frozen, prompt: Sequence[int], decoded: Decoded, text: str) -> float:
    """Between the two largest logits for the token with which our answer leaves the other text; asked alone."""
    import torch

    tokens = decoded.tokens
    starts = (
        student.tokenizer.decode(tokens[:n], skip_special_tokens=True)
        for n in range(len(tokens))
    )
    shared = sum(text.startswith(start) for start in starts) - 1
    with torch.inference_mode():
        ids = torch.tensor([[*prompt, *tokens[:shared]]], device=student.device)
        logits_V = head(
            student,
            student.decoder(input_ids=ids, use_cache=False).last_hidden_state[0, -1:],
        )[0]
    first, second = logits_V.float().topk(2).values.tolist()
    return float(first - second)
