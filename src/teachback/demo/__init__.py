"""The demo: a small real student learns on this machine. No key, no GPU. Its config is a file."""
