"""A request as the engine takes it: SpeechRequest -> voice, text ids, takes, verdict -> Speech."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from bark_cli import hearing, voices
from bark_cli.audio import Audio
from bark_cli.errors import OptionError
from bark_cli.loaded_model import LoadedModel
from bark_cli.model.options import SamplingOptions, check_seed, draw_seed
from bark_cli.model.tokens import CODEBOOKS, Samples
from bark_cli.speech import Speech, SpeechRequest
from bark_cli.stages.progress import Listener
from bark_cli.stages.steps import Job
from bark_cli.stages.utterance import Utterance
from bark_cli.takes.attempt import attempt
from bark_cli.takes.expected import expected
from bark_cli.takes.usual import Memory
from bark_cli.text.normalise import normalise
from bark_cli.text.split import language_of
from bark_cli.voices import Voice


def speech_job(
    model: LoadedModel,
    request: SpeechRequest,
    *,
    number: int = 0,
    on_progress: Listener | None = None,
    on_sound: Callable[[Samples], None] | None = None,
    memory: Memory | None = None,
) -> Job[Speech]:
    """The whole way from a request to a Speech, whose `stages` its engine knows.

    Args:
        model: who speaks.
        request: what is said.
        number: of the utterance among those asked for together, for `on_progress`.
        on_progress: told of every step of the network.
        on_sound: given samples (N,) as they come, if the request is streamed or of one take.
        memory: how the voices spoke; None is the model's own.

    Raises:
        TextError: the text is empty, too long or unreadable.
        VoiceError: the voice is unknown, malformed or made for another model.
        OptionError: the seed is out of range, or a draft is asked of OpenVINO.
        GenerationError: the model made no speech.
    """
    line = normalise(request.text)
    seed = draw_seed() if request.seed is None else request.seed
    check_seed(seed)
    _check_codebooks(model, request.options)
    speaker = model.find_voice(request.voice)
    name = voices.NO_VOICE if speaker is None else speaker.name
    rate = model.config.codec.sample_rate
    language = language_of(line, request.language or voices.language_of_voice(name))
    memory = memory or model.memory
    spoken, takes = yield from attempt(
        _utterance(model, request, line, language, speaker, seed, number),
        model.config,
        request.attempts,
        partial(expected, line, language, memory.usual(name)),
        lambda samples: hearing.words_right(samples, rate, text=line, language=language),
        on_progress,
        on_sound,
        partial(memory.add, name) if memory.wants(name, seed) else None,
    )
    return Speech(
        audio=Audio(samples=spoken.samples, sample_rate=rate),
        tokens=spoken.tokens,
        text=line,
        model=model.name,
        voice=None if speaker is None else speaker.name,
        seed=spoken.seed,
        complete=spoken.is_complete,
        stages={},
        takes=takes,
    )


def _check_codebooks(model: LoadedModel, options: SamplingOptions | None) -> None:
    """Refuse a draft where the codec takes all codebooks.

    Raises:
        OptionError: it does.
    """
    n_wanted = CODEBOOKS if options is None else options.fine_codebooks or CODEBOOKS
    if n_wanted < CODEBOOKS and model.device.startswith("openvino"):
        raise OptionError(
            f"OpenVINO's codec takes all {CODEBOOKS} codebooks; leave fine_codebooks out, or use device cpu"
        )


def _utterance(
    model: LoadedModel,
    request: SpeechRequest,
    line: str,
    language: str,
    speaker: Voice | None,
    seed: int,
    number: int,
) -> Utterance:
    """A line as the stages need it."""
    return Utterance(
        text_ids=model.tokenizer.encode(line, language),
        voice=None if speaker is None else speaker.tokens,
        seed=seed,
        options=request.options or model.config.sampling,
        streaming=request.streaming,
        index=number,
    )
