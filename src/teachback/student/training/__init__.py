"""Finetuning: `finetune.finetune` is the way in."""
