"""suno-ai/bark's Python interface: the same names, the same tokens, and the command's choice of a model."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import tiny_voice, write_voice
from golden.recipe import (
    CASES,
    DRAWN,
    FOLDER,
    SNIPPET_WEIGHTS,
    SNIPPETS,
    Case,
    Snippet,
    inputs,
    narrow_config,
    snippet_pieces,
    snippet_voice,
)
from small_models import part, small_tensors, write_layout
from test_golden import write_suno

from bark_cli import suno
from bark_cli.errors import (
    BarkError,
    GenerationError,
    MissingModelError,
    OptionError,
    OutputError,
    VoiceError,
)
from bark_cli.model.config import BarkConfig
from bark_cli.model.tokens import BarkTokens
from bark_cli.stages.sampling import RandomStream
from bark_cli.suno import api, generation, loaded
from bark_cli.suno.randomness import global_stream
from bark_cli.voices.file import KEYS

TEXT = "hello my name is bark."


@pytest.fixture(autouse=True)
def nobody_speaks() -> Iterator[None]:
    """Each test loads a model of its own."""
    loaded.let_go()
    yield
    loaded.let_go()


@pytest.fixture
def tiny(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BARK_MODEL", str(tiny_model))
    monkeypatch.setenv("BARK_PRECISION", "fp32")
    return tiny_model


def use(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the model in a folder speak, as the reference computes."""
    for name, value in {"MODEL": str(folder), "PRECISION": "fp32", "DEVICE": "cpu"}.items():
        patch.setenv(f"BARK_{name}", value)


def prompt_of(voice: BarkTokens | None) -> dict[str, Any] | None:
    return voice and dict(zip(KEYS, (voice.semantic, voice.coarse, voice.fine), strict=True))


def assert_golden(name: str, *tokens: np.ndarray[Any, Any]) -> None:
    golden = np.load(FOLDER / f"{name}.npz")
    for stage, made in zip(("semantic", "coarse", "fine"), tokens, strict=True):
        np.testing.assert_array_equal(made, golden[stage], err_msg=stage)


