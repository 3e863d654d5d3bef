"""The student: a folder on disk, loaded by the steps that need it and let go when they end."""
