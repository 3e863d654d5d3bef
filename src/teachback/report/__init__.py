"""What a run's directory says, read from its files only: no lock, no model."""
