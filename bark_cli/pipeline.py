"""`Bark`, the class that Python users hold: load a model, say a text, stream it, open a session."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from pathlib import Path
from threading import Lock

from bark_cli.backends.device import choose_device, choose_precision
from bark_cli.checkpoint.record import Checkpoint
from bark_cli.errors import BarkError
from bark_cli.known_model import SpeaksWith
from bark_cli.loaded_model import LoadedModel, load_model, model_of
from bark_cli.model.options import SamplingOptions
from bark_cli.narration.each import speak_each
from bark_cli.session import AHEAD_S, Handle, Session, SpeechStream
from bark_cli.speech import Speech, SpeechRequest
from bark_cli.stages.progress import Progress, StageReport
from bark_cli.takes.take import DEFAULT_ATTEMPTS, Attempts
from bark_cli.voices import Voice

__all__ = ["Bark", "Handle", "Progress", "Session", "Speech", "SpeechRequest", "SpeechStream", "StageReport"]


class Bark(SpeaksWith):
    """A loaded model: `Bark.load("nano").say("Hello").save("hello.wav")`.

    Any number of threads may use one Bark at a time: they share its engine, and each gets its own sound.
    """

    model: LoadedModel

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self._lock = Lock()
        self._own: Session | None = None

    @classmethod
    def load(
        cls,
        model: str | Path | None = None,
        *,
        size: str | None = None,
        semantic: str | Path | None = None,
        coarse: str | Path | None = None,
        fine: str | Path | None = None,
        device: str = "auto",
        precision: str = "auto",
        offload: bool = False,
        on_note: Callable[[str], None] | None = None,
    ) -> Bark:
        """Load a model by name or folder; None is the best one installed.

        For int8 a model of another layout is converted once and kept in the cache.

        Args:
            model: a name (`nano`, `small`, `large`) or the folder of a model in any layout.
            size: `small` or `large`, where a folder holds both.
            semantic: another model, by name or folder, for this stage alone.
            coarse: the same for this stage.
            fine: the same for this stage, and for the codec.
            device: `auto`, `cpu`, `cuda`, `mps` or `openvino`; `cuda:1` or `openvino:GPU` is one of several.
            precision: what the networks compute in, `auto`, `fp32`, `bf16` or `int8`; with OpenVINO what
                their weights are kept in, `fp32`, `fp16`, `int8` or `int4`.
            offload: let the networks wait in the machine's memory, and only the one at work lie on the GPU:
                slower, and of use where not all of them fit, for one text at a time.
            on_note: told in a line when a conversion begins or cannot be kept.

        Raises:
            ModelError: the model is missing, incomplete, damaged or foreign.
            OptionError: this machine has no such device, the precision is unknown, or the stages come from
                models whose tokens differ.
        """
        given = {"semantic": semantic, "coarse": coarse, "fine": fine}
        return cls(
            load_model(
                model,
                {stage: other for stage, other in given.items() if other is not None},
                size=size,
                device=device,
                precision=precision,
                offload=offload,
                note=on_note or (lambda _: None),
            )
        )

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Checkpoint, *, name: str, device: str = "auto", precision: str = "auto"
    ) -> Bark:
        """Make a model of what `read_checkpoint` returned.

        Raises:
            OptionError: this machine has no such device, or the precision is unknown.
        """
        target = choose_device(device)
        return cls(model_of(checkpoint, name, target, choose_precision(precision, target)))

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.model.device

    @property
    def precision(self) -> str:
        """What its networks compute in."""
        return self.model.precision

    def say(
        self,
        text: str,
        *,
        voice: str | Path | Voice | None = None,
        seed: int | None = None,
        options: SamplingOptions | None = None,
        attempts: Attempts = DEFAULT_ATTEMPTS,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Speech:
        """Speak one text.

        Args:
            text: at most `config.semantic.max_text_tokens` tokens.
            voice: a voice, its name or its file; None is the model's default, "none" is no voice at all.
            seed: 0 .. 2**32 - 1; the same seed gives the same sound. None draws one, found in the result.
            options: how to sample; None is the model's own way.
            attempts: how often it is said, to keep the best; by default once more if the first failed.
            on_progress: called after every step of the network.

        Raises:
            TextError: the text is empty, too long or unreadable.
            VoiceError: the voice is unknown, malformed or made for another model.
            OptionError: the seed is out of range.
            GenerationError: the model made no speech.
        """
        request = SpeechRequest(text=text, voice=voice, seed=seed, options=options, attempts=attempts)
        return self.submit(request, on_progress=on_progress).result()

    def stream(
        self,
        text: str,
        *,
        voice: str | Path | Voice | None = None,
        seed: int | None = None,
        options: SamplingOptions | None = None,
        exact: bool = False,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> SpeechStream:
        """Speak one text, and hand over its sound in pieces while the rest is still being made.

        Semantic and coarse tokens are those of `say`, and so is the length. The fine codes are not, unless
        `exact`: each piece is begun as soon as its coarse codes are there, and continues the pieces before it
        as Bark continues a voice, but does not hear what comes after it. Either way the same seed gives the
        same sound again.

        Args:
            text: this and all else as for `say`.
            voice: a voice, its name or its file.
            seed: 0 .. 2**32 - 1.
            options: how to sample.
            exact: make the sound of `say`; its first piece comes when all its codes are there.
            on_progress: called after every step of the network.

        Raises:
            BarkError: for `say`'s reasons, when the pieces are taken.
        """
        request = SpeechRequest(
            text=text, voice=voice, seed=seed, options=options, streaming="exact" if exact else "early"
        )
        return SpeechStream(lambda: self.submit(request, ahead_s=0.0, on_progress=on_progress))

    def say_all(
        self,
        requests: Iterable[SpeechRequest],
        *,
        batch_size: int | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> list[Speech]:
        """Speak several texts, many at a time; each sounds as it does alone.

        Args:
            requests: what to say.
            batch_size: how many are worked on at once; None is as many as save time and fit, up to 64.
            on_progress: called after every step of each; `Progress.utterance` says whose.

        Raises:
            BarkError: the first that cannot be said, for a reason of `say`'s; `say_each` goes on with the
                others.
        """
        speeches: dict[int, Speech] = {}
        spoken = self.say_each(requests, batch_size=batch_size, on_progress=on_progress)
        with closing(spoken):
            for index, result in spoken:
                if isinstance(result, BarkError):
                    raise result
                speeches[index] = result
        return [speeches[index] for index in sorted(speeches)]

    def say_each(
        self,
        requests: Iterable[SpeechRequest | None],
        *,
        batch_size: int | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Generator[tuple[int, Speech | BarkError], None, None]:
        """Speak several texts, many at a time, and yield each with its index as soon as it is done.

        Arguments are those of `say_all`; requests are taken one by one as there is room. One that cannot be
        said is yielded as the error that `say` would raise, and the others go on. None among them says that
        there is no request until one of those at work is done; it has no index.

        Raises:
            OptionError: the batch size is less than 1.
        """
        yield from speak_each(self, requests, batch_size=batch_size, on_progress=on_progress)

    def submit(
        self,
        request: SpeechRequest,
        *,
        number: int = 0,
        ahead_s: float = AHEAD_S,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Handle:
        """Ask for speech and go on; as `Session.submit`, of the session that all who use this Bark share."""
        handle = self._shared().submit(request, number=number, ahead_s=ahead_s, on_progress=on_progress)
        handle.owner = self  # which ends its session when nobody holds it any more
        return handle

    def session(self, batch_size: int | None = None, *, max_waiting: int | None = None) -> Session:
        """An engine for many callers, to be closed after use; arguments are those of `Session`."""
        return Session(self.model, batch_size, max_waiting=max_waiting)

    @property
    def batch_size(self) -> int:
        """How many utterances are worked on at once."""
        return self._shared().batch_size

    def widen(self, batch_size: int) -> None:
        """Let more be worked on at once than fit by estimate."""
        self._shared().widen(batch_size)

    def fitting_batch_size(self) -> int:
        """How many utterances at once the free memory holds, 1 .. 64."""
        return self.model.fitting_batch_size()

    def _shared(self) -> Session:
        """The session of all who use this Bark, which lives as long as it does."""
        with self._lock:
            if self._own is None:
                self._own = Session(self.model)
                weakref.finalize(self, self._own.close, cancel=True)
            return self._own
