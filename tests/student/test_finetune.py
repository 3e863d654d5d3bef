"""A step of finetuning is the same however its rows are batched: packed rows never see each
other, and none is lost.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from architectures import ARCHITECTURES, build
from teachback.errors import StudentError
from teachback.student.chat import Chat
from teachback.student.loading import LoadedStudent, load_student
from teachback.student.training import trainer
from teachback.student.training.batch import (
    TokenRow,
    count_batch_tokens,
    pack_batch,
    pad_batch,
    row_length,
    schedule_rows,
    split_micro_batches,
    tokenize_row,
    tokenize_rows,
)
from teachback.student.training.finetune import Recipe, RuntimeOptions, finetune
from teachback.student.training.head_loss import sum_nll_fused
from teachback.student.training.layout import (
    PADDED_LAYOUT,
    BatchLayout,
    choose_layout,
    compute_batch_loss,
)
from teachback.testing import tiny_student

CHAT = Chat(system="Be brief.")
ROWS = [(f"Count to {i}.", " ".join(map(str, range(i + 1)))) for i in range(1, 14)]
RECIPE = Recipe(lr=1e-2, epochs=2, rows_per_step=4)
CPU = torch.device("cpu")


def compute_plain_loss(student: LoadedStudent, row: TokenRow) -> Any:
    """Σ nll of a row's answer: one forward pass of it alone, with the head on every position."""
    logits = student.model(
        torch.tensor([row["prompt"] + row["answer"]]), use_cache=False
    ).logits[0]
    answer_logits_T_V = logits[len(row["prompt"]) - 1 : -1].float()
    return torch.nn.functional.cross_entropy(
        answer_logits_T_V, torch.tensor(row["answer"]), reduction="sum"
    )


def make_rows(student: LoadedStudent) -> list[TokenRow]:
    return tokenize_rows(student, CHAT, ROWS[:7])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_batches_that_are_trained_on_have_the_loss_and_gradients_of_the_rows_alone(
    name: str, tmp_path: Path
) -> None:
    student = load_student(build(name, tmp_path / name))
    rows = make_rows(student)
    layout = choose_layout(student.model, rows, pack=True)
    assert layout.is_packed, (
        "all of these can be packed: windows, soft caps, tied heads"
    )
    assert layout.is_fused == (name not in ("gemma2", "phi")), (
        "a soft cap behind the head, and a head with a bias, are not ours"
    )
    expected_loss = torch.stack(
        [compute_plain_loss(student, row) for row in rows]
    ).sum()
    expected_loss.backward()
    expected_gradients = {
        n: p.grad.clone() for n, p in student.model.named_parameters()
    }
    for micro_tokens in (1, 150, 10_000):
        for trial in {
            layout,
            BatchLayout(is_packed=True, is_fused=False),
            PADDED_LAYOUT,
        }:
            student.model.zero_grad()
            total = 0.0
            with trial.attention(student.model):
                for micro_batch in split_micro_batches(
                    rows, micro_tokens, trial.is_packed
                ):
                    loss = compute_batch_loss(student.model, micro_batch, trial, CPU)
                    loss.backward()
                    total += loss.item()
            assert total == pytest.approx(expected_loss.item(), rel=1e-5)
            for n, p in student.model.named_parameters():
                tolerance = 2e-4 * max(1.0, expected_gradients[n].abs().max().item())
                torch.testing.assert_close(
                    p.grad,
                    expected_gradients[n],
                    atol=tolerance,
                    rtol=0,
                    msg=f"{n} with {trial}",
                )
    assert student.model.config._attn_implementation != "teachback_apart", (
        "the model is left as it was"
    )


