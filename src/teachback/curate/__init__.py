"""Decides which of the teacher's drafts become training rows, and why the others are refused."""
