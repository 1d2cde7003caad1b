"""What a GGUF file is made of, whatever model it holds: path -> its keys, types and tensors."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

from bark_cli.checkpoint.gguf_header import Items, read_header

_SHOWN_CHARACTERS, _SHOWN_ITEMS = 200, 16


def is_model_file(file: Path) -> bool:
    """Whether a file is a GGUF file, by its first bytes, or is called like one."""
    try:
        with file.open("rb") as stream:
            return stream.read(4) == b"GGUF" or file.suffix.lower() == ".gguf"
    except (OSError, ValueError):  # ValueError: a NUL byte in the name
        return False


def model_file_record(file: Path) -> dict[str, Any]:
    """All that it says of itself, as JSON; of long arrays and strings how long they are.

    Raises:
        ModelError: it is not a whole GGUF file.
    """
    header = read_header(file)
    tensors = list(header.tensors.values())
    return {
        "path": str(file),
        "format": "gguf",
        "version": header.version,
        "bytes": file.stat().st_size,
        "architecture": _shown(header.keys.get("general.architecture")),
        "name": _shown(header.keys.get("general.name")),
        "parameters": sum(math.prod(tensor.shape) for tensor in tensors),
        "types": dict(Counter(tensor.kind for tensor in tensors).most_common()),
        "keys": {name: _shown(value) for name, value in header.keys.items()},
        "tensors": [
            {
                "name": tensor.name,
                "shape": list(tensor.shape),
                "type": tensor.kind,
                "bytes": tensor.size,
                "offset": tensor.offset,
            }
            for tensor in tensors
        ],
    }


def _shown(value: Any) -> Any:
    """A key's value in few characters."""
    if isinstance(value, Items):
        if value.values is not None and value.count <= _SHOWN_ITEMS:
            return [_shown(item) for item in value.values]
        return f"{value.count} of type {value.kind}"
    if isinstance(value, str) and len(value) > _SHOWN_CHARACTERS:
        return f"{value[:_SHOWN_CHARACTERS]}… ({len(value)} characters)"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such number
    return value
