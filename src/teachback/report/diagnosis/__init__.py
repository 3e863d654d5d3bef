"""Why a run gained nothing, from its own files: which link failed, and what to try next."""
