"""Finetuning of a student: training rows, batches, memory and the training loop."""
