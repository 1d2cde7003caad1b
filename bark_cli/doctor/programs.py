"""What is installed: packages -> their versions, and whether they do what bark needs of them."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bark_cli.doctor.finding import Finding, Probe

_AGAIN = "pip install --force-reinstall"


def _bark() -> Iterator[Finding]:
    from bark_cli import __version__

    where = str(Path(__file__).parent.parent)
    yield Finding(
        topic="bark", text=f"{__version__} in {where}", facts={"version": __version__, "path": where}
    )
    python = platform.python_version()
    text = f"{python} ({sys.executable}) on {platform.platform()}"
    yield Finding(topic="python", text=text, facts={"version": python, "platform": platform.platform()})


def _package(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _numpy() -> Iterator[Finding]:
    try:
        import numpy
    except ImportError as error:
        yield _missing("numpy", error)
        return
    yield Finding(topic="numpy", text=numpy.__version__, facts={"version": numpy.__version__})


def _hub_client() -> Iterator[Finding]:
    found = _package("huggingface_hub")
    if found is None:
        text = "not installed; models cannot be downloaded"
        yield Finding(topic="huggingface_hub", state="warning", text=text, next="pip install huggingface_hub")
    else:
        yield Finding(topic="huggingface_hub", text=found, facts={"version": found})


def _torch() -> Iterator[Finding]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield _missing("torch", error)
        return
    yield Finding(topic="torch", text=torch.__version__, facts={"version": torch.__version__})


def _torchaudio() -> Iterator[Finding]:
    """Bark does without it; encodec brings it along, and transformers imports it wherever it is."""
    found = _package("torchaudio")
    if found is None:
        yield Finding(topic="torchaudio", text="not installed, and bark needs none")
        return
    try:
        import torchaudio
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        text = (
            f"{found} is of another build than torch ({reason}); bark does without it, transformers does not"
        )
        yield Finding(topic="torchaudio", state="warning", text=text, next=torchaudio_command())
        return
    version = torchaudio.__version__
    yield Finding(topic="torchaudio", text=version, facts={"version": version})


def torchaudio_command(torch_version: str | None = None) -> str:
    """What brings the torchaudio of torch's own build: cpu, cu130 or rocm7.1; without a word PyPI's."""
    build = (torch_version or _package("torch") or "").partition("+")[2]
    index = f" --index-url https://download.pytorch.org/whl/{build}" if build else ""
    return f"{_AGAIN} --no-deps torchaudio{index}"


def _encodec() -> Iterator[Finding]:
    from bark_cli.errors import ModelError
    from bark_cli.model.codec import import_seanet

    try:
        import_seanet()
    except ModelError as error:
        yield _missing("encodec", error)
        return
    found = _package("encodec") or "of unknown version"
    yield Finding(topic="encodec", text=f"{found}, its decoder works", facts={"version": found})


def _soundfile() -> Iterator[Finding]:
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError: the package is there, libsndfile is not
        yield _missing("soundfile", error)
        return
    from bark_cli.audio import FORMATS

    known = soundfile.available_formats()
    can = {
        suffix: container in known and encoding in soundfile.available_subtypes(container)
        for suffix, (container, encoding) in FORMATS.items()
    }
    writes = [suffix for suffix, here in can.items() if here]
    lacks = [suffix for suffix, here in can.items() if not here]
    library = soundfile.__libsndfile_version__
    text = f"{soundfile.__version__}, libsndfile {library}; writes {' '.join(writes)}"
    yield Finding(
        topic="soundfile",
        state="warning" if lacks else "ok",
        text=text + (f", not {' '.join(lacks)}" if lacks else ""),
        next=f"{_AGAIN} soundfile" if lacks else None,
        facts={
            "version": soundfile.__version__,
            "libsndfile": library,
            "writes": writes,
        },
    )


def _judge() -> Iterator[Finding]:
    from bark_cli.hearing import INSTALL, is_installed

    if is_installed():
        found = _package("faster-whisper")
        text = f"faster-whisper {found}, with which --takes hears whether the words are right"
        yield Finding(topic="judge", text=text, facts={"version": found})
    else:
        text = f"not installed; with it --takes hears whether the words are right: {INSTALL}"
        yield Finding(topic="judge", text=text, facts={"version": None})


def _missing(name: str, error: Exception) -> Finding:
    """Without it, bark cannot speak."""
    reason = " ".join(str(error).split())[:200]
    return Finding(topic=name, state="problem", text=f"cannot be used: {reason}", next=f"{_AGAIN} {name}")


PROGRAMS = (
    Probe(topic="bark", ask=_bark),
    Probe(topic="numpy", ask=_numpy, failure="problem"),
    Probe(topic="huggingface_hub", ask=_hub_client),
    Probe(topic="soundfile", ask=_soundfile, failure="problem"),
    Probe(topic="judge", ask=_judge),
)
NETWORKS = (
    Probe(topic="torch", ask=_torch, failure="problem"),
    Probe(topic="torchaudio", ask=_torchaudio),
    Probe(topic="encodec", ask=_encodec, failure="problem"),
)
