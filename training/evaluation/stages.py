"""A stage of the model alone, the teacher's tokens in front of it: a case -> float32 (480 T,).

Semantic tokens have no sound of their own, so their score is the error in phones against the teacher's.
Coarse codes are heard through the model's fine stage and codec.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from bark_cli import Bark
from bark_cli.engine import Engine
from bark_cli.errors import BarkError
from bark_cli.model.tokens import Tokens
from bark_cli.stages import coarse, fine
from bark_cli.stages.sampling import random_stream
from bark_cli.stages.steps import Growing, Job, Sound
from training.codec import TrainableCodec, load_codec
from training.evaluation.cases import Case, Wave
from training.evaluation.scores import UnmeasuredError
from training.judge import edits

STAGES = ("coarse", "fine", "codec")  # the first asks for no codes


def codec_of(bark: Bark, case: Case) -> TrainableCodec:
    """The codec whose codes the model was trained on.

    Raises:
        UnmeasuredError: there is none here, or the model makes another sound of its codes.
    """
    import torch

    try:
        codec = load_codec()
    except (FileNotFoundError, RuntimeError) as error:  # RuntimeError: its tensors have other shapes
        raise UnmeasuredError("the codec that the model was trained with is not in runs/") from error
    if codec.tables.shape[:2] != (bark.config.codec.n_codebooks, bark.config.codec.codebook_size):
        raise UnmeasuredError("the codec in runs/ has other codebooks than the model")
    codes = codes_of(codec, case)
    made = stage_alone(bark, "codec", case, codes, 0)
    with torch.inference_mode():
        wanted = codec(torch.from_numpy(codes)[:, None])[0].numpy()
    if np.corrcoef(made, wanted[: len(made)])[0, 1] < 0.9:
        raise UnmeasuredError("the codec in runs/ is not the one that the model was trained with")
    return codec


def codes_of(codec: TrainableCodec, case: Case) -> Tokens:
    """The codes (codebooks, F) of what the teacher says: all that they can tell of it."""
    return codec.codes(case.envelopes, case.excitation, case.said).astype(np.int64)


def stage_alone(bark: Bark, stage: str, case: Case, codes: Tokens, number: int) -> Wave:
    """What is heard when the teacher's tokens enter at `stage`: "coarse", "fine" or "codec"."""
    [outcome] = Engine[Wave](bark.model.backend).run([_from_stage(bark, stage, case, codes, number)])
    if isinstance(outcome.result, BarkError):
        raise outcome.result
    return outcome.result


def _from_stage(bark: Bark, stage: str, case: Case, codes: Tokens, seed: int) -> Job[Wave]:
    """The stages from `stage` on: the teacher's semantic tokens, or codes (n_codebooks, F) -> sound."""
    speaker, config, options = bark.model.find_voice(case.voice), bark.config, bark.config.sampling
    voice = None if speaker is None else speaker.tokens
    first = codes[:2]
    if stage == "coarse":
        spoken, stream = Growing(case.semantic.tolist(), ended=True), random_stream(seed, "coarse")
        first = yield from _asking("coarse", coarse.steps(
            spoken, voice, config.coarse, config.semantic.rate_hz, options.coarse, stream
        ))  # fmt: skip
    if stage != "codec":
        stream = random_stream(seed, "fine")
        codes = yield from _asking("fine", fine.steps(first, voice, config.fine, options.fine, stream))
    return (yield "codec", Sound(codes))


def _asking(stage: str, steps: Generator[Any, Any, Tokens]) -> Job[Tokens]:
    """One stage as the engine takes it."""
    answer = None
    while True:
        try:
            request = steps.send(answer)
        except StopIteration as end:
            return end.value
        answer = yield stage, request


def phone_errors(wanted: str, made: str) -> tuple[int, int]:
    """Edit distance between two phone strings without pauses, and the number wanted."""
    phones = wanted.replace(" ", "")
    return edits(phones, made.replace(" ", "")), len(phones)
