"""Tells experiment trackers what each round brought."""
