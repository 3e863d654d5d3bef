"""A student behind an OpenAI-compatible server: `serving.Serving` and `server.attempt_on_server`
are the way in.
"""
