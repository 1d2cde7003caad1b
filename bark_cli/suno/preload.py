"""suno-ai/bark's functions that load the model before the first words, whole or by stage, and let it go.

After suno-ai/bark, bark/generation.py, which offers them under these names beside the stages.
"""

from __future__ import annotations

from bark_cli.errors import OptionError
from bark_cli.model.options import STAGES
from bark_cli.pipeline import Bark
from bark_cli.suno.loaded import ModelChoice, let_go, load, load_stage, logger


def preload_models(
    text_use_gpu: bool = True,
    text_use_small: bool = False,
    coarse_use_gpu: bool = True,
    coarse_use_small: bool = False,
    fine_use_gpu: bool = True,
    fine_use_small: bool = False,
    codec_use_gpu: bool = True,
    force_reload: bool = False,
) -> None:
    """Load the model, so that the first words come without that wait; nothing is downloaded.

    Which one is settled as for the command: BARK_MODEL, the settings, the best installed, else nano.
    SUNO_USE_SMALL_MODELS takes small before large. With SUNO_OFFLOAD_CPU only the network at work lies on the
    GPU, and the others wait in the machine's memory; on a CPU it changes nothing.

    Args:
        text_use_gpu: all stages share one device; where all four are False it is the CPU.
        text_use_small: take this stage from the model `small`.
        coarse_use_gpu: as `text_use_gpu`.
        coarse_use_small: as `text_use_small`.
        fine_use_gpu: as `text_use_gpu`.
        fine_use_small: as `text_use_small`.
        codec_use_gpu: as `text_use_gpu`.
        force_reload: read it again, though it is in hand.

    Raises:
        ModelError: the model is missing or damaged.
        OptionError: the stages do not go together.
    """
    gpus = (text_use_gpu, coarse_use_gpu, fine_use_gpu, codec_use_gpu)
    small = {"semantic": text_use_small, "coarse": coarse_use_small, "fine": fine_use_small}
    small_stages = frozenset(stage for stage, is_small in small.items() if is_small)
    _, bark = load(ModelChoice(small_stages, not any(gpus), frozenset(STAGES)), again=force_reload)
    if any(gpus) and not all(gpus):
        _tell_of_device(bark)


def load_model(
    use_gpu: bool = True, use_small: bool = False, force_reload: bool = False, model_type: str = "text"
) -> None:
    """Load one stage, and with the first of them the others; in the reference it returns the network.

    Args:
        use_gpu: of the first call; all stages share one device.
        use_small: take this stage from the model `small`.
        force_reload: read it again, though it is in hand.
        model_type: `text`, `coarse` or `fine`.

    Raises:
        ModelError: the model is missing or damaged.
        OptionError: the type is unknown, or the stages do not go together.
    """
    stage = {"text": "semantic", "coarse": "coarse", "fine": "fine"}.get(model_type)
    if stage is None:
        raise OptionError(f"model_type {model_type!r} is unknown; give text, coarse or fine")
    bark = load_stage(stage, small=use_small, only_cpu=not use_gpu, again=force_reload)
    if not use_gpu:
        _tell_of_device(bark)


def load_codec_model(use_gpu: bool = True, force_reload: bool = False) -> None:
    """Load the codec, and with it the rest of the model; in the reference it returns EnCodec's network.

    Raises:
        ModelError: the model is missing or damaged.
    """
    bark = load_stage("codec", small=False, only_cpu=not use_gpu, again=force_reload)
    if not use_gpu:
        _tell_of_device(bark)


def _tell_of_device(bark: Bark) -> None:
    """Say that a stage whose call has asked for the CPU is not there alone."""
    if bark.device != "cpu":
        logger.warning("all stages compute on %s; give every use_gpu=False to use the CPU", bark.device)


def clean_models(model_key: str | None = None) -> None:
    """Let the model go, so that its memory is free; all of it, whichever stage is named."""
    let_go()
