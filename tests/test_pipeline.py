from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import tiny_voice, write_voice
from numpy.typing import NDArray

from bark_cli.audio import Audio
from bark_cli.backends.memory import (
    MOST,
    SURE,
    cache_bytes,
    cpu_cache_bytes,
    fitting_batch_size,
    free_of_container,
    roomy_batch_size,
)
from bark_cli.checkpoint import open_checkpoint
from bark_cli.errors import BarkError, GenerationError, ModelError, OptionError, TextError, VoiceError
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.model.tokens import Logits
from bark_cli.pipeline import Bark, Speech, SpeechRequest
from bark_cli.stages.progress import Progress
from bark_cli.stages.steps import FineWindow
from bark_cli.stages.utterance import Streaming
from bark_cli.voices.catalogue import Voice

# the tiny model's speech ends at random; these run on
LONG = SamplingOptions(min_eos_p=None)


@pytest.fixture(scope="module")
def bark(tiny_model: Path) -> Bark:
    return Bark.load(tiny_model, device="cpu")


def same(a: Speech, b: Speech) -> bool:
    return np.array_equal(a.audio.samples, b.audio.samples) and np.array_equal(a.tokens.fine, b.tokens.fine)


def test_a_model_says_what_it_is(bark: Bark, tiny_model: Path) -> None:
    assert (bark.name, bark.folder, bark.device) == ("tiny", tiny_model, "cpu")
    assert bark.config.semantic.rate_hz == 50.0


def test_say_makes_sound_and_accounts_for_it(bark: Bark) -> None:
    speech = bark.say("  hello \n bark", seed=2)
    tokens, hop = speech.tokens, bark.config.codec.hop
    frames = tokens.fine.shape[1]
    assert frames == len(tokens.semantic) * 3 // 2
    assert speech.audio.samples.shape == (frames * hop,)
    assert speech.audio.samples.dtype == np.float32
    assert np.isfinite(speech.audio.samples).all()
    assert float(np.abs(speech.audio.samples).max()) > 0
    assert speech.duration_s == pytest.approx(frames / 75)
    assert (speech.text, speech.model, speech.voice, speech.seed) == ("hello bark", "tiny", None, 2)
    assert list(speech.stages) == ["semantic", "coarse", "fine", "codec"]
    seconds = sum(stage.seconds for stage in speech.stages.values())
    assert speech.real_time_factor == pytest.approx(seconds / speech.duration_s)


@pytest.mark.parametrize("streaming", ["whole", "early"])
def test_a_draft_has_the_first_codebooks_and_their_sound(
    streaming: Streaming, bark: Bark, tmp_path: Path
) -> None:
    """Of one window they are those of the whole; a voice of them is gone on from, and not saved."""
    options = replace(LONG, max_duration_s=0.4)
    request = SpeechRequest(text="hello", seed=5, options=options, streaming=streaming)
    [whole] = bark.say_all([request])
    for n in (2, 5, 8):
        [draft] = bark.say_all([replace(request, options=replace(options, fine_codebooks=n))])
        assert np.array_equal(draft.tokens.fine, whole.tokens.fine[:n])
        decoded = bark.model.backend.decode_audio(draft.tokens.fine)
        assert np.allclose(draft.audio.samples, decoded, atol=1e-6)
        assert same(draft, whole) == (n == 8)
        voice = Voice("me", draft.tokens)
        assert bark.say("hello", seed=1, voice=voice, options=options).tokens.fine.shape[0] == 8
        if n < 8:
            with pytest.raises(OptionError, match=f"a draft of {n} codebooks is no voice"):
                draft.save_voice(tmp_path / "me.npz")
    with pytest.raises(OptionError, match="fine-codebooks 1 must be at least 2"):
        replace(options, fine_codebooks=1)


def test_a_seed_repeats_whatever_ran_before_and_another_differs(bark: Bark, tiny_model: Path) -> None:
    first = bark.say("hello", seed=5, options=LONG)
    other = bark.say("hello", seed=6, options=LONG)
    assert not same(first, other)
    assert same(first, bark.say("hello", seed=5, options=LONG))
    assert same(first, Bark.load(tiny_model, device="cpu").say("hello", seed=5, options=LONG))


