"""What lies here: the cache's folder, its room, the models in it and their state, the voices."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bark_cli import store
from bark_cli.cache import CachedModel, list_models
from bark_cli.doctor.finding import Finding, Probe, State
from bark_cli.system.units import human_bytes

_LITTLE_BYTES = 5 * 10**9  # downloading small and converting it takes less


def _folder() -> Iterator[Finding]:
    home = store.bark_home()
    there = next((path for path in (home, *home.absolute().parents) if path.exists()), Path("/"))
    try:
        with tempfile.TemporaryFile(dir=there):
            reason = None
    except OSError as error:
        reason = error.strerror or str(error)
    free = shutil.disk_usage(there).free
    facts = {"path": str(home), "writable": reason is None, "free_bytes": free}
    text = f"{home}, {human_bytes(free)} free"
    if reason is not None:
        text += f"; it cannot be written ({reason}): set BARK_HOME to a folder that can to download models"
    elif free < _LITTLE_BYTES:
        text += "; that is little: small needs 2 to 5 GB, large 5 to 14"
    state: State = "ok" if reason is None and free >= _LITTLE_BYTES else "warning"
    yield Finding(topic="cache", state=state, text=text, facts=facts)


def _models() -> Iterator[Finding]:
    usable = {ref.folder for ref in store.installed_models()}
    models = list_models()
    for model in models:
        yield _model(model, usable)
    if not usable:
        yield Finding(
            topic="models",
            state="problem",
            text="none can be used, not even nano; install bark again, or download one",
            next="bark download small",
        )
    elif usable == {store.nano_folder()}:
        yield Finding(
            topic="models",
            text="only nano is here, which is small and speaks English; Suno's speak 13 languages",
            next="bark download small",
        )


def _model(model: CachedModel, usable: set[Path]) -> Finding:
    takes = f"{human_bytes(model.bytes)} in {model.root}"
    facts = {"name": model.name, "place": model.place, "bytes": model.bytes, "damage": model.damage}
    topic = f"model {model.name}"
    if model.damage is None:
        used = "" if model.folder in usable or model.place == "elsewhere" else "; another of its name is used"
        return Finding(topic=topic, text=takes + used, facts=facts)
    again = store.download_command(model.name) if model.place == "bark" else None
    return Finding(topic=topic, state="warning", text=f"{takes}; {model.damage}", next=again, facts=facts)


def _voices() -> Iterator[Finding]:
    from bark_cli.voices.catalogue import lacks_suno_voices, list_voices, own_voices

    folder = store.resolve_model(None).folder
    count, own = len(list_voices(folder)), len(own_voices(folder))
    lacking = lacks_suno_voices(folder)
    yield Finding(
        topic="voices",
        text=f"{count} for {store.resolve_model(None).name}, {own} of them yours"
        + ("; Suno's 261 are not here" if lacking else ""),
        next="bark download --voices" if lacking else None,
        facts={"count": count, "own": own},
    )


CACHE = (
    Probe(topic="cache", ask=_folder),
    Probe(topic="models", ask=_models),
    Probe(topic="voices", ask=_voices),
)
