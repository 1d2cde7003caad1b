"""What lies on this machine: models and what was made of them -> a list, a check, a removal; offline.

`listing` finds the models, `verify` compares their files with the manifests, `removal` takes a model away,
`leftovers` finds what nobody needs any more. Other programs' caches are listed and never touched.
"""

from __future__ import annotations

from bark_cli.cache.leftovers import Leftover, find_leftovers, remove_leftover
from bark_cli.cache.listing import CachedModel, bytes_of, find_cached, list_models
from bark_cli.cache.removal import Removal, plan_removal, remove
from bark_cli.cache.verify import Check, bytes_to_check, check_models, check_suno_voices

__all__ = [
    "CachedModel",
    "Check",
    "Leftover",
    "Removal",
    "bytes_of",
    "bytes_to_check",
    "check_models",
    "check_suno_voices",
    "find_cached",
    "find_leftovers",
    "list_models",
    "plan_removal",
    "remove",
    "remove_leftover",
]
