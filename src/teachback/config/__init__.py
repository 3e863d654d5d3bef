"""The config: one tree of typed settings, read from YAML and checked. And what the command line
takes beside it.

Only `build/` and what stands above it see the config.
"""