def test_rows_that_are_packed_without_being_kept_apart_would_be_noticed(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial itself: with rows as one long one, the model gives other logits, and is given
    padded rows.
    """
    student = load_student(tiny)
    monkeypatch.setattr(
        "teachback.student.training.layout.pack_batch",
        lambda rows: {**pack_batch(rows), "row_lengths": join_lengths(rows)},
    )

    def join_lengths(rows: Sequence[TokenRow]) -> tuple[int, ...]:
        return (sum(map(row_length, rows)) - len(rows),)

    assert choose_layout(student.model, make_rows(student), pack=True) == PADDED_LAYOUT
    assert choose_layout(student.model, make_rows(student), pack=False) == PADDED_LAYOUT


def test_a_model_with_a_state_that_is_carried_on_gets_padded_rows(
    tmp_path: Path,
) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    student = load_student(tiny_student(tmp_path))
    shape = {
        "vocab_size": student.model.config.vocab_size,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "state_size": 4,
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mamba = AutoModelForCausalLM.from_config(AutoConfig.for_model("mamba", **shape))
        for parameter in mamba.parameters():
            parameter.data.normal_(0, 1)
    assert choose_layout(mamba, make_rows(student), pack=True) == PADDED_LAYOUT


def test_dropout_in_attention_is_not_lost_by_packing(tmp_path: Path) -> None:
    student = load_student(tiny_student(tmp_path))
    for layer in student.model.model.layers:
        layer.self_attn.attention_dropout = 0.5
    assert choose_layout(student.model, make_rows(student), pack=True) == PADDED_LAYOUT


def test_packed_rows_have_no_mask_and_positions_of_their_own(tiny: Path) -> None:
    rows = make_rows(load_student(tiny))
    batch = pack_batch(rows)
    assert "attention_mask" not in batch
    assert batch["use_cache"] is False
    assert batch["input_ids"].shape == (1, sum(map(row_length, rows)) - len(rows))
    starts = (batch["position_ids"][0] == 0).nonzero()[:, 0].tolist()
    assert [b - a for a, b in pairwise([*starts, batch["input_ids"].shape[1]])] == list(
        batch["row_lengths"]
    )
    assert batch["labels"].tolist() == [
        token for row in rows for token in row["answer"]
    ]
    assert int(batch["logits_to_keep"].sum()) == len(batch["labels"])


@given(
    st.lists(
        st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=20
    ),
    st.integers(1, 300),
    st.booleans(),
)
def test_micro_batches_hold_every_row_in_order_within_the_budget(
    lengths: list[tuple[int, int]], micro_tokens: int, pack: bool
) -> None:
    rows = [
        TokenRow(prompt=[i] * p, answer=[i] * a) for i, (p, a) in enumerate(lengths)
    ]
    micro_batches = list(split_micro_batches(rows, micro_tokens, pack))
    assert [row for micro_batch in micro_batches for row in micro_batch] == rows
    for micro_batch in micro_batches:
        assert (
            len(micro_batch) == 1
            or count_batch_tokens(micro_batch, pack) <= micro_tokens
        )
        assert count_batch_tokens(micro_batch, pack) == (
            sum(map(row_length, micro_batch))
            if pack
            else pad_batch(micro_batch)["input_ids"].numel()
        )
    for a, b in pairwise(micro_batches):
        assert count_batch_tokens([*a, b[0]], pack) > micro_tokens, (
            "no micro-batch is smaller than it need be"
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_fused_head_is_the_cross_entropy_of_its_logits(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In blocks smaller than the rows, and with a factor behind it."""
    monkeypatch.setattr("teachback.student.training.head_loss.MAX_LOGITS", 5 * 40)
    monkeypatch.setattr("teachback.student.training.head_loss.REDUCED_LOGITS", 2 * 40)
    generator = torch.Generator().manual_seed(1)
    hidden = torch.randn(13, 8, generator=generator)
    weight = torch.randn(40, 8, generator=generator)
    labels = torch.randint(0, 40, (13,), generator=generator)
    results = []
    for is_fused in (True, False):
        h = hidden.clone().requires_grad_()
        w = weight.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            if is_fused:
                loss = sum_nll_fused(h, w, labels)
            else:
                loss = torch.nn.functional.cross_entropy(
                    (h @ w.T).float(), labels, reduction="sum"
                )
        (loss / 7).backward()
        results.append((loss.detach(), h.grad, w.grad))
    for fused_tensor, plain_tensor in zip(*results, strict=True):
        assert fused_tensor.dtype == plain_tensor.dtype == torch.float32
        torch.testing.assert_close(
            fused_tensor,
            plain_tensor,
            **({} if dtype == torch.float32 else {"atol": 2e-2, "rtol": 2e-2}),
        )


def train(start: Path, folder: Path, recipe: Recipe = RECIPE, **options: Any) -> Path:
    return finetune(
        start,
        ROWS,
        folder,
        chat=CHAT,
        recipe=recipe,
        seed=5,
        options=RuntimeOptions(**options),
    )


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("float32", 2e-4), ("bf16", 2e-2)]
)
def test_the_weights_do_not_depend_on_the_micro_batches(
    precision: Any, tolerance: float, tiny: Path, tmp_path: Path
) -> None:
    recipe = RECIPE.model_copy(update={"precision": precision, "lr": 0.001})
    option_sets = [
        {"micro_tokens": n, "pack": pack}
        for pack in (True, False)
        for n in (1, 120, 4096)
    ]
    first_model, *other_models = (
        load_student(train(tiny, tmp_path / str(i), recipe, **options)).model
        for i, options in enumerate(option_sets)
    )
    for other_model in other_models:
        for a, b in zip(
            first_model.parameters(), other_model.parameters(), strict=True
        ):
            torch.testing.assert_close(a, b, atol=tolerance, rtol=0)


