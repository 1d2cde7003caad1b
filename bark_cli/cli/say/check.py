"""What is wrong with a request, as far as it shows before the model is loaded: script, options -> errors."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bark_cli.cli.say.request import Delivery, SayRequest
from bark_cli.errors import OptionError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from bark_cli.cli.speaking import Speaking
    from bark_cli.text.script import Script


def check(script: Script, request: SayRequest) -> None:
    """Find what is wrong with the text, the options, the voices' names and the places to write to.

    Raises:
        BarkError: the first thing wrong.
    """
    from bark_cli import audio
    from bark_cli.cli.download.offer import resolve_or_offer
    from bark_cli.model.options import SamplingOptions
    from bark_cli.model.tokens import CODEBOOKS
    from bark_cli.system.files import check_target, is_special
    from bark_cli.text.normalise import normalise
    from bark_cli.voices.catalogue import check_voice_file

    for line in script.lines:
        if line.text.strip():  # else it is a pause
            normalise(line.text)
    request.recipe(SamplingOptions())
    delivery = request.delivery
    if delivery.voice_file is not None:
        check_voice_file(delivery.voice_file, force=delivery.force)
        if (request.settings.fine_codebooks or CODEBOOKS) < CODEBOOKS:
            raise OptionError("a draft is no voice: leave --fine-codebooks out to --save-voice")
    if delivery.output == "-":
        _check_stdout(delivery)
    elif delivery.output is not None:
        if is_special(delivery.output):  # /dev/stdout, say, whose name tells no format
            raise OutputError(f"{delivery.output} is not an ordinary file; -o - writes to a pipe")
        audio.check_sound_file(delivery.output, force=delivery.force, format=delivery.format)
        audio.check_tags_fit(audio.find_format(delivery.output, delivery.format), request.tags)
    if (beside := delivery.subtitle_file) is not None:
        check_target(beside, force=delivery.force, follow=False)
    with request.naming_origins():
        models = resolve_or_offer(request.models, may_ask=delivery.may_ask)
        check_voices(script, request, models[0].folder)


def check_player(delivery: Delivery) -> None:
    """Find out whether the sound can be played, if it is to be.

    Raises:
        AudioError: PortAudio or an output device is missing.
        OptionError: no device, or several, are called so.
    """
    from bark_cli import audio

    if delivery.plays:
        audio.check_player(delivery.audio_device)


def check_voices(script: Script, request: Speaking, folder: Path) -> None:
    """Find out whether a model's folder, or the user's own voices, hold all that are asked for.

    Raises:
        VoiceError: one is not there, is damaged or was made for another model.
    """
    from bark_cli.model.published import config_in
    from bark_cli.voices.catalogue import NO_VOICE, find_voice, locate_voice

    dialogue = request.reading.dialogue
    asked = {request.settings.voice, *script.cast.values(), None if dialogue is None else dialogue.voice}
    for voice in sorted(map(str, asked - {None, NO_VOICE})):
        if len(request.models) > 1:  # what its tokens must be, only the stages together say
            locate_voice(voice, folder)
        else:
            find_voice(voice, model_folder=folder, config=config_in(folder))


def _check_stdout(delivery: Delivery) -> None:
    """Find out whether standard output can take sound.

    Raises:
        OptionError: it is closed or a terminal, or is to hold JSON as well.
    """
    if sys.stdout is None:
        raise OptionError("-o - writes to standard output, which is closed; use -o FILE")
    if delivery.as_json:
        raise OptionError("--json and -o - cannot share standard output; give -o the name of a file")
    if sys.stdout.isatty():
        raise OptionError("-o - writes sound, and a terminal cannot show it; pipe it on, or use -o FILE")
