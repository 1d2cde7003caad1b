"""The int8 backend on nano's real weights, against the plain backend in float32."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from bark_cli import store
from bark_cli.backends import Backend, CausalStage, int8, kernel, packed
from bark_cli.backends.buffers import Array
from bark_cli.backends.eager import EagerBackend
from bark_cli.backends.int8 import Int8Backend
from bark_cli.checkpoint import Checkpoint, build_networks, read_checkpoint
from bark_cli.engine import Engine
from bark_cli.errors import GenerationError
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.model.tokenizer import BarkTokenizer
from bark_cli.model.tokens import Logits
from bark_cli.pipeline import Bark, SpeechRequest
from bark_cli.session.job import speech_job
from bark_cli.speech import Speech
from bark_cli.stages.coarse import legal as coarse_legal
from bark_cli.stages.semantic import legal as semantic_legal
from bark_cli.stages.steps import Decode, FineWindow, Prefill
from bark_cli.voices.catalogue import find_voice

pytestmark = pytest.mark.skipif(kernel.compiled() is None, reason="no C compiler was there at installation")
TEXT = "The quick brown fox jumps over the lazy dog, and then it sleeps."


@pytest.fixture(scope="module")
def nano() -> Checkpoint:
    return read_checkpoint(store.resolve_model("nano").folder)


@pytest.fixture(scope="module")
def exact(nano: Checkpoint) -> EagerBackend:
    return EagerBackend(build_networks(nano), torch.device("cpu"))


@pytest.fixture(scope="module")
def fast(nano: Checkpoint) -> Int8Backend:
    return Int8Backend(nano)


@dataclass(frozen=True)
class Error:
    """How far logits are off, in units of their spread, and how often the likeliest id agrees."""

    most: float
    mean: float
    agreement: float

    @classmethod
    def between(cls, found: Logits, expected: Logits) -> Error:
        difference = abs(found - expected) / expected.std(axis=-1, keepdims=True)
        agreement = (found.argmax(axis=-1) == expected.argmax(axis=-1)).mean()
        return cls(float(difference.max()), float(difference.mean()), float(agreement))


def opening(nano: Checkpoint, stage: CausalStage) -> tuple[Prefill, range]:
    """A real prompt of a stage, and the ids that are legal after it."""
    config = nano.config
    if stage == "semantic":
        words = BarkTokenizer.from_file(nano.tokenizer_file, config.semantic).encode(TEXT)
        text = np.pad(
            words,
            (0, config.semantic.max_text_tokens - len(words)),
            constant_values=config.semantic.text_pad_token,
        )
        ids = semantic_legal(config.semantic)
        return Prefill(np.append(text, config.semantic.infer_token), ids), ids
    ids = coarse_legal(0, config.coarse)
    spoken = np.arange(config.coarse.max_semantic_tokens) * 37 % config.semantic.vocab_size
    return Prefill(np.append(spoken, config.coarse.infer_token), ids), ids


def teacher_forced(
    backends: tuple[Backend, Backend], stage: CausalStage, nano: Checkpoint, count: int
) -> Error:
    """Both hear the tokens that the second finds likeliest; returns the first one's error."""
    request, legal = opening(nano, stage)
    opened = [backend.prefill(stage, request) for backend in backends]
    contexts, logits = [o[0] for o in opened], [[o[1]] for o in opened]
    most = getattr(nano.config, stage).gpt.block_size - len(request.ids)
    for _ in range(min(count, most) - 1):
        # the last semantic id ends speech
        token = legal.start + int(logits[1][-1][: len(legal) - (stage == "semantic")].argmax())
        for backend, context, made in zip(backends, contexts, logits, strict=True):
            made += backend.decode(stage, [(context, Decode(token, legal))])
    return Error.between(np.stack(logits[0]), np.stack(logits[1]))


@pytest.mark.parametrize(("stage", "agreement"), [("semantic", 0.9), ("coarse", 0.85)])
def test_two_hundred_tokens_are_nearly_always_the_same(
    stage: CausalStage, agreement: float, nano: Checkpoint, exact: EagerBackend, fast: Int8Backend
) -> None:
    """Of coarse ones that follow a random prompt a tenth lie so near to another that a little decides."""
    error = teacher_forced((fast, exact), stage, nano, 200)
    print(f"{stage}: {error}")
    assert error.agreement >= agreement
    assert error.mean < 0.05
    assert error.most < 1.0