def test_steps_warm_up_and_fall_as_a_cosine_over_the_fixed_number_of_rows(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = []
    sizes = []
    train_step = trainer.train_step

    def record_step(self: Any, model: Any, rows: Any, *arguments: Any) -> Any:
        rates.append(self.lr_scheduler.get_last_lr()[0])
        sizes.append(len(rows))
        return train_step(self, model, rows, *arguments)

    monkeypatch.setattr(trainer, "train_step", record_step)
    train(tiny, tmp_path, RECIPE.model_copy(update={"warmup": 0.3, "lr": 1.0}))
    assert sizes == [4, 4, 4, 4, 4, 4, 2], "13 rows, twice"
    half_cosine = [
        0.5 * (1 + torch.cos(torch.tensor(torch.pi * k / 5)).item()) for k in range(5)
    ]
    assert rates == pytest.approx([0.0, 0.5, *half_cosine])


def test_the_schedule_has_every_row_once_an_epoch_in_another_order(tiny: Path) -> None:
    student = load_student(tiny)
    rows = [tokenize_row(student, CHAT, message, answer) for message, answer in ROWS]
    order = schedule_rows(rows, RECIPE, seed=1)
    positions = [rows.index(row) for row in order]
    assert sorted(positions[:12] + positions[12:]) == sorted([*range(13), *range(13)])
    assert schedule_rows(rows, RECIPE, seed=1) == order
    assert schedule_rows(rows, RECIPE, seed=2) != order
    for i in range(0, len(order), 4):
        assert [row_length(r) for r in order[i : i + 4]] == sorted(
            row_length(r) for r in order[i : i + 4]
        )


@pytest.mark.parametrize("answer", ["", "<|end|>"])
def test_a_row_with_nothing_to_learn_is_an_error_with_its_tokens(
    answer: str, tiny: Path
) -> None:
    with pytest.raises(
        StudentError,
        match=r"row 1 has nothing to learn[\s\S]*4 '<\|assistant\|>'\] and then.*\[1 '<\|end\|>'",
    ):
        tokenize_rows(load_student(tiny), CHAT, [ROWS[0], ("Why?", answer)])


def test_a_row_longer_than_the_context_is_an_error(tiny: Path) -> None:
    with pytest.raises(
        StudentError,
        match=r"row 0 is longer than the student's context[\s\S]*allowed: 2048 tokens",
    ):
        tokenize_rows(load_student(tiny), CHAT, [("Why?", "x" * 2048)])


def test_a_template_that_changes_the_prompts_tokens_is_an_error_with_both(
    tmp_path: Path,
) -> None:
    """The text of the prompt stays what it was; but its last line break and the answer's become
    one token.
    """
    folder = tiny_student(tmp_path)
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["model"]["vocab"]["ĊĊ"] = len(tokenizer["model"]["vocab"])
    tokenizer["model"]["merges"] = [["Ċ", "Ċ"]]
    tokenizer["pre_tokenizer"]["use_regex"] = False
    file.write_text(json.dumps(tokenizer))
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}{{ m['role'] }}\n{{ m['content'] }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}assistant\n{% endif %}"
    )
    student = load_student(folder)
    assert tokenize_rows(student, CHAT, [("Why?", "So.")])
    with pytest.raises(
        StudentError,
        match=r"other tokens[\s\S]*got: .*'\\n\\n'[\s\S]*allowed: .*'\\n'\]",
    ):
        tokenize_rows(student, CHAT, [("Why?", "So."), ("Why?", "\nSo.")])
