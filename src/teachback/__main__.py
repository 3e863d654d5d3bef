"""`python -m teachback` is the command `teachback`."""

from .cli import main

main()
