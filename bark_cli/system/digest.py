"""JSON values -> SHA-256 in hexadecimal, by which keys, folders and files are named."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any


def digest(*values: Any) -> str:
    """The hash of values as JSON; what JSON cannot hold, such as a path, counts as its text."""
    return sha256(json.dumps(values, sort_keys=True, default=str).encode("ascii")).hexdigest()
