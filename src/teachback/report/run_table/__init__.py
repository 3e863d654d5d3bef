"""A table of the runs below a folder. It reads no more of a run than it shows."""
