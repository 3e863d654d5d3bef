"""A student behind an OpenAI-compatible server.

Start at `serving.StudentServer` and `server.answer_on_server`.
"""
