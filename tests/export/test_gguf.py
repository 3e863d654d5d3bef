"""A student as GGUF: transformers reads the file back, and computes the same."""

from pathlib import Path
from typing import Any

import pytest

from architectures import build
from exportable import LLAMA3_ROPE, build_student, split_by, split_digits
from teachback.errors import StudentError
from teachback.export.student.gguf_file import write_gguf
from teachback.export.student.gguf_model import compute_rope_factors
from teachback.export.student.gguf_vocabulary import (
    LLAMA3_PATTERN,
    QWEN2_PATTERN,
    begins_with_bos,
)
from teachback.export.student.gguf_weights import Quantization
from teachback.export.student.saved_student import read_student
from teachback.student.chat import Chat

CHAT = Chat()
PROMPT = "<|im_start|>user\nTom has 12 pears. What's 2 + 3?<|im_end|>\n"
TIED = {"tie_word_embeddings": True}


def write(
    student: Path, out: Path, quantization: Quantization = "f16", chat: Chat = CHAT
) -> Path:
    write_gguf(read_student(student), chat, "a student", quantization, out)
    return out


def read_fields(path: Path) -> dict[str, Any]:
    """The file's metadata, without its lists."""
    import gguf

    fields = gguf.GGUFReader(path).fields
    is_list = gguf.GGUFValueType.ARRAY
    return {
        name: field.contents()
        for name, field in fields.items()
        if field.types[:1] != [is_list]
    }


def compute_logits(folder: Path, **options: str) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from teachback.student.loading import silence_transformers

    silence_transformers()
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, **options
    ).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    ids = tokenizer(PROMPT, add_special_tokens=False).input_ids
    with torch.inference_mode():
        return ids, model(torch.tensor([ids])).logits[0]


@pytest.mark.parametrize(
    ("model_type", "changes"),
    [
        ("llama", {}),
        ("llama", TIED),
        ("mistral", {"sliding_window": None}),
        ("qwen2", TIED),
        # transformers takes this size of a head for granted when it reads the file.
        ("qwen3", {"head_dim": 128}),
    ],
)
def test_transformers_reads_the_same_model_and_tokenizer(
    model_type: str, changes: dict[str, Any], tmp_path: Path
) -> None:
    import torch

    source = build_student(tmp_path / "student", model_type, **changes)
    path = write(source, tmp_path / "out" / "student.gguf")
    ids, logits = compute_logits(source)
    read_ids, read_logits = compute_logits(path.parent, gguf_file=path.name)
    assert read_ids == ids
    assert len(ids) < len(PROMPT) // 2, "the tokenizer has merges"
    torch.testing.assert_close(read_logits, logits, rtol=0, atol=1e-4)


def test_biases_of_queries_and_keys_follow_their_rows(tmp_path: Path) -> None:
    """transformers doesn't read them back, so they are compared here."""
    import gguf
    from safetensors.numpy import load_file

    source = build_student(tmp_path / "student", attention_bias=True)
    path = write(source, tmp_path / "student.gguf")
    weights = load_file(source / "model.safetensors")
    stored = {tensor.name: tensor.data for tensor in gguf.GGUFReader(path).tensors}
    queries = weights["model.layers.0.self_attn.q_proj.bias"].reshape(4, 2, 4)
    assert (
        stored["blk.0.attn_q.bias"].reshape(4, 4, 2) == queries.swapaxes(1, 2)
    ).all()
    values = weights["model.layers.0.self_attn.v_proj.bias"]
    assert (stored["blk.0.attn_v.bias"] == values).all()


def test_q8_0_is_as_near_as_its_blocks_allow(tmp_path: Path) -> None:
    import gguf
    import numpy
    from safetensors.numpy import load_file

    source = build_student(tmp_path / "student")
    path = write(source, tmp_path / "student.gguf", "q8_0")
    weights = load_file(source / "model.safetensors")
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    assert len(stored) == len(weights)
    formats = {name: tensor.tensor_type.name for name, tensor in stored.items()}
    assert formats["blk.0.ffn_up.weight"] == "Q8_0"
    assert formats["blk.0.ffn_down.weight"] == "F16", "rows of 48 have no whole blocks"
    assert formats["blk.0.attn_norm.weight"] == "F32"
    original = weights["model.layers.0.mlp.up_proj.weight"]
    tensor = stored["blk.0.ffn_up.weight"]
    read = gguf.dequantize(tensor.data, tensor.tensor_type)
    largest = abs(original).max(axis=1, keepdims=True)  # a row is one block
    half_a_step, rounded_scale = largest / 127 / 2, largest / 2**11
    assert (abs(read - original) <= half_a_step + rounded_scale).all()
    assert not numpy.array_equal(read, original)


def test_the_metadata_is_what_llama_cpp_reads(tmp_path: Path) -> None:
    source = build_student(tmp_path / "student", "llama", rms_norm_eps=1e-5)
    fields = read_fields(write(source, tmp_path / "student.gguf"))
    assert fields.pop("llama.attention.layer_norm_rms_epsilon") == pytest.approx(1e-5)
    expected = {
        "general.architecture": "llama",
        "general.name": "a student",
        "general.file_type": 1,
        "llama.block_count": 2,
        "llama.context_length": 512,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.attention.key_length": 8,
        "llama.rope.dimension_count": 8,
        "llama.rope.freq_base": 10000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.chat_template": read_student(source).tokenizer.chat_template,
    }
    assert {name: fields.get(name) for name in expected} == expected
    assert not list(tmp_path.glob("*.tmp"))


