"""One utterance as a single run of requests: text ids (N,) and a voice -> its tokens and samples (S,).

Every stage is a lane of its own that reads what the lanes before it have made. Whether a stage begins when
the one before has ended, or as soon as it can, changes no token of the semantic and coarse stages.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import accumulate, count, repeat, takewhile
from typing import Any, Literal

import numpy as np

from bark_cli.errors import GenerationError
from bark_cli.model.config import BarkConfig, FineConfig
from bark_cli.model.options import SamplingOptions
from bark_cli.model.tokens import BarkTokens, Samples, Tokens
from bark_cli.stages import coarse, fine, semantic
from bark_cli.stages.progress import Listener, StageReport, Watch
from bark_cli.stages.sampling import random_stream
from bark_cli.stages.steps import Close, Drawn, Growing, Job, Request, Sound, Wait

Steps = Generator[Request | Wait, Any, None]

# How the sound comes. "whole": at once. "exact": the same sound in pieces, as the codec makes them. "early":
# in pieces, each begun as soon as its codes are there; fine then knows no codes beyond its piece.
Streaming = Literal["whole", "exact", "early"]
FIRST_PIECE_S = 0.75  # of sound at least; pieces then double, up to what fine predicts at once


@dataclass(frozen=True, kw_only=True, eq=False)
class Utterance:
    """What is to be said, as the stages need it."""

    text_ids: Tokens  # (N,)
    voice: BarkTokens | None
    seed: int
    options: SamplingOptions
    streaming: Streaming = "whole"
    index: int = 0  # its number among those asked for together


@dataclass(frozen=True, eq=False)
class Spoken:
    """What the stages made."""

    tokens: BarkTokens
    samples: Samples  # (S,)
    seed: int
    is_complete: bool  # it ended by itself, and not at the most that it may have


def speak(
    utterance: Utterance,
    config: BarkConfig,
    listener: Listener | None = None,
    on_sound: Callable[[Samples], None] | None = None,
) -> Job[Spoken]:
    """Ask for one thing after the other until all is said; `on_sound` gets each piece of sound as it comes.

    Raises:
        GenerationError: speech ended before it began.
    """
    said = _Said(utterance, config, on_sound)
    stages = {"semantic": said.semantic, "coarse": said.coarse, "fine": said.fine, "codec": said.codec}
    watches = {stage: Watch(stage, utterance.index, listener) for stage in stages}
    yield from _downstream_first(
        [_Lane(watches[name], steps(watches[name])) for name, steps in stages.items()]
    )
    return said.all()


def costs(tokens: BarkTokens, seconds: dict[str, float]) -> dict[str, StageReport]:
    """What each stage made of an utterance, and the seconds it took."""
    made = {
        "semantic": len(tokens.semantic),
        "coarse": tokens.coarse.size,
        "fine": tokens.fine.size - tokens.coarse.size,
        "codec": tokens.fine.shape[1],
    }
    return {stage: StageReport(seconds[stage], number) for stage, number in made.items()}


def piece_sizes(config: BarkConfig) -> Iterator[int]:
    """Frames in the first piece of sound, the second, and so on without end.

    Each costs the fine network a whole window, however short it is: so none is cut short on the way to those
    that fill one.
    """
    size = config.fine.hop_frames
    while size % 2 == 0 and size // 2 >= FIRST_PIECE_S * config.coarse.rate_hz:
        size //= 2
    while True:
        yield size
        size = min(config.fine.hop_frames, 2 * size)


class _Said:
    """What the stages of one utterance have made so far; each method is the steps of one stage."""

    def __init__(
        self, utterance: Utterance, config: BarkConfig, on_sound: Callable[[Samples], None] | None
    ) -> None:
        self.utterance, self.config, self.on_sound = utterance, config, on_sound
        self.tokens = Growing[int]()  # semantic
        self.flat = Growing[int]()  # coarse, frame by frame
        self.parts = Growing[Tokens]()  # all codes, (n_codebooks, F) each
        self.sound: list[Samples] = []

    def semantic(self, watch: Watch) -> Steps:
        config, said = self.config.semantic, self.utterance
        longest = semantic.longest(config, said.options.max_duration_s)
        watch.expect(longest, longest / config.rate_hz)
        history = None if said.voice is None else said.voice.semantic
        stream = random_stream(said.seed, "semantic")
        tokens = yield from semantic.steps(said.text_ids, history, config, said.options, stream, self.tokens)
        watch.expect(len(tokens), len(tokens) / config.rate_hz)

    def coarse(self, watch: Watch) -> Steps:
        config, said, rate_hz = self.config.coarse, self.utterance, self.config.semantic.rate_hz
        while not (self.tokens.ended or said.streaming == "early"):
            yield Wait()
        most = semantic.longest(self.config.semantic, said.options.max_duration_s)
        n_flat = coarse.n_steps(len(self.tokens.items) if self.tokens.ended else most, config, rate_hz)
        watch.expect(n_flat, self._seconds(n_flat))
        stream = random_stream(said.seed, "coarse")
        codes = yield from coarse.steps(
            self.tokens, said.voice, config, rate_hz, said.options.coarse, stream, self.flat
        )
        if not codes.size:
            raise GenerationError(
                f"the model said nothing with seed {said.seed}; try another --seed or other words"
            )
        watch.expect(codes.size, self._seconds(codes.size))

    def fine(self, watch: Watch) -> Steps:
        config, said = self.config.fine, self.utterance
        voice, stream, frames = said.voice, random_stream(said.seed, "fine"), 0
        wanted = said.options.fine_codebooks
        for size in piece_sizes(self.config) if said.streaming == "early" else repeat(None):
            codes = yield from self._codes(frames, size)
            if not codes.size:
                break
            frames += codes.shape[1]
            n_steps = fine.n_steps(codes.shape[1], codes.shape[0], voice, config, wanted)
            watch.expect(watch.done + n_steps, frames / self.config.coarse.rate_hz)
            part = yield from fine.steps(codes, voice, config, said.options.fine, stream, wanted)
            self.parts.items.append(part)
            voice = _continued(voice, part, config)
        self.parts.ended = True

    def codec(self, watch: Watch) -> Steps:
        frames = 0
        for number in count():
            while number == len(self.parts.items) and not self.parts.ended:
                yield Wait()
            if number == len(self.parts.items):
                break
            pieces = self._pieces(self.parts.items[number])
            frames += sum(piece.shape[1] for piece in pieces)
            watch.expect(watch.done + len(pieces), frames / self.config.coarse.rate_hz)
            for piece in pieces:
                self._deliver((yield Sound(piece, "whole" if self.comes_whole else "piece")))
        if not self.comes_whole:
            watch.expect(watch.done + 1, watch.audio_s)
            self._deliver((yield Sound(self.parts.items[0][:, :0], "last piece")))

    @property
    def comes_whole(self) -> bool:
        """Whether all sound is made at once."""
        return self.utterance.streaming == "whole"

    def all(self) -> Spoken:
        """Everything, once every stage has ended."""
        tokens = BarkTokens(
            semantic=np.array(self.tokens.items, dtype=np.int64),
            coarse=coarse.unflatten(np.array(self.flat.items, dtype=np.int64), self.config.coarse),
            fine=np.concatenate(self.parts.items, axis=1),
        )
        said = self.utterance
        longest = semantic.longest(self.config.semantic, said.options.max_duration_s)
        is_complete = len(tokens.semantic) < longest
        return Spoken(tokens, np.concatenate(self.sound), said.seed, is_complete)

    def _codes(self, start: int, size: int | None) -> Generator[Wait, None, Tokens]:
        """Wait for `size` coarse frames from `start` on, or for the last; None waits for all."""
        per_frame = self.config.coarse.n_codebooks
        end = None if size is None else per_frame * (start + size)
        while not self.flat.ended and (end is None or len(self.flat.items) < end):
            yield Wait()
        flat = np.array(self.flat.items[per_frame * start : end], dtype=np.int64)
        return coarse.unflatten(flat, self.config.coarse)

    def _deliver(self, samples: Samples) -> None:
        """Keep the next samples (S,), and tell whoever waits for them."""
        self.sound.append(samples)
        if self.on_sound is not None and len(samples):
            self.on_sound(self.sound[-1])

    def _pieces(self, codes: Tokens) -> list[Tokens]:
        """What the codec decodes of a part (n_codebooks, F), one after the other."""
        if self.utterance.streaming != "exact":
            return [codes]
        ends = takewhile(lambda end: end < codes.shape[1], accumulate(piece_sizes(self.config)))
        return np.split(codes, list(ends), axis=1)

    def _seconds(self, flat_count: int) -> float:
        return flat_count / self.config.coarse.n_codebooks / self.config.coarse.rate_hz


def _continued(voice: BarkTokens | None, part: Tokens, config: FineConfig) -> BarkTokens:
    """A voice whose fine codes go on with `part`; the fine stage reads nothing else of it."""
    before = part[:, :0] if voice is None else voice.fine
    codes = np.concatenate([fine.filled(before, config), fine.filled(part, config)], axis=1)
    return BarkTokens(semantic=part[0, :0], coarse=part[:0], fine=codes)


@dataclass(eq=False)
class _Lane:
    """A stage at work, and what it asks for now: None when it has ended."""

    watch: Watch
    steps: Steps
    request: Request | Wait | None = field(default_factory=Wait)
    begun: bool = False

    def go_on(self) -> bool:
        """Take up what it waits for, if that has come; whether it asks for something now, or has ended."""
        if isinstance(self.request, Wait):
            self._advance(None)
            if self.request is not None and not isinstance(self.request, Wait) and not self.begun:
                self.begun = True
                self.watch.begin()
        return not isinstance(self.request, Wait)

    def answer(self, answer: Any) -> None:
        """Go on with the answer to its request."""
        self._advance(answer)
        if self.request is None:
            self.watch.finish()
        else:
            self.watch.step(len(answer.tokens) if isinstance(answer, Drawn) else 1)

    def _advance(self, answer: Any) -> None:
        try:
            self.request = self.steps.send(answer)
        except StopIteration:
            self.request = None


def _downstream_first(lanes: list[_Lane]) -> Job[None]:
    """Ask for the last lane that can go on, so that what is begun becomes sound as early as it can."""
    while lanes:
        lane = next(lane for lane in reversed(lanes) if lane.go_on())
        request = lane.request
        if request is None:
            lanes.remove(lane)
            yield lane.watch.stage, Close()
        elif not isinstance(request, Wait):  # which no lane that went on does
            lane.answer((yield lane.watch.stage, request))