def test_a_drawn_seed_is_recorded_and_repeats(bark: Bark) -> None:
    options = SamplingOptions(may_end=False, max_duration_s=0.1)  # whatever is drawn, it speaks
    speech = bark.say("hello", options=options)
    assert 0 <= speech.seed < 2**31
    assert same(speech, bark.say("hello", seed=speech.seed, options=options))
    assert len({bark.say("hello", options=options).seed for _ in range(3)}) == 3


def test_temperature_zero_needs_no_seed(bark: Bark) -> None:
    greedy = StageSampling(temperature=0.0)
    options = SamplingOptions(semantic=greedy, coarse=greedy, fine=greedy)
    try:
        assert same(bark.say("hello", seed=1, options=options), bark.say("hello", seed=2, options=options))
    except GenerationError:
        pytest.fail("choose another text: this one is silent")


def test_a_voice_changes_the_speech_and_is_named(bark: Bark, tmp_path: Path) -> None:
    plain = bark.say("hello", seed=5, options=LONG)
    ann = bark.say("hello", seed=5, options=LONG, voice="tiny/ann")
    assert ann.voice == "tiny/ann"
    assert not same(plain, ann)
    copy = write_voice(tmp_path / "copy.npz", tiny_voice(bark.config))
    assert same(ann, bark.say("hello", seed=5, options=LONG, voice=copy))


def test_a_voice_given_as_tokens_is_continued_or_refused_as_foreign(bark: Bark) -> None:
    import dataclasses

    speech = bark.say("hello my name is bark", seed=5, options=LONG)
    continued = bark.say("hello", seed=5, options=LONG, voice=Voice("me", speech.tokens))
    assert continued.voice == "me"
    foreign = dataclasses.replace(speech.tokens, semantic=speech.tokens.semantic + 9000)
    with pytest.raises(VoiceError, match="voice me was made for another model"):
        bark.say("hello", voice=Voice("me", foreign))


def test_the_models_default_voice_speaks_unless_none_is_asked_for(bark: Bark, tiny_model: Path) -> None:
    import dataclasses

    shy = Bark.load(tiny_model, device="cpu")
    shy.model.config = dataclasses.replace(shy.config, default_voice="tiny/ann")
    assert shy.say("hello", seed=5, options=LONG).voice == "tiny/ann"
    assert shy.say("hello", seed=5, options=LONG, voice="none").voice is None


def test_a_saved_voice_is_continued(bark: Bark, tmp_path: Path) -> None:
    speech = bark.say("hello my name is bark", seed=5, options=LONG)
    speech.save_voice(tmp_path / "me.npz")
    speech.save(tmp_path / "me.wav")
    assert soundfile.info(tmp_path / "me.wav").frames == len(speech.audio.samples)
    again = bark.say("hello", seed=5, options=LONG, voice=tmp_path / "me.npz")
    assert not same(again, bark.say("hello", seed=5, options=LONG))


def test_the_models_own_sampling_is_the_default(bark: Bark) -> None:
    assert same(bark.say("hello", seed=5), bark.say("hello", seed=5, options=bark.config.sampling))


def test_duration_is_limited(bark: Bark) -> None:
    speech = bark.say("hello", seed=5, options=SamplingOptions(min_eos_p=None, max_duration_s=0.2))
    assert len(speech.tokens.semantic) <= 11