def test_fine_codes_are_nearly_always_the_same(
    nano: Checkpoint, exact: EagerBackend, fast: Int8Backend
) -> None:
    voice = find_voice("nano/anna", model_folder=nano.folder, config=nano.config).tokens
    config = nano.config.fine
    codes = np.full((config.n_codebooks, config.window_frames), config.codebook_size)
    frames = min(config.window_frames, voice.fine.shape[1])
    codes[:3, :frames] = voice.fine[:3, :frames]
    window = FineWindow(3, codes.astype(np.int64))
    [found], [expected] = fast.fine_logits([window]), exact.fine_logits([window])
    error = Error.between(found[:frames], expected[:frames])
    print(f"fine: {error}")
    assert error.agreement >= 0.9
    assert error.mean < 0.05


@pytest.mark.parametrize(
    "broken", ["semantic.h.0.ln_1.weight", "semantic.ln_f.weight", "coarse.h.1.ln_2.weight"]
)
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_damaged_weights_are_told_and_not_spoken(broken: str, value: float, nano: Checkpoint) -> None:
    tensors = dict(nano.tensors)
    tensors[broken] = torch.full_like(tensors[broken], value)
    bark = Bark.from_checkpoint(replace(nano, tensors=tensors), name="nano", device="cpu", precision="int8")
    with pytest.raises(GenerationError, match="the network returned NaN"):
        bark.say("Hello.", seed=1)


def test_two_threads_do_not_disturb_each_other() -> None:
    bark = Bark.load("nano", precision="int8", device="cpu")
    alone = [bark.say("Hello there.", seed=seed).tokens.fine for seed in range(3)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda seed: bark.say("Hello there.", seed=seed).tokens.fine, range(3)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def requests() -> list[SpeechRequest]:
    livelier = SamplingOptions(
        semantic=StageSampling(temperature=0.7),
        coarse=StageSampling(temperature=0.7),
        fine=StageSampling(temperature=0.5),
        max_duration_s=1.2,
    )
    lines = [
        ("One.", "nano/ben"), (TEXT, None), ("Is it raining?", "none"), ("This one.", "nano/dora"),
        ("Two.", None),
    ]  # fmt: skip
    return [
        SpeechRequest(text=text, voice=voice, seed=seed, options=livelier)
        for seed, (text, voice) in enumerate(lines)
    ]


def assert_alike(found: Sequence[Speech], expected: Sequence[Speech]) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.tokens.fine, other.tokens.fine)
        np.testing.assert_array_equal(one.audio.samples, other.audio.samples)


def test_a_batch_says_what_each_says_alone(requests: list[SpeechRequest]) -> None:
    bark = Bark.load("nano", precision="int8", device="cpu")
    alone = [bark.say_all([request])[0] for request in requests]
    for batch_size in (2, 5):
        assert_alike(bark.say_all(requests, batch_size=batch_size), alone)


def test_prompts_side_by_side_say_what_each_says_alone(
    requests: list[SpeechRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of wide networks are begun: two for each of two threads in a call, and no more."""
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(int8, "threads_beside", lambda width: 1)
    monkeypatch.setattr(int8, "lent_threads", lambda: 2)
    monkeypatch.setattr(packed, "threads_for", lambda width, rows: 2)
    bark = Bark.load("nano", precision="int8", device="cpu")
    alone = [bark.say_all([request])[0] for request in requests]
    counts: list[int] = []
    windows = packed.Stack.windows

    def counted(stack: packed.Stack, asked: Sequence[tuple[Array, Array | None, int]]) -> list[Array]:
        counts.append(len(asked))
        return windows(stack, asked)

    monkeypatch.setattr(packed.Stack, "windows", counted)
    kernel.expect_callers(1)
    engine = Engine[Speech](bark.model.backend)
    slots = [engine.begin(speech_job(bark.model, request)) for request in requests]
    while engine.slots:
        engine.step()
    assert counts[:2] == [4, 1]  # the prompts of the first stage
    assert max(counts) == 4
    assert_alike([slot.result for slot in slots if isinstance(slot.result, Speech)], alone)
