"""Writes a run's rows and its student in the forms that other tools read, with their cards."""
