"""HTML pages of runs: one file each, which needs nothing else and asks no network."""
