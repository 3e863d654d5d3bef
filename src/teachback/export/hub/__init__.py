"""Pushes what is exported to the Hugging Face Hub, or to a server that speaks its calls."""
