"""`bark convert`: a model on this machine -> a folder or file that holds it in the layout of one's choice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bark_cli.cli import options
from bark_cli.cli.completion import model_names
from bark_cli.cli.download.offer import resolve_or_offer
from bark_cli.cli.output import note, one_line, print_json
from bark_cli.system.units import human_bytes

if TYPE_CHECKING:
    from bark_cli.checkpoint import Agreement
    from bark_cli.checkpoint.convert import Written


def convert(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=model_names,
            help="Name or folder of a model, as for -m.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Folder to write, or file for GGUF.", show_default=False)
    ],
    to: Annotated[
        Literal["native", "transformers", "suno", "gguf", "openvino"],
        typer.Option(
            help="Layout to write: Bark's own, Transformers', suno-ai/bark's, ggml's or OpenVINO's.",
            show_default=False,
        ),
    ],
    storage: Annotated[
        Literal["fp32", "fp16", "f16", "int8", "int4", "q8_0", "q4_k"] | None,
        typer.Option(
            "--storage",
            "--dtype",
            help="Storage of the weights; unchanged by default. int8 is for native and OpenVINO, int4 for "
            "OpenVINO, q8_0 and q4_k for GGUF.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an older conversion in OUT.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a model into a folder or file, in another program's layout.

    \b
    bark convert nano nano-for-transformers --to transformers
    bark convert small small-by-suno --to suno
    bark convert ./my-model my-model-int8 --to native --storage int8
    bark convert small bark-small.gguf --to gguf --storage q8_0
    bark convert nano nano-for-openvino --to openvino --storage fp16

    Nothing is rounded unless --storage asks for it. What does not fit a layout is
    reported before anything is written.
    """
    from bark_cli.checkpoint.convert import convert as write
    from bark_cli.checkpoint.convertible import ConvertRequest

    ref = resolve_or_offer([model], may_ask=not (quiet or as_json))[0]
    request = ConvertRequest(
        model=ref, out=out, layout=to, storage="fp16" if storage == "f16" else storage, force=force
    )
    done = write(request, _silent if quiet else note)
    for missing in () if quiet else done.left_out:
        note(missing)
    if as_json:
        print_json({"model": ref.name, **_record(done)})
    elif not quiet:
        if done.agreement is not None:
            note(f"computed by OpenVINO and by torch in float32: {done.agreement}")
        print(f"{one_line(str(out))} holds {one_line(ref.name)} in {to} layout ({_facts(done)})")


def _silent(_: str) -> None:
    pass


def _facts(done: Written) -> str:
    facts = [done.storage, human_bytes(done.size)]
    if done.n_voices:
        facts.append(f"{done.n_voices} voice{'s' * (done.n_voices != 1)}")
    return ", ".join(facts)


def _record(done: Written) -> dict[str, Any]:
    """What was written, for JSON."""
    return {
        "path": str(done.folder),
        "layout": done.layout,
        "source_layout": done.source_layout,
        "storage": done.storage,
        "bytes": done.size,
        "voices": done.n_voices,
        "left_out": list(done.left_out),
        **_agreement(done.agreement),
    }


def _agreement(found: Agreement | None) -> dict[str, Any]:
    """How near OpenVINO comes to float32, where that was asked."""
    if found is None:
        return {}
    agreed, tokens = found.greedy
    return {"agreement": {"difference": found.difference, "agreed": agreed, "tokens": tokens}}
