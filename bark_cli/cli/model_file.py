"""What `bark show` and `bark inspect` print of a model's file: path -> rows, or one JSON object."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bark_cli.cli.output import one_line, print_json
from bark_cli.cli.table import aligned
from bark_cli.system.units import human_bytes


def print_model_file(file: Path, *, tensors: bool, as_json: bool) -> None:
    """The facts of a GGUF file, with `tensors` every key and tensor as well.

    Raises:
        ModelError: it is not a whole GGUF file.
    """
    from bark_cli.inspection.model_file import model_file_record

    found = model_file_record(file)
    if as_json:
        print_json(found)
        return
    print("\n".join(aligned(list(_facts(found).items()))))
    if tensors:
        keys = [(one_line(name), one_line(str(value))) for name, value in found["keys"].items()]
        print("\n" + "\n".join(aligned([("KEY", "VALUE"), *keys])))
        print("\n" + "\n".join(aligned([("TENSOR", "SHAPE", "TYPE", "SIZE"), *map(_row, found["tensors"])])))


def _facts(found: dict[str, Any]) -> dict[str, str]:
    types = ", ".join(f"{count} in {kind}" for kind, count in found["types"].items())
    return {
        "file": one_line(found["path"]),
        "format": f"GGUF, version {found['version']}",
        "model": one_line(f"{found['name'] or 'unnamed'}, architecture {found['architecture'] or 'unknown'}"),
        "size": f"{human_bytes(found['bytes'])}, {found['parameters']:,} parameters",
        "tensors": f"{len(found['tensors'])}: {types}",
    }


def _row(tensor: dict[str, Any]) -> tuple[str, ...]:
    shape = " x ".join(map(str, tensor["shape"]))
    return tensor["name"], shape, tensor["type"], human_bytes(tensor["bytes"])
