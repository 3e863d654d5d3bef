"""Measurements. Each writes bench/results/NAME.json with what made it; the docs quote these."""
