"""A run on disk: its directory, its steps, what identifies it, its locks and child processes."""
