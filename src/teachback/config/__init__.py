"""The config: one tree of typed settings, read from YAML and checked.

Only `build/` and what stands above it see it.
"""
