"""The doctor: what a config needs, what this machine has, and the fix for what is missing."""
