"""The forms of a run's student: a folder of transformers, an adapter, GGUF, Ollama."""
