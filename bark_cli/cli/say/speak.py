"""One spoken request: options of `bark say` -> a loaded model -> a file, a pipe, the loudspeaker."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING

from bark_cli.cli.clock import seconds_since_start
from bark_cli.cli.output import abandon_stdout, note, print_json
from bark_cli.cli.say.check import check
from bark_cli.cli.say.display import expected_seconds, loading_line, shown_progress
from bark_cli.cli.say.report import Result, introduce, record, report
from bark_cli.cli.say.request import Delivery, SayRequest
from bark_cli.cli.say.served import served
from bark_cli.errors import BarkError
from bark_cli.system.interrupts import parting_words

if TYPE_CHECKING:
    from bark_cli.narration.kept import KeptPieces
    from bark_cli.narration.narrate import Narration, PieceResult
    from bark_cli.pipeline import Bark, Progress
    from bark_cli.remote.client import RemoteBark
    from bark_cli.text.script import Script

_LONG = 120  # characters: what is shorter is one piece


def speak(script: Script, request: SayRequest) -> None:
    """Say them and deliver it; whatever can be found wrong without the model is, before it is loaded.

    Raises:
        BarkError: as the pipeline's, or the sound cannot be delivered.
    """
    check(script, request)
    with _speaker(request) as bark:
        _speak_with(bark, script, request)


@contextmanager
def _speaker(request: SayRequest) -> Iterator[Bark | RemoteBark]:
    """Who speaks: the server that has the model, else a Bark that is loaded now."""
    delivery = request.delivery
    with loading_line(delivery):
        remote = served(request)
        bark = remote or request.load(None if delivery.quiet else note)
    start_s = seconds_since_start()
    try:
        yield bark
    finally:
        if remote is not None:
            remote.close()
    if remote is None:
        _remember_start(bark, request, start_s)


def _speak_with(bark: Bark | RemoteBark, script: Script, request: SayRequest) -> None:
    if not request.delivery.quiet:
        introduce(bark, request)
    with _kept(bark, script, request) as (begun, kept):
        _make(bark, script, begun, kept)


def _make(bark: Bark | RemoteBark, script: Script, request: SayRequest, kept: KeptPieces | None) -> None:
    delivery = request.delivery
    narration = _compose(bark, script, request)
    request.check_redo(narration.text)
    if kept is not None and len(narration.pieces) == 1 and not delivery.keep_partial:
        kept.clear()
        kept = None
    _tell_of_kept(narration, kept, delivery)
    how_to_go_on = partial(_say_how_to_go_on, narration, kept, delivery)
    if delivery.keep_partial:
        from bark_cli.cli.say.so_far import so_far

        narration, request = so_far(narration, request, kept)
        delivery = request.delivery
    if narration.told is not None and not delivery.quiet:
        note(narration.told)
    try:
        with parting_words(how_to_go_on):
            result = _deliver(bark, narration, request, kept)
    except BrokenPipeError:  # who listened has heard enough: that is no failure
        abandon_stdout()
        if delivery.voice_file is not None and not delivery.quiet:
            note(f"{delivery.voice_file} was not written: the reader went away before the speech ended")
        return
    except BarkError:
        if kept is not None and kept.count(narration):
            how_to_go_on()
        raise
    if kept is not None and not (delivery.keep_partial or delivery.keep_pieces):
        kept.clear()
    _remember(bark, request, result)
    if delivery.voice_file is not None and result.last is not None:
        result.last.save_voice(delivery.voice_file, force=delivery.force)
    if delivery.as_json:
        print_json(record(result, request))
    if not delivery.quiet:
        report(result, request, bark.config.semantic)


def _compose(bark: Bark | RemoteBark, script: Script, request: SayRequest) -> Narration:
    from bark_cli.narration.compose import compose_for

    return compose_for(bark.model, script, request.recipe(bark.config.sampling), request.seed)


def _deliver(
    bark: Bark | RemoteBark,
    narration: Narration,
    request: SayRequest,
    kept: KeptPieces | None,
) -> Result:
    """Say it, and put the sound where it is wanted as it comes.

    Raises:
        BrokenPipeError: nobody reads standard output any more.
    """
    from bark_cli.cli.say.outlets import Enough, open_outlets
    from bark_cli.narration.timeline import Timeline

    delivery = request.delivery
    rate = bark.config.codec.sample_rate
    longest = bark.config.semantic.max_new_tokens
    result = Result(timeline=Timeline(narration, rate), sample_rate=rate, longest=longest)
    is_held = delivery.exact and len(narration.pieces) == 1  # else it is heard as it comes
    voice = request.settings.voice or bark.config.default_voice
    told = narration.provenance(bark.name, voice, request.seed, request.noted)
    metadata = told if delivery.metadata else None
    with (
        open_outlets(delivery, rate, metadata, tags=request.tags, is_held=is_held) as outlets,
        shown_progress(expected_seconds(narration, kept), delivery) as watcher,
        closing(_spoken(bark, narration, request, kept, outlets.watched(watcher))) as spoken,
        suppress(Enough),
    ):
        for one in spoken:
            for heard in result.timeline.lay(one.piece, one.sound, ends=one.speech is not None):
                outlets.put(heard)
            if one.speech is not None:
                result.add(one.speech)
    result.first_sound_s = outlets.first_sound_s if delivery.is_stream else None
    result.underruns = outlets.player.underruns if outlets.player else 0
    _write_subtitles(result, delivery)
    return result


def _spoken(
    bark: Bark | RemoteBark,
    narration: Narration,
    request: SayRequest,
    kept: KeptPieces | None,
    watcher: Callable[[Progress], None] | None,
) -> Generator[PieceResult, None, None]:
    """The pieces in order: as they sound where somebody listens, else each once it is whole."""
    from bark_cli.narration.kept import narrate_kept
    from bark_cli.narration.narrate import narrate, narrate_soon

    batch_size, exact = request.settings.batch_size, request.delivery.exact
    if request.delivery.is_stream:
        return narrate_soon(bark, narration, exact=exact, batch_size=batch_size, on_progress=watcher)
    if kept is None:
        return narrate(bark, [narration], batch_size=batch_size, on_progress=watcher)
    return narrate_kept(bark, narration, kept, batch_size=batch_size, on_progress=watcher)


@contextmanager
def _kept(
    bark: Bark | RemoteBark, script: Script, request: SayRequest
) -> Iterator[tuple[SayRequest, KeptPieces | None]]:
    """Where the pieces of a long text are kept until it is done, and with which seed it was begun.

    Pieces that go on from each other are not kept, nor is what is heard at once.

    Raises:
        OutputError: another run is making the same file.
    """
    delivery = request.delivery
    goes_on = request.settings.continuity == "previous"
    if delivery.output is None or delivery.is_stream or goes_on or len(script.lines) == 0:
        yield request, None
        return
    kept = request.kept_pieces(bark, delivery.output)
    with nullcontext() if delivery.keep_partial else kept.held():  # only reading needs no lock
        if delivery.fresh:
            kept.empty()
        yield _begun(script, request, kept), kept


def _begun(script: Script, request: SayRequest, kept: KeptPieces) -> SayRequest:
    """The request, with the seed that a long text was begun with, where none was asked for."""
    from bark_cli.system.digest import digest

    if not request.is_seed_drawn or sum(len(line.text) for line in script.lines) <= _LONG:
        return request
    asked = digest([asdict(line) for line in script.lines], dict(script.cast), asdict(request.settings))
    if request.delivery.keep_partial:
        found = kept.recall_seed(asked)
        return request if found is None else replace(request, seed=found)
    return replace(request, seed=kept.seed(asked, request.seed))


def _tell_of_kept(narration: Narration, kept: KeptPieces | None, delivery: Delivery) -> None:
    """Say how much was here already."""
    if kept is None or delivery.quiet:
        return
    if here := kept.count(narration):
        note(f"{here} of {len(narration.pieces)} pieces were here; --fresh begins anew")


def _say_how_to_go_on(narration: Narration, kept: KeptPieces | None, delivery: Delivery) -> None:
    """Say what is kept of a text that was stopped."""
    if kept is None or delivery.quiet:
        return
    here, total = kept.count(narration), len(narration.pieces)
    if here == 0:
        note(
            f"none of {total} pieces was done, so that none is kept; --batch-size 1 has the first ones sooner"
        )
        return
    much = f"{here} of {total} pieces are kept"
    note(f"{much}; run the same command again to go on, or with --keep-partial to hear what is there")


def _remember(bark: Bark | RemoteBark, request: SayRequest, result: Result) -> None:
    """Keep how fast it was, so that --dry-run can tell how long the next will take."""
    from bark_cli.store.speeds import remember_speed

    if result.speech_s:
        takes = max(1, sum(len(one.get("takes", [1])) for one in result.said)) / len(result.said)
        # by what was asked for, auto: that is what is known before anything is loaded
        s, factor = request.settings, result.real_time_factor / takes
        remember_speed(bark.name, s.device, s.precision, factor, result.speech_s)


def _remember_start(bark: Bark | RemoteBark, request: SayRequest, seconds: float) -> None:
    """Keep how long it took until the model was there, for the same purpose."""
    from bark_cli.store.speeds import remember_start

    remember_start(bark.name, request.settings.device, request.settings.precision, seconds)


def _write_subtitles(result: Result, delivery: Delivery) -> None:
    from bark_cli.audio.subtitles import subtitles
    from bark_cli.system.files import write_whole

    if (path := delivery.subtitle_file) is not None:
        text = subtitles(result.timeline.cues, delivery.subtitles)  # type: ignore[arg-type]  # srt or vtt
        write_whole(path, text.encode(), force=delivery.force, follow=False)
