"""Stages of several models as one: a Checkpoint and other Checkpoints per stage -> Checkpoint.

People run Bark's large semantic model beside its small coarse and fine ones to save memory, as suno-ai/bark's
`preload_models(text_use_small=..., coarse_use_small=..., fine_use_small=...)` lets them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bark_cli.checkpoint.check import check_config
from bark_cli.checkpoint.record import Checkpoint, ChosenTensors
from bark_cli.errors import ModelError, OptionError
from bark_cli.model.options import STAGES

if TYPE_CHECKING:
    from torch import Tensor


def mix_stages(base: Checkpoint, stages: Mapping[str, Checkpoint]) -> Checkpoint:
    """`base` with some of its stages, named as in STAGES, taken from other models.

    The tokenizer comes with the semantic stage and the codec with the fine one, as do a stage's own ways of
    sampling. Layout and folder stay those of `base`.

    Raises:
        OptionError: the stages do not speak of the same tokens.
    """
    if not stages:
        return base
    semantic, coarse, fine = (stages.get(stage, base) for stage in STAGES)
    sampling = replace(
        semantic.config.sampling, coarse=coarse.config.sampling.coarse, fine=fine.config.sampling.fine
    )
    config = replace(
        base.config,
        semantic=semantic.config.semantic,
        coarse=coarse.config.coarse,
        fine=fine.config.fine,
        codec=fine.config.codec,
        sampling=sampling,
    )
    heard, spoken = coarse.config.semantic.rate_hz, semantic.config.semantic.rate_hz
    if heard != spoken:
        raise OptionError(f"these stages do not go together: {spoken} semantic tokens a second, not {heard}")
    try:
        check_config(config, base.folder)
    except ModelError as error:
        reason = str(error).partition(" run: ")[2]
        raise OptionError(
            f"these stages do not go together: {reason}; take them from models of the same kind"
        ) from error
    sources = {"semantic": semantic, "coarse": coarse, "fine": fine, "codec": fine}
    return replace(
        base,
        config=config,
        tensors=_parts({part: source.tensors for part, source in sources.items()}),
        scales=_parts({part: source.scales for part, source in sources.items()}),
        tokenizer_file=semantic.tokenizer_file,
        vocabulary=semantic.vocabulary,
    )


def _parts(holders: Mapping[str, Mapping[str, Tensor]]) -> ChosenTensors:
    """Of each holder what belongs to its part."""
    return ChosenTensors(
        {name: held for part, held in holders.items() for name in held if name.startswith(f"{part}.")}
    )
