"""A Script and a Recipe -> a Narration: lines cut into pieces a model can say, with voices, seeds, pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import takewhile

from bark_cli.errors import OptionError
from bark_cli.known_model import KnownModel
from bark_cli.model.config import BarkConfig
from bark_cli.model.spelling import Loss
from bark_cli.narration.losses import Losses
from bark_cli.narration.narrate import Narration, Piece, VoiceChoice, piece_seed
from bark_cli.narration.recipe import Recipe
from bark_cli.text.script import Line, Script
from bark_cli.text.split import Break, Budget, Part, language_of, split_text
from bark_cli.text.split.digits import all_apart, digits_apart
from bark_cli.voices import NO_VOICE, Voice, language_of_voice

_USABLE = 0.85  # of the seconds that the model can speak at once: the estimate may be wrong
_TARGET = 0.45  # of those: short sentences are joined up to here, for Bark speaks single ones best


def budget(
    config: BarkConfig,
    count_tokens: Callable[[Sequence[str], str], Sequence[int]],
    loss: Callable[[str, str], Loss] = lambda *_: Loss(),
) -> Budget:
    """What the model can say at once; `loss` is what it cannot read of a piece."""
    longest_s = config.semantic.max_new_tokens / config.semantic.rate_hz * _USABLE
    return Budget(
        max_tokens=config.semantic.max_text_tokens,
        count_tokens=count_tokens,
        loss=loss,
        max_seconds=longest_s,
        target_seconds=longest_s * _TARGET,
    )


def compose_for(
    model: KnownModel, script: Script, recipe: Recipe, seed: int, *, left_out: Sequence[str] = ()
) -> Narration:
    """As `compose`, for a model that is known: every voice is found and checked here, once.

    Raises:
        TextError: nothing of it can be said.
        VoiceError: a voice is unknown, malformed or made for another model.
    """
    known: dict[VoiceChoice, VoiceChoice] = {}

    def find(voice: VoiceChoice) -> VoiceChoice:
        if voice not in known:
            known[voice] = model.find_voice(voice) or NO_VOICE
        return known[voice]

    limits = budget(model.config, model.tokenizer.count, model.tokenizer.loss)
    return compose(script, recipe, limits, seed=seed, find_voice=find, left_out=left_out)


def compose(
    script: Script,
    recipe: Recipe,
    limits: Budget,
    *,
    seed: int,
    find_voice: Callable[[VoiceChoice], VoiceChoice] = lambda voice: voice,
    left_out: Sequence[str] = (),
) -> Narration:
    """Cut every line into pieces; what holds no words becomes a pause, and so does what cannot be read.

    Args:
        script: what is said.
        recipe: how.
        limits: of a piece.
        seed: of the first piece, from which those of the others follow in order.
        find_voice: what is put in a voice's place.
        left_out: what was passed over when the text was read; it is reported with the rest.

    Raises:
        TextError: nothing of it can be said.
        OptionError: a piece is to be said again that there is not.
    """
    pieces = list[Piece]()
    losses = Losses([*script.left_out, *left_out])
    for place, line, part, language in _parts(script, recipe, limits):
        pause_s = _pause_s(line, part, recipe)
        if losses.takes(part, line, language, limits):
            piece = Piece(
                text=part.text,
                seed=piece_seed(seed, len(pieces), recipe.redo.count(len(pieces) + 1)),
                voice=find_voice(_voice(line, script, recipe)),
                language=language,
                pause_s=pause_s,
                begin_s=line.begin_s if part.start == 0 else None,
                line=place,
                tokens=part.tokens,
                estimate_s=part.seconds,
            )
            pieces.append(piece)
        elif pieces:
            pieces[-1] = replace(pieces[-1], pause_s=max(pieces[-1].pause_s, pause_s))
    if not pieces:
        raise losses.of_everything()
    if (last := max(recipe.redo, default=0)) > len(pieces):
        there = f"{len(pieces)} piece{'s' * (len(pieces) != 1)}"
        raise OptionError(f"--redo {last}: the text has {there}; `--dry-run` numbers them")
    if script.lines[-1].pause_after_s is None:  # what is only there to keep two paragraphs apart
        pieces[-1] = replace(pieces[-1], pause_s=0.0)
    if lead_s := sum(line.pause_after_s or 0.0 for line in takewhile(_is_blank, script.lines)):
        pieces[0] = replace(pieces[0], begin_s=max(lead_s / recipe.speed, pieces[0].begin_s or 0.0))
    return Narration(
        pieces=tuple(pieces),
        continuity=recipe.continuity,
        options=recipe.options,
        attempts=recipe.attempts,
        speed=recipe.speed,
        told=losses.told,
    )


def _is_blank(line: Line) -> bool:
    return not line.text.strip()


def _voice(line: Line, script: Script, recipe: Recipe) -> VoiceChoice:
    """Who says a line."""
    return recipe.voice if line.speaker is None else script.cast[line.speaker]


def _language(line: Line, voice: VoiceChoice, recipe: Recipe) -> str:
    """The language of a line: the recipe's, else its voice's, else what its letters suggest."""
    name = voice.name if isinstance(voice, Voice) else voice
    return language_of(line.text, recipe.language or language_of_voice(name))


def _parts(script: Script, recipe: Recipe, limits: Budget) -> Iterator[tuple[int, Line, Part, str]]:
    """The pieces of every line, with its number, the line as it is read, and its language.

    Overlong numbers are read by their digits.
    """
    for place, line in enumerate(script.lines):
        language = _language(line, _voice(line, script, recipe), recipe)
        text = digits_apart(line.text, limits.max_tokens, limits.count_tokens, language)
        parts = split_text(text, budget=limits, language=language)
        if any(part.tokens > limits.max_tokens for part in parts):
            text = "".join(all_apart(p.text) if p.tokens > limits.max_tokens else p.text for p in parts)
            parts = split_text(text, budget=limits, language=language)
        for part in parts:
            yield place, replace(line, text=text), part, language


def _pause_s(line: Line, part: Part, recipe: Recipe) -> float:
    """Seconds of silence after a part of a line."""
    if part.after == Break.END and line.pause_after_s is not None:
        return line.pause_after_s
    if part.after >= Break.PARAGRAPH:
        return recipe.paragraph_pause_s
    return recipe.pause_s if part.after == Break.SENTENCE else 0.0
