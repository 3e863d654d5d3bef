"""Compares arms: runs that differ in the criterion, on the same seeds and draws."""
