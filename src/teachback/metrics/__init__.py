"""Measures a run: the student's accuracy, and how scores carry over from seeds to rows."""
