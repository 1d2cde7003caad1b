"""What `bark convert --to transformers` writes speaks in transformers' BarkModel, token by token as here."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_tiny_config, tiny_voice, write_voice
from small_models import write_layout
from test_convert import converted, make_native

from bark_cli.model.codec import import_seanet
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.pipeline import Bark
from bark_cli.store import nano_folder

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what transformers deprecates in its own imports
    import_seanet()  # before transformers looks for torchaudio
    from transformers import AutoProcessor, BarkModel

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

LIKELIEST = StageSampling(temperature=0.0)
GREEDY = SamplingOptions(semantic=LIKELIEST, coarse=LIKELIEST, fine=LIKELIEST, min_eos_p=None)
STAGES = ("semantic", "coarse_acoustics", "fine_acoustics")


def load(folder: Path) -> Any:
    """Transformers' model of a folder, once it has taken every weight and missed none."""
    model, report = BarkModel.from_pretrained(folder, output_loading_info=True)
    assert not any(report.values()), report
    return model.eval()


def greedy(model: Any, folder: Path, text: str, voice: str | None = None) -> dict[str, np.ndarray]:
    """What each stage of Transformers' model makes of a text, and the samples at last."""
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(text, voice_preset=voice)
    made = {}

    def watched(name: str) -> Any:
        generate = getattr(model, name).generate

        def run(*arguments: Any, **options: Any) -> Any:
            found = generate(*arguments, **options)
            made[name] = found[0].clone().numpy()  # the next stage changes it
            return found

        return run

    for name in STAGES:
        getattr(model, name).generate = watched(name)
    made["samples"] = model.generate(**inputs, do_sample=False, fine_temperature=1.0)[0].numpy()
    return made


def check(folder: Path, source: Path, text: str, voice: str | None = None) -> None:
    """Compare all three stages and the sound."""
    theirs = greedy(load(folder), folder, text, voice)
    bark = Bark.load(source, device="cpu", precision="fp32")
    ours = bark.say(text, voice=voice or "none", seed=0, options=GREEDY)
    semantic = theirs["semantic"]
    if semantic[-1] == bark.config.semantic.pad_token:
        semantic = semantic[:-1]
    np.testing.assert_array_equal(semantic, ours.tokens.semantic)
    coarse = bark.config.coarse
    flat = theirs["coarse_acoustics"].reshape(-1, 2).T - coarse.semantic_vocab_size
    np.testing.assert_array_equal(flat - [[0], [coarse.codebook_size]], ours.tokens.coarse)
    np.testing.assert_array_equal(theirs["fine_acoustics"], ours.tokens.fine)
    np.testing.assert_allclose(theirs["samples"], ours.audio.samples[: len(theirs["samples"])], atol=1e-4)


def test_the_bundled_model(tmp_path: Path) -> None:
    folder = converted(nano_folder(), tmp_path / "nano", "transformers")
    check(folder, nano_folder(), "Hello.")


def narrow_outputs(config: BarkConfig) -> BarkConfig:
    """Without outputs past the last code, which Transformers does not forbid and random weights choose."""
    coarse = config.coarse
    end = coarse.semantic_vocab_size + coarse.n_codebooks * coarse.codebook_size
    return replace(config, coarse=replace(coarse, gpt=replace(coarse.gpt, output_vocab_size=end)))


@pytest.mark.parametrize("voice", [None, "tiny/ann"])
@pytest.mark.parametrize("lstm", [0, 2])
def test_a_random_one_with_every_number_its_own(lstm: int, voice: str | None, tmp_path: Path) -> None:
    config = narrow_outputs(make_tiny_config())
    codec = replace(config.codec, lstm=lstm, n_residual_layers=2, last_kernel_size=19)
    config = replace(config, codec=codec)
    source = make_native(tmp_path / "tiny", config)
    write_voice(source / "voices" / "ann.npz", tiny_voice(config))
    folder = converted(source, tmp_path / "converted", "transformers")
    check(folder, source, "hello there, a cat!", voice)


def test_a_draft_stays_one(tmp_path: Path) -> None:
    """How many codebooks are made is nothing that Transformers' numbers say."""
    config = make_tiny_config()
    config = replace(config, sampling=replace(config.sampling, fine_codebooks=4))
    folder = converted(make_native(tmp_path / "tiny", config), tmp_path / "converted", "transformers")
    assert Bark.load(folder, precision="fp32").config == config


def test_sunos_vocabulary(tmp_path: Path) -> None:
    """And the words of a vocab.txt, which is what suno-ai/bark leaves behind."""
    source = write_layout("suno", tmp_path / "suno")
    (source / "tokenizer.json").unlink()
    (source / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nHello\n,\nthe\n##re\nWorld\n")
    folder = converted(source, tmp_path / "converted", "transformers")
    processor = AutoProcessor.from_pretrained(folder)
    ids = processor("Hello, there World hello")["input_ids"][0]
    assert ids[:7].tolist() == [5, 6, 7, 8, 9, 1, 0]
    load(folder)


def test_fp16_is_read_as_fp16(tmp_path: Path) -> None:
    source = make_native(tmp_path / "tiny", make_tiny_config())
    folder = converted(source, tmp_path / "half", "transformers", storage="fp16")
    assert {parameter.dtype for parameter in load(folder).parameters()} == {torch.float16}


def test_what_transformers_saves_again_is_the_same_model_here(tmp_path: Path) -> None:
    from bark_cli.checkpoint import read_checkpoint

    config = replace(make_tiny_config(), default_voice="tiny/ann")
    config = replace(config, codec=replace(config.codec, lstm=0))
    config = replace(config, semantic=replace(config.semantic, max_history_tokens=0))
    folder = converted(make_native(tmp_path / "tiny", config), tmp_path / "there", "transformers")
    load(folder).save_pretrained(tmp_path / "saved")
    shutil.copyfile(folder / "tokenizer.json", tmp_path / "saved" / "tokenizer.json")
    found, wanted = read_checkpoint(tmp_path / "saved"), read_checkpoint(folder)
    assert found.config == wanted.config == config
    assert all(torch.equal(found.tensors[name], wanted.tensors[name]) for name in wanted.tensors)
