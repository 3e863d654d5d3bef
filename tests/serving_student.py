"""A real OpenAI-compatible completions server for tests: a tiny student, decoded by teachback's
own decoding.

python tests/serving_student.py FOLDER --port N     /v1/models, /v1/completions,
/v1/load_lora_adapter, /v1/unload_…

It answers as vLLM does: token ids as "token_id:N" where they are asked for, log-probabilities at
temperature 1 with the end token's among them, finish_reason, usage. Adapters may be peft's or
whole folders.
"""

import argparse
import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import torch
from aiohttp import web

from teachback.student.attempt import decode_text, make_stop_check
from teachback.student.decode import decode_batch
from teachback.student.decode_log import DecodedAnswer
from teachback.student.inference import InferenceModel, load_for_inference
from teachback.student.loading import load_student
from teachback.student.sampling import Sampling


@dataclass(frozen=True)
class Service:
    """The base student, and by name whatever was loaded since. One decoding at a time."""

    base: str
    folder: Path
    students: dict[str, InferenceModel]
    lock: asyncio.Lock

    async def models(self, http: web.Request) -> web.Response:
        return web.json_response(
            {
                "object": "list",
                "data": [{"id": name, "object": "model"} for name in self.students],
            }
        )

    async def completions(self, http: web.Request) -> web.Response:
        body = await http.json()
        student = self.students.get(body["model"])
        if student is None:
            return refused(404, f"The model `{body['model']}` does not exist.")
        prompt = body["prompt"]
        if isinstance(prompt, str):
            prompt = student.tokenizer(prompt, add_special_tokens=False).input_ids
        if body.get("temperature", 1.0) == 0 and body.get("n", 1) > 1:
            return refused(400, "n must be 1 when using greedy sampling")
        async with self.lock:
            decoded = await asyncio.to_thread(decoded_by, student, prompt, body)
        choices = [
            choice(student, prompt, body, i, one) for i, one in enumerate(decoded)
        ]
        total = sum(len(one.tokens) for one in decoded)
        usage = {
            "prompt_tokens": len(prompt),
            "completion_tokens": total,
            "total_tokens": len(prompt) + total,
        }
        return web.json_response(
            {
                "object": "text_completion",
                "model": body["model"],
                "choices": choices,
                "usage": usage,
            }
        )

    async def load(self, http: web.Request) -> web.Response:
        body = await http.json()
        if body["lora_name"] in self.students:
            return refused(
                400, f"The lora adapter '{body['lora_name']}' has already been loaded."
            )
        path = Path(body["lora_path"])
        if not path.is_dir():
            return refused(404, f"No adapter found for {path}")
        async with self.lock:
            loaded = await asyncio.to_thread(self.adapted, path)
        self.students[body["lora_name"]] = loaded
        return web.Response(text="Success")

    async def unload(self, http: web.Request) -> web.Response:
        name = (await http.json())["lora_name"]
        return (
            web.Response(text="Success")
            if self.students.pop(name, None)
            else refused(404, f"no adapter {name}")
        )

    def adapted(self, path: Path) -> InferenceModel:
        return (
            load_for_inference(path)
            if not (path / "adapter_config.json").exists()
            else merged(self.folder, path)
        )


def merged(base: Path, adapter: Path) -> InferenceModel:
    """The student that a peft adapter makes of the base."""
    from peft import PeftModel

    loaded = load_student(base)
    with TemporaryDirectory() as folder:
        PeftModel.from_pretrained(
            loaded.model, adapter
        ).merge_and_unload().save_pretrained(folder)
        loaded.tokenizer.save_pretrained(folder)
        return load_for_inference(Path(folder))


def refused(status: int, message: str) -> web.Response:
    return web.json_response(
        {"error": {"message": message, "code": status}}, status=status
    )


def decoded_by(
    student: InferenceModel, prompt: list[int], body: dict[str, Any]
) -> list[DecodedAnswer]:
    """n answers; the j-th takes the seed after the one before it, as vLLM's do."""
    n, temperature, stop = (
        body.get("n", 1),
        body.get("temperature", 1.0),
        body.get("stop") or [],
    )
    draws = [Random(body.get("seed", 0) + j) for j in range(n)]
    sampling = Sampling(temperature, draws) if temperature else None
    return decode_batch(
        student,
        [prompt] * n,
        body.get("max_tokens", 16),
        sampling,
        make_stop_check(student, stop),
    )


def choice(
    student: InferenceModel,
    prompt: list[int],
    body: dict[str, Any],
    index: int,
    one: DecodedAnswer,
) -> dict[str, Any]:
    words = decode_text(student, one.tokens)
    for text in body.get("stop") or []:
        words = words.partition(text)[0]
    finish = "stop" if one.has_ended else "length"
    logprobs = (
        None if body.get("logprobs") is None else said(student, prompt, body, one)
    )
    return {
        "index": index,
        "text": words,
        "finish_reason": finish,
        "logprobs": logprobs,
    }


def said(
    student: InferenceModel, prompt: list[int], body: dict[str, Any], one: DecodedAnswer
) -> dict[str, Any]:
    def name(token: int) -> str:
        return (
            f"token_id:{token}"
            if body.get("return_tokens_as_token_ids")
            else student.tokenizer.decode([token])
        )

    nll = one.signals.nll.tolist()
    tops = [
        {name(token): value for token, value in [(chosen, -x), *top]}
        for chosen, x, top in zip(
            one.tokens, nll, likely(student, prompt, one, body["logprobs"]), strict=True
        )
    ]
    return {
        "tokens": [name(token) for token in one.tokens],
        "token_logprobs": [-x for x in nll],
        "top_logprobs": tops,
    }


def likely(
    student: InferenceModel, prompt: list[int], one: DecodedAnswer, top: int
) -> Iterator[list[tuple[int, float]]]:
    """The most likely tokens of each position, by a pass over the finished answer."""
    with torch.inference_mode():
        logits = (
            student.model(torch.tensor([prompt + one.tokens]))
            .logits[0, len(prompt) - 1 : -1]
            .float()
        )
    found = logits.log_softmax(-1).topk(top)
    for values, tokens in zip(
        found.values.tolist(), found.indices.tolist(), strict=True
    ):
        yield list(zip(tokens, values, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    service = Service(
        str(given.folder),
        given.folder,
        {str(given.folder): load_for_inference(given.folder)},
        asyncio.Lock(),
    )
    app = web.Application()
    app.router.add_get("/v1/models", service.models)
    app.router.add_post("/v1/completions", service.completions)
    app.router.add_post("/v1/load_lora_adapter", service.load)
    app.router.add_post("/v1/unload_lora_adapter", service.unload)
    web.run_app(app, host="127.0.0.1", port=given.port, print=None)


if __name__ == "__main__":
    main()
