"""Serves a free rehearsal teacher on this machine, in OpenAI's format, with faults on demand."""
