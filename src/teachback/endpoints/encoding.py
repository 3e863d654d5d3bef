"""JSON as the bytes of a request. The ledger's keys are hashes of them."""

import json


def encode_json(value: object) -> bytes:
    # A lone surrogate can't be UTF-8. JSON has an escape for it, \udXXX.
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
    return text.encode("utf-8", "backslashreplace")
