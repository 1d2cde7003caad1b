"""The Python door to long texts and scripts: text -> its sound (N,) in pieces, pauses included."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from bark_cli.audio import Audio
from bark_cli.model.options import SamplingOptions, draw_seed
from bark_cli.narration.compose import compose_for
from bark_cli.narration.each import Speaks
from bark_cli.narration.narrate import Continuity, VoiceChoice, narrate
from bark_cli.narration.recipe import Recipe
from bark_cli.narration.timeline import Timeline
from bark_cli.stages.progress import Listener
from bark_cli.takes.take import Attempts
from bark_cli.text.documents import read_document
from bark_cli.text.script import Script


def recite(
    bark: Speaks,
    text: str | Script,
    *,
    voice: VoiceChoice = None,
    seed: int | None = None,
    language: str | None = None,
    continuity: Continuity = "voice",
    pause_s: float = Recipe.pause_s,
    paragraph_pause_s: float = Recipe.paragraph_pause_s,
    speed: float = Recipe.speed,
    options: SamplingOptions | None = None,
    attempts: Attempts = Recipe.attempts,
    batch_size: int | None = None,
    on_progress: Listener | None = None,
) -> Generator[Audio, None, None]:
    """Say a text of any length; its sound comes in order, however many pieces are made at once.

    Args:
        bark: who says it.
        text: plain text, in which [pause 1.5s] is silence, or what `read_document` made of something else.
        voice: as for `Bark.say`; a script's cast goes before it.
        seed: of the first piece, and by it of all; None draws one.
        language: e.g. de; None: what the script of the letters suggests.
        continuity: what each piece goes on from.
        pause_s: seconds of silence after a sentence.
        paragraph_pause_s: the same after a paragraph.
        speed: times as fast, at the same pitch, 0.25 .. 4.
        options: how to sample; None is the model's own way.
        attempts: how often each piece is said, to keep the best.
        batch_size: pieces at once; None is as many as fit into memory.
        on_progress: called after every step of each piece.

    Raises:
        BarkError: as `Bark.say`, of the first piece that cannot be said.
    """
    script = text if isinstance(text, Script) else read_document(text, "text")
    recipe = Recipe(
        voice=voice,
        language=language,
        pause_s=pause_s,
        paragraph_pause_s=paragraph_pause_s,
        speed=speed,
        continuity=continuity,
        options=options,
        attempts=attempts,
    )
    narration = compose_for(bark.model, script, recipe, draw_seed() if seed is None else seed)
    timeline = Timeline(narration, bark.model.config.codec.sample_rate)
    spoken = narrate(bark, [narration], batch_size=batch_size, on_progress=on_progress)
    with closing(spoken):
        for one in spoken:
            yield from timeline.lay(one.piece, one.sound, ends=one.speech is not None)