def words_of(case: Case, config: BarkConfig) -> tuple[str, dict[str, Any] | None]:
    text_ids, voice = inputs(case, config)
    return " ".join(f"w{n}" for n in text_ids - config.semantic.text_offset), prompt_of(voice)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_stages_make_the_tokens_of_the_reference(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Called as golden/make_golden.py calls the reference."""
    use(write_suno(tmp_path, narrow_config(), case), monkeypatch)
    text, prompt = words_of(case, narrow_config())
    semantic = generation.generate_text_semantic(
        text, history_prompt=prompt, top_k=1, max_gen_duration_s=case.max_duration_s, silent=True
    )
    coarse = generation.generate_coarse(semantic, history_prompt=prompt, top_k=1, silent=True)
    fine = generation.generate_fine(coarse, history_prompt=prompt, temp=None)
    assert_golden(case.name, semantic, coarse, fine)


@pytest.mark.parametrize("case", DRAWN, ids=lambda case: case.name)
def test_after_manual_seed_the_same_tokens_are_drawn_as_by_the_reference(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(write_suno(tmp_path, narrow_config(), case), monkeypatch)
    text, prompt = words_of(case, narrow_config())
    torch.manual_seed(case.seed)
    semantic = generation.generate_text_semantic(
        text, history_prompt=prompt, max_gen_duration_s=case.max_duration_s, silent=True
    )
    coarse = generation.generate_coarse(semantic, history_prompt=prompt, silent=True)
    assert_golden(f"drawn_{case.name}", semantic, coarse, generation.generate_fine(coarse, prompt))


def write_speaking_snippets(folder: Path) -> Path:
    """The model that the snippets' golden tokens were drawn from, with the voice that one of them names."""
    write_suno(folder, narrow_config(), SNIPPET_WEIGHTS)
    audible = part(small_tensors(narrow_config()), "codec")
    torch.save(audible, folder / "encodec_24khz-d7cc33bc.th")
    (folder / "vocab.txt").write_text("\n".join(snippet_pieces()) + "\n", encoding="utf-8")
    write_voice(folder / "assets" / "prompts" / "v2" / "en_speaker_1.npz", snippet_voice(narrow_config()))
    return folder


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.name)
def test_a_text_of_the_readme_is_said_as_by_the_reference(
    snippet: Snippet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the text on, with its line breaks, its unknown sign and the name of its voice."""
    use(write_speaking_snippets(tmp_path), monkeypatch)
    torch.manual_seed(snippet.seed)
    full, samples = suno.generate_audio(snippet.text, snippet.voice, silent=True, output_full=True)
    assert_golden(f"snippet_{snippet.name}", *(full[key] for key in KEYS))
    assert samples.shape == (full["fine_prompt"].shape[1] * 320,)


# bark/generation.py and bark/api.py
REFERENCE = {
    generation.preload_models: "text_use_gpu text_use_small coarse_use_gpu coarse_use_small fine_use_gpu "
    "fine_use_small codec_use_gpu force_reload",
    generation.generate_text_semantic: "text history_prompt temp top_k top_p silent min_eos_p "
    "max_gen_duration_s allow_early_stop use_kv_caching",
    generation.generate_coarse: "x_semantic history_prompt temp top_k top_p silent max_coarse_history "
    "sliding_window_len use_kv_caching",
    generation.generate_fine: "x_coarse_gen history_prompt temp silent",
    generation.codec_decode: "fine_tokens",
    generation.load_model: "use_gpu use_small force_reload model_type",
    generation.load_codec_model: "use_gpu force_reload",
    generation.clean_models: "model_key",
    api.text_to_semantic: "text history_prompt temp silent",
    api.semantic_to_waveform: "semantic_tokens history_prompt temp silent output_full",
    api.save_as_prompt: "filepath full_generation",
    api.generate_audio: "text history_prompt text_temp waveform_temp silent output_full",
}


@pytest.mark.parametrize("function", REFERENCE, ids=lambda function: function.__name__)
def test_arguments_are_called_and_ordered_as_in_the_reference(function: Callable[..., Any]) -> None:
    parameters = inspect.signature(function).parameters.values()
    assert [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY] == REFERENCE[function].split()


def test_the_languages_and_prompts_are_sunos() -> None:
    assert len(generation.SUPPORTED_LANGS) == 13
    assert generation.SUPPORTED_LANGS[0] == ("English", "en")
    assert {"announcer", "v2/zh_speaker_9", "en_speaker_0"} < generation.ALLOWED_PROMPTS
    assert suno.SAMPLE_RATE == 24_000


def test_manual_seed_repeats_it_and_without_it_goes_on_differently(tiny: Path) -> None:
    torch.manual_seed(3)
    first, second = (suno.generate_audio(TEXT, silent=True) for _ in range(2))
    torch.manual_seed(3)
    np.testing.assert_array_equal(suno.generate_audio(TEXT, silent=True), first)
    assert first.dtype == np.float32
    assert not np.array_equal(first, second)


def test_a_history_prompt_is_a_name_a_file_or_a_generation(tiny: Path, tiny_config: BarkConfig) -> None:
    def say(prompt: Any) -> np.ndarray[Any, Any]:
        torch.manual_seed(1)
        return suno.generate_audio(TEXT, history_prompt=prompt, silent=True)

    file = tiny / "voices" / "ann.npz"
    by_name = say("ann")
    for prompt in (str(file), file, dict(np.load(file)), np.load(file), prompt_of(tiny_voice(tiny_config))):
        np.testing.assert_array_equal(say(prompt), by_name)
    assert not np.array_equal(say(None), by_name)


def test_a_full_generation_is_kept_and_gone_on_from(tiny: Path, tmp_path: Path) -> None:
    full, samples = suno.generate_audio(TEXT, silent=True, output_full=True)
    assert list(full) == list(KEYS)
    np.testing.assert_array_equal(generation.codec_decode(full["fine_prompt"]), samples)
    file = tmp_path / "me.npz"
    suno.save_as_prompt(str(file), full)
    assert len(suno.generate_audio(TEXT, history_prompt=str(file), silent=True))
    before = file.read_bytes()
    with pytest.raises(OutputError, match=r"me\.npz"):
        suno.save_as_prompt(str(file), full)
    assert file.read_bytes() == before
    suno.save_as_prompt(str(file), full, force=True)
    with pytest.raises(OptionError, match=r"\.npz"):
        suno.save_as_prompt(tmp_path / "me.wav", full)


def test_speech_ends_by_its_limits(tiny: Path) -> None:
    def length(**how: Any) -> int:
        torch.manual_seed(2)
        return len(generation.generate_text_semantic(TEXT, silent=True, **how))

    assert length(allow_early_stop=False, max_gen_duration_s=0.4) == 20  # 50 a second
    assert length(min_eos_p=0.0) == 0
    assert length(allow_early_stop=False) == 40  # the tiny model's limit


def test_windows_are_as_long_as_asked(tiny: Path) -> None:
    semantic = generation.generate_text_semantic(TEXT, silent=True, allow_early_stop=False)
    torch.manual_seed(0)
    usual = generation.generate_coarse(semantic, silent=True)
    torch.manual_seed(0)
    other = generation.generate_coarse(semantic, silent=True, max_coarse_history=6, sliding_window_len=4)
    assert usual.shape == other.shape
    assert not np.array_equal(usual, other)
    with pytest.raises(OptionError, match="max_coarse_history 25"):
        generation.generate_coarse(semantic, max_coarse_history=25)
    with pytest.raises(OptionError, match="sliding_window_len 13"):
        generation.generate_coarse(semantic, sliding_window_len=13)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: suno.generate_audio("  "), BarkError, "empty"),
        (lambda: suno.generate_audio(TEXT, "nobody"), VoiceError, "nobody"),
        (lambda: suno.generate_audio(TEXT, {"semantic_prompt": [1]}), VoiceError, "no coarse_prompt"),
        (lambda: suno.generate_audio(TEXT, {key: [0.5] for key in KEYS}), VoiceError, "whole numbers"),
        (lambda: suno.generate_audio(TEXT, text_temp=-1), OptionError, "temperature"),
        (lambda: generation.generate_coarse(np.zeros(0, int)), GenerationError, "said nothing"),
        (lambda: generation.generate_coarse(np.array([64])), OptionError, "0..63"),
        (lambda: generation.generate_fine(np.zeros((8, 3), int)), OptionError, "shape"),
        (lambda: generation.generate_fine(np.zeros((2, 3))), OptionError, "float64"),
        (lambda: generation.codec_decode(np.full((8, 3), 32)), OptionError, "0..31"),
        (lambda: generation.codec_decode(np.zeros((2, 3), int)), OptionError, r"\(8, F\)"),
    ],
)
def test_mistakes_are_told_in_a_line(
    tiny: Path, call: Callable[[], object], error: type[BarkError], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "bark_cli.suno"]


def test_nano_speaks_where_there_is_no_other_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    suno.preload_models()
    suno.preload_models()  # it is in hand
    [line] = told(caplog)
    assert line.startswith("bark_cli.suno: nano speaks (cpu, ")
    assert "bark download small" in line


@pytest.fixture
def both_sizes(isolated_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small and a large Bark, each as Transformers has it, of different weights."""
    monkeypatch.setenv("BARK_PRECISION", "fp32")
    monkeypatch.setenv("BARK_HOME", str(isolated_home / "bark"))
    for seed, size in enumerate(("large", "small")):
        write_layout("native", isolated_home / "bark" / "models" / size, seed=seed)


@pytest.mark.usefixtures("both_sizes")
def test_the_environment_and_the_arguments_choose_small(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    suno.preload_models()
    suno.preload_models(text_use_small=True)
    suno.preload_models(text_use_small=True, coarse_use_small=True, fine_use_small=True)
    monkeypatch.setenv("SUNO_USE_SMALL_MODELS", "True")
    suno.preload_models(force_reload=True)
    names = [line.split()[1] for line in told(caplog)]
    assert names == ["large", "large+semantic:small", "small", "small"]


def test_a_small_stage_that_is_not_here_is_named(tiny: Path) -> None:
    with pytest.raises(MissingModelError, match="bark download small"):
        suno.preload_models(fine_use_small=True)


def test_no_gpu_at_all_means_the_cpu_and_offloading_is_handed_on(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def note(_: type, *args: object, device: str, offload: bool, **how: object) -> None:
        asked.append((device, offload))

    monkeypatch.setenv("BARK_DEVICE", "cuda")  # which this test must not need
    monkeypatch.setattr(loaded.Bark, "load", classmethod(note))
    asked: list[tuple[str, bool]] = []
    for gpus in (True, False):
        monkeypatch.setattr(loaded, "_told", lambda *_: "")
        with pytest.raises(AttributeError):  # nothing was loaded
            suno.preload_models(*([gpus, False] * 3), codec_use_gpu=gpus)
    monkeypatch.setenv("SUNO_OFFLOAD_CPU", "True")
    with pytest.raises(AttributeError):
        suno.preload_models()
    assert asked == [("cuda", False), ("cpu", False), ("cuda", True)]


def test_offloading_on_a_cpu_changes_nothing(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    plain = suno.generate_audio(TEXT, silent=True)
    monkeypatch.setenv("SUNO_OFFLOAD_CPU", "True")
    suno.preload_models(force_reload=True)
    torch.manual_seed(1)
    np.testing.assert_array_equal(suno.generate_audio(TEXT, silent=True), plain)


@pytest.mark.usefixtures("both_sizes")
def test_stages_are_loaded_one_by_one(caplog: pytest.LogCaptureFixture) -> None:
    generation.load_model(use_small=True, model_type="text")
    generation.load_model(use_small=False, model_type="text")  # it is in hand
    generation.load_model(use_small=True, model_type="coarse")
    generation.load_codec_model(use_gpu=False)
    generation.load_model(use_small=True, model_type="fine")
    generation.load_model(model_type="fine", force_reload=True)
    names = [line.split()[1] for line in told(caplog)]
    assert names == [
        "large+semantic:small",
        "large+semantic:small+coarse:small",
        "small",
        "large+semantic:small+coarse:small",
    ]
    with pytest.raises(OptionError, match="give text, coarse or fine"):
        generation.load_model(model_type="codec")


def test_progress_is_shown_unless_silent(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    suno.generate_audio(TEXT)
    shown = capfd.readouterr().err
    assert "semantic" in shown
    assert "coarse" in shown
    assert "100%" in shown
    suno.generate_audio(TEXT, silent=True)
    assert capfd.readouterr().err == ""


def test_clean_models_lets_the_model_go(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    suno.preload_models()
    generation.clean_models()
    suno.preload_models()
    assert len(told(caplog)) == 2


# the two ways of working that suno-ai/bark's notebook on long texts shows, written anew


def test_a_long_text_is_said_sentence_by_sentence_in_one_voice(tiny: Path) -> None:
    quarter = np.zeros(int(0.25 * suno.SAMPLE_RATE), np.float32)
    pieces = []
    for sentence in ("hello bark.", "my name is a bark.", "i can speak."):
        semantic = generation.generate_text_semantic(
            sentence, history_prompt="ann", temp=0.6, min_eos_p=0.05, silent=True
        )
        if not len(semantic):  # random weights may have nothing to say
            continue
        pieces += [api.semantic_to_waveform(semantic, history_prompt="ann", silent=True), quarter]
    story = np.concatenate(pieces)
    assert story.dtype == np.float32
    assert len(story) == sum(map(len, pieces)) > len(quarter)


def test_a_long_text_goes_on_from_what_was_just_said(tiny: Path) -> None:
    """Each piece is the next one's history, so that the speaker stays who they are."""
    history: Any = "ann"
    for sentence in ("hello bark.", "i can speak."):
        semantic = generation.generate_text_semantic(
            sentence, history_prompt=history, allow_early_stop=False, silent=True
        )
        history, samples = api.semantic_to_waveform(
            semantic, history_prompt=history, silent=True, output_full=True
        )
        assert len(samples) == history["fine_prompt"].shape[1] * 320


def test_a_dialogue_is_said_line_by_line_in_two_voices(tiny: Path, tiny_config: BarkConfig) -> None:
    other = prompt_of(tiny_voice(tiny_config, seed=8))
    cast: dict[str, Any] = {"ANN": "ann", "BEN": other}
    script = ["ANN: hello, my name is a.", "BEN: i can speak.", "ANN: bark."]
    said = []
    for line in script:
        speaker, text = line.split(": ")
        torch.manual_seed(4)
        said.append(suno.generate_audio(text, history_prompt=cast[speaker], silent=True))
    torch.manual_seed(4)
    alone = suno.generate_audio("i can speak.", history_prompt="ann", silent=True)
    assert not np.array_equal(said[1], alone)  # it is another voice that speaks


def test_what_a_backend_draws_with_are_torchs_numbers_and_those_not_used_are_torchs_next() -> None:
    torch.manual_seed(5)
    stream, plain = global_stream(), RandomStream(5)
    mark, words = stream.mark(), stream.words(700)
    assert np.array_equal(words & (2**21 - 1, 2**32 - 1), plain.words(700) & (2**21 - 1, 2**32 - 1))
    stream.go_back(mark, 100)
    assert (
        torch.empty(3, dtype=torch.float64).uniform_().tolist() == RandomStream(5).uniform(103)[100:].tolist()
    )
