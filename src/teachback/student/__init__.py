"""The student model: how it is loaded, answers questions, is scored and is finetuned."""
