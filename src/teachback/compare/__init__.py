"""Compares arms: runs that differ in a few settings, on the same seeds and draws."""
