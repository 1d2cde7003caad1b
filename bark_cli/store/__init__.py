"""Models on this machine: names, folders, manifests, locks; nothing here meets a network or reads weights.

places       the folders
names        what may be a name
models       the model that a name means
manifest     what a downloaded model consists of; suno_voices the same of Suno's voices
conversions  what was made of a model once, to start faster
speeds       how fast models spoke here
lock         keeps processes from installing the same thing twice

`download` puts models here, `checkpoint` reads them, `cache` lists, checks and removes them.
"""

from __future__ import annotations

from bark_cli.store.lock import is_locked, locked
from bark_cli.store.manifest import Damage, FileRecord, Manifest, read_manifest, write_manifest
from bark_cli.store.models import (
    MODELS,
    SUNO_FILES,
    WEIGHT_FILES,
    ModelRef,
    download_command,
    find_model,
    find_models,
    installed_models,
    mixed_name,
    name_of,
    resolve_model,
)
from bark_cli.store.names import check_name, model_home
from bark_cli.store.places import (
    bark_home,
    cache_home,
    converted_home,
    downloads_home,
    find_codec,
    find_tokenizer,
    free_bytes,
    huggingface_snapshots,
    is_offline,
    models_home,
    nano_folder,
    suno_home,
    suno_voices_home,
    tokenizer_elsewhere,
    voices_home,
)

__all__ = [
    "MODELS",
    "SUNO_FILES",
    "WEIGHT_FILES",
    "Damage",
    "FileRecord",
    "Manifest",
    "ModelRef",
    "bark_home",
    "cache_home",
    "check_name",
    "converted_home",
    "download_command",
    "downloads_home",
    "find_codec",
    "find_model",
    "find_models",
    "find_tokenizer",
    "free_bytes",
    "huggingface_snapshots",
    "installed_models",
    "is_locked",
    "is_offline",
    "locked",
    "mixed_name",
    "model_home",
    "models_home",
    "name_of",
    "nano_folder",
    "read_manifest",
    "resolve_model",
    "suno_home",
    "suno_voices_home",
    "tokenizer_elsewhere",
    "voices_home",
    "write_manifest",
]
