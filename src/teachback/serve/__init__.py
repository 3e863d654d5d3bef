"""The rehearsal server: exact teachers behind OpenAI's chat-completions format on loopback, with faults to order."""