def test_every_end_token_is_named(tmp_path: Path) -> None:
    source = build_student(tmp_path / "student", eos_token_id=[0, 2])
    fields = read_fields(write(source, tmp_path / "student.gguf"))
    assert fields["tokenizer.ggml.eos_token_id"] == 2, "the tokenizer's own"
    assert fields["tokenizer.ggml.eot_token_id"] == 0


def test_a_sliding_window_bounds_the_context(tmp_path: Path) -> None:
    source = build_student(tmp_path / "student", "mistral", sliding_window=100)
    fields = read_fields(write(source, tmp_path / "student.gguf"))
    assert fields["llama.context_length"] == 100


def test_llama_3_frequencies_are_the_models_own(tmp_path: Path) -> None:
    import gguf
    import numpy
    from transformers import AutoModelForCausalLM

    source = build_student(
        tmp_path / "student", head_dim=16, rope_parameters=LLAMA3_ROPE
    )
    path = write(source, tmp_path / "student.gguf")
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    factors = tensors["rope_freqs.weight"].data
    plain = 500000.0 ** (-2.0 * numpy.arange(8) / 16)
    model = AutoModelForCausalLM.from_pretrained(source)
    own = model.model.rotary_emb.inv_freq.numpy()
    assert plain / factors == pytest.approx(own, rel=1e-6)
    assert 1.0 == factors[0] < factors[-1] == 8.0
    assert (
        compute_rope_factors(read_student(build_student(tmp_path / "b")).config) is None
    )


# -- tokenizers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "make_pre_tokenizer", "ignore_merges"),
    [
        ("smollm", split_digits, False),
        ("qwen2", lambda: split_by(QWEN2_PATTERN), False),
        ("llama-bpe", lambda: split_by(LLAMA3_PATTERN), True),
    ],
)
def test_llama_cpp_is_told_how_texts_are_split(
    name: str, make_pre_tokenizer: Any, ignore_merges: bool, tmp_path: Path
) -> None:
    source = build_student(
        tmp_path / "student",
        pre_tokenizer=make_pre_tokenizer(),
        ignore_merges=ignore_merges,
    )
    fields = read_fields(write(source, tmp_path / "student.gguf"))
    assert fields["tokenizer.ggml.pre"] == name


def test_a_splitting_that_llama_cpp_has_no_name_for_is_refused(tmp_path: Path) -> None:
    source = build_student(tmp_path / "student", pre_tokenizer=split_by(r"\p{N}"))
    with pytest.raises(
        StudentError,
        match=r"splits texts by [\s\S]*allowed: gpt-2, smollm, llama-bpe, qwen2"
        r"[\s\S]*convert_hf_to_gguf.py",
    ):
        write(source, tmp_path / "student.gguf")
    assert not (tmp_path / "student.gguf").exists()


@pytest.mark.parametrize(
    ("adds_bos", "template", "expected"),
    [
        (False, "<|im_start|>{{ messages[0].content }}", False),
        (True, "<|im_start|>{{ messages[0].content }}", True),
        (True, "{{ messages[0].content }}", False),
    ],
)
def test_a_bos_token_is_added_where_the_student_was_taught_with_it(
    adds_bos: bool, template: str, expected: bool, tmp_path: Path
) -> None:
    source = build_student(tmp_path, adds_bos=adds_bos, chat_template=template)
    assert begins_with_bos(read_student(source), CHAT) is expected


# -- what is refused ---------------------------------------------------------------------


def test_other_models_are_refused_by_name(tmp_path: Path) -> None:
    source = build("gemma2", tmp_path / "student")
    with pytest.raises(
        StudentError,
        match=r"got: the model type gemma2\s+allowed: llama, mistral, qwen2, qwen3"
        r"[\s\S]*convert_hf_to_gguf.py",
    ):
        write(source, tmp_path / "student.gguf")


@pytest.mark.parametrize(
    ("model_type", "changes", "got"),
    [
        ("llama", {"hidden_act": "gelu"}, "hidden_act: gelu"),
        ("qwen2", {"rope_parameters": LLAMA3_ROPE}, "rope_type: llama3"),
        ("llama", {"eos_token_id": [0, 1, 2, 3]}, "4 end tokens"),
    ],
)
def test_what_llama_cpp_would_compute_otherwise_is_refused(
    model_type: str, changes: dict[str, Any], got: str, tmp_path: Path
) -> None:
    source = build_student(tmp_path / "student", model_type, **changes)
    with pytest.raises(StudentError, match=got):
        write(source, tmp_path / "student.gguf")
    assert not list(tmp_path.glob("student.gguf"))


def test_a_weight_that_f16_can_not_hold_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    source = build_student(tmp_path / "student")
    weights = load_file(source / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"][0, 0] = 1e6
    save_file(weights, source / "model.safetensors", {"format": "pt"})
    with pytest.raises(StudentError, match=r"1e\+06 in model.layers.1.mlp.up_proj"):
        write(source, tmp_path / "student.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["student"], "nothing is left"