@pytest.mark.parametrize(
    ("text", "options", "error"),
    [
        ("", {}, TextError),
        ("a\x00b", {}, TextError),
        ("hello " * 33, {}, TextError),
        ("hello", {"seed": -1}, OptionError),
        ("hello", {"seed": 2**32}, OptionError),
        ("hello", {"voice": "nobody"}, VoiceError),
    ],
)
def test_what_cannot_be_said_is_one_clear_line(
    bark: Bark, text: str, options: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        bark.say(text, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


# many at once


@pytest.mark.parametrize("batch_size", [1, 2, 3, None])
def test_many_at_once_sound_as_each_alone_and_keep_their_order(bark: Bark, batch_size: int | None) -> None:
    requests = [
        SpeechRequest(text="hello", seed=5, options=LONG),
        SpeechRequest(text="hello my name is bark", seed=6, voice="tiny/ann"),
        SpeechRequest(text="i can speak", seed=7, options=SamplingOptions(may_end=False, max_duration_s=0.2)),
    ]
    speeches = bark.say_all(iter(requests), batch_size=batch_size)
    assert [speech.text for speech in speeches] == [request.text for request in requests]
    for request, speech in zip(requests, speeches, strict=True):
        assert same(
            speech,
            bark.say(request.text, voice=request.voice, seed=request.seed, options=request.options),
        )
        assert list(speech.stages) == ["semantic", "coarse", "fine", "codec"]
        assert all(stage.seconds > 0 and stage.tokens > 0 for stage in speech.stages.values())
    assert bark.say_all([]) == []


def test_progress_says_whose_it_is(bark: Bark) -> None:
    seen: list[Progress] = []
    requests = [SpeechRequest(text="hello", seed=5, options=LONG)] * 2
    bark.say_all(requests, batch_size=2, on_progress=seen.append)
    for stage in ("semantic", "coarse", "fine", "codec"):
        assert {progress.utterance for progress in seen if progress.stage == stage} == {0, 1}


def test_one_that_cannot_be_said_leaves_the_others(bark: Bark) -> None:
    requests = [
        SpeechRequest(text="hello", seed=5, options=LONG),
        SpeechRequest(text="hello", voice="nobody"),
        SpeechRequest(text=" "),
        SpeechRequest(text="hello", seed=-1),
        SpeechRequest(text="hello", seed=6, options=LONG),
    ]
    results = dict(bark.say_each(requests, batch_size=2))
    kinds = [type(results[index]) for index in range(5)]
    assert kinds == [Speech, VoiceError, TextError, OptionError, Speech]
    with pytest.raises(BarkError):
        bark.say_all(requests, batch_size=2)
    with pytest.raises(OptionError, match="batch size 0"):
        bark.say_all(requests, batch_size=0)


def test_requests_are_taken_as_there_is_room(bark: Bark) -> None:
    taken: list[int] = []

    def requests() -> Iterator[SpeechRequest]:
        for seed in (5, 6, 7):
            taken.append(seed)
            yield SpeechRequest(text="hello", seed=seed, options=LONG)

    results = bark.say_each(requests(), batch_size=1)
    next(results)
    assert taken == [5]
    assert len(list(results)) == 2


def test_the_batch_fits_into_memory(tiny_config: BarkConfig) -> None:
    semantic = cache_bytes(tiny_config.semantic.gpt, 4)
    assert semantic == 2 * 2 * 80 * 32 * 4  # keys and values, layers, positions, width, bytes
    both = semantic + cache_bytes(tiny_config.coarse.gpt, 4)
    assert fitting_batch_size(tiny_config, 4, free_bytes=0) == 1
    assert fitting_batch_size(tiny_config, 4, free_bytes=10 * both) == 5  # half of it
    assert fitting_batch_size(tiny_config, 2, free_bytes=10 * both) == 10
    assert fitting_batch_size(tiny_config, 4, free_bytes=10**12) == MOST


def test_a_batch_is_as_large_as_caches_allow(tiny_config: BarkConfig, tmp_path: Path) -> None:
    """All of it where weights come from memory; else what the processor's cache holds beside them."""

    def sized(n_embd: int) -> BarkConfig:
        gpt = replace(tiny_config.semantic.gpt, n_layer=10, n_embd=n_embd, block_size=1000)
        coarse = replace(tiny_config.coarse, gpt=replace(tiny_config.coarse.gpt, n_layer=1))
        return replace(tiny_config, semantic=replace(tiny_config.semantic, gpt=gpt), coarse=coarse)

    weights, cache = 12 * 10 * 256**2, 2 * 10 * 1000 * 256
    assert roomy_batch_size(sized(256), "int8", weights - 1) == MOST
    assert roomy_batch_size(sized(256), "int8", None) == MOST
    assert roomy_batch_size(sized(256), "int8", weights) == SURE
    assert roomy_batch_size(sized(256), "int8", weights + 20 * cache // 2) == 20
    assert roomy_batch_size(sized(256), "int8", weights + 99 * cache) == MOST
    assert roomy_batch_size(sized(256), "fp32", 4 * weights + 20 * 2 * cache) == 20
    assert cpu_cache_bytes(tmp_path) is None
    for index, size in enumerate(("32K", "what", "1024K", "32768K")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(f"{size}\n")
    assert cpu_cache_bytes(tmp_path) == 32 * 2**20


def test_a_containers_limit_counts(tmp_path: Path) -> None:
    assert free_of_container(tmp_path) > 2**60
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("300\n")
    assert free_of_container(tmp_path) > 2**60
    (tmp_path / "memory.max").write_text("1000\n")
    assert free_of_container(tmp_path) == 700


# sound while it is made


TO_THE_LIMIT = SamplingOptions(may_end=False)  # 40 semantic tokens, 60 frames: nearly two of fine's hops


def with_own_backend(bark: Bark) -> Bark:
    """The same model, with a backend that a test may change."""
    return Bark(replace(bark.model, backend=copy.copy(bark.model.backend)))


def joined(pieces: list[Audio]) -> NDArray[np.float32]:
    return np.concatenate([piece.samples for piece in pieces])


@pytest.mark.parametrize("voice", [None, "tiny/ann"])
def test_an_exact_stream_is_what_say_makes(bark: Bark, voice: str | None) -> None:
    whole = bark.say("hello bark", seed=5, voice=voice, options=TO_THE_LIMIT)
    stream = bark.stream("hello bark", seed=5, voice=voice, options=TO_THE_LIMIT, exact=True)
    pieces = list(stream)
    assert len(pieces) == 2
    assert {piece.sample_rate for piece in pieces} == {24_000}
    np.testing.assert_allclose(joined(pieces), whole.audio.samples, atol=1e-5)
    for stage in ("semantic", "coarse", "fine"):
        np.testing.assert_array_equal(getattr(stream.speech.tokens, stage), getattr(whole.tokens, stage))
    np.testing.assert_array_equal(stream.speech.audio.samples, joined(pieces))
    assert [report.tokens for report in stream.speech.stages.values()] == [
        report.tokens for report in whole.stages.values()
    ]


@pytest.mark.parametrize("exact", [True, False])
def test_speech_of_a_single_frame_is_streamed(bark: Bark, exact: bool) -> None:
    """The codec holds back its first frames: here they are all there is, and come at the end."""
    one = SamplingOptions(may_end=False, max_duration_s=0.01)
    whole = bark.say("hello", seed=5, options=one)
    assert whole.tokens.fine.shape == (8, 1)
    pieces = list(bark.stream("hello", seed=5, options=one, exact=exact))
    np.testing.assert_allclose(joined(pieces), whole.audio.samples, atol=1e-5)


@pytest.mark.parametrize("voice", [None, "tiny/ann"])
def test_an_early_stream_has_the_same_codes_up_to_fine(bark: Bark, voice: str | None) -> None:
    whole = bark.say("hello bark", seed=5, voice=voice, options=TO_THE_LIMIT)
    stream = bark.stream("hello bark", seed=5, voice=voice, options=TO_THE_LIMIT)
    pieces = list(stream)
    assert len(pieces) == 2
    speech = stream.speech
    np.testing.assert_array_equal(speech.tokens.semantic, whole.tokens.semantic)
    np.testing.assert_array_equal(speech.tokens.coarse, whole.tokens.coarse)
    np.testing.assert_array_equal(speech.tokens.fine[:2], whole.tokens.coarse)
    assert joined(pieces).shape == whole.audio.samples.shape
    again = bark.stream("hello bark", seed=5, voice=voice, options=TO_THE_LIMIT).speech
    assert same(speech, again)
    assert (speech.text, speech.seed, speech.complete) == (whole.text, whole.seed, whole.complete)


def test_the_first_piece_comes_before_coarse_is_done_and_that_before_semantic(bark: Bark) -> None:
    seen: list[Progress] = []
    stream = bark.stream("hello bark", seed=5, options=TO_THE_LIMIT, on_progress=seen.append)
    assert seen == []
    next(stream)
    latest = {progress.stage: progress for progress in seen}
    assert latest["codec"].done == 1
    assert latest["coarse"].done < 2 * 60
    assert latest["semantic"].done < 40
    order = [progress.stage for progress in seen]
    assert order.index("coarse") < len(order) - 1 - order[::-1].index("semantic")
    rest = list(stream)
    assert len(rest) == 1
    for stage, total in {"semantic": 40, "coarse": 120}.items():
        last = [progress for progress in seen if progress.stage == stage][-1]
        assert (last.done, last.total) == (total, total)


def test_later_pieces_of_a_stream_continue_the_voice_and_the_pieces_before(
    bark: Bark, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[NDArray[np.int64]] = []
    bark = with_own_backend(bark)
    fine_logits = bark.model.backend.fine_logits

    def note_down(requests: Sequence[FineWindow]) -> list[Logits]:
        asked.extend(request.codes.copy() for request in requests)
        return fine_logits(requests)

    monkeypatch.setattr(bark.model.backend, "fine_logits", note_down)
    tokens = bark.stream("hello bark", seed=5, voice="tiny/ann", options=TO_THE_LIMIT).speech.tokens
    voice = tiny_voice(bark.config)
    assert len(asked) == 2 * 6
    np.testing.assert_array_equal(asked[0][:, :32], voice.fine[:, -32:])
    np.testing.assert_array_equal(asked[0][:2, 32:], tokens.coarse[:, :32])
    np.testing.assert_array_equal(asked[6][:, :32], tokens.fine[:, :32])
    np.testing.assert_array_equal(asked[6][:2, 32:60], tokens.coarse[:, 32:])


def test_what_a_stream_cannot_say_is_told_when_it_is_taken(bark: Bark) -> None:
    stream = bark.stream(" ")
    with pytest.raises(TextError):
        next(stream)
    with pytest.raises(VoiceError):
        _ = bark.stream("hello", voice="nobody").speech


def test_a_stream_that_is_left_gives_its_sequences_back(bark: Bark, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[object] = []
    bark = with_own_backend(bark)
    release = bark.model.backend.release
    monkeypatch.setattr(
        bark.model.backend, "release", lambda context: (released.append(context), release(context))
    )
    stream = bark.stream("hello bark", seed=5, options=TO_THE_LIMIT)
    next(stream)
    before = len(released)
    stream.close()
    assert len(released) == before + 2  # semantic and coarse were both at work
    assert list(stream) == []


# loading


def test_a_model_made_of_a_checkpoint_is_the_same(bark: Bark, tiny_model: Path) -> None:
    checkpoint = open_checkpoint(tiny_model, storage="int8")
    made = Bark.from_checkpoint(checkpoint, name="mine", device="cpu", precision=bark.precision)
    assert (made.name, made.precision) == ("mine", bark.precision)
    assert Bark.from_checkpoint(checkpoint, name="mine", device="cpu", precision="fp32").precision == "fp32"
    assert same(made.say("hello", seed=5, options=LONG), bark.say("hello", seed=5, options=LONG))


def test_an_unknown_precision_is_one_clear_line(tiny_model: Path) -> None:
    with pytest.raises(OptionError, match="fp7"):
        Bark.load(tiny_model, precision="fp7")


def test_an_unknown_model_or_device_is_one_clear_line(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        Bark.load(tmp_path / "nothing")
    with pytest.raises(OptionError, match="use one of auto, cpu, cuda, mps"):
        Bark.load(tiny_model, device="tpu")


def test_loading_imports_no_compiler(tiny_model: Path) -> None:
    """torch's compiler takes seconds to import, and nothing here compiles."""
    code = "import sys; from bark_cli import Bark; Bark.load(sys.argv[1]).say('hello', seed=5); "
    code += "print('torch._dynamo' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_model)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path.cwd(),
    )
    assert done.stdout.strip() == "False"
