"""Transformers' folders that are hostile, absurd or incomplete give one line and run nothing.

That good ones agree with transformers itself is tested in test_transformers_agreement.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_checkpoint import refused
from test_checkpoint_suno import Canary

from bark_cli.errors import UnsafeFileError


@pytest.fixture
def hugging(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text('{"model_type": "bark"}')
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    "target",
    ["../x.safetensors", "/etc/x.safetensors", "..\\x.safetensors", "C:x.safetensors", "..", "x.bin"],
)
def test_an_index_that_points_out_of_the_folder(hugging: Path, target: str, vocabulary_fits: None) -> None:
    save_file({"semantic.lm_head.weight": torch.ones(1)}, hugging.parent / "x.safetensors")
    index = {"weight_map": {"semantic.lm_head.weight": target}}
    (hugging / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(hugging, "points out of its folder", kind=UnsafeFileError)


@pytest.fixture
def vocabulary_fits(hugging: Path) -> None:
    narrow = {"num_layers": 1, "num_heads": 1, "hidden_size": 2, "bias": False}
    values = {
        "model_type": "bark",
        "semantic_config": narrow | {"input_vocab_size": 129_600},
        "coarse_acoustics_config": narrow | {"input_vocab_size": 12_096, "output_vocab_size": 12_096},
        "fine_acoustics_config": narrow | {"input_vocab_size": 1_056, "output_vocab_size": 1_056},
    }
    (hugging / "config.json").write_text(json.dumps(values))


def test_a_hostile_bin_is_not_run(hugging: Path, vocabulary_fits: None) -> None:
    canary = hugging / "canary"
    torch.save({"semantic.lm_head.weight": Canary(canary)}, hugging / "pytorch_model.bin")
    refused(hugging, "tries to run code when read", kind=UnsafeFileError)
    assert not canary.exists()
    torch.save({"semantic.lm_head.weight": np.float64(1.0)}, hugging / "pytorch_model.bin")
    refused(hugging, "tries to run code", kind=UnsafeFileError)  # no allow-list for .bin


@pytest.mark.parametrize(
    ("section", "name", "value", "says"),
    [
        ("semantic_config", "num_layers", -2, "n_layer is -2"),
        ("fine_acoustics_config", "n_codes_total", 10**12, "is 1000000000000"),
        ("codec_config", "upsampling_ratios", 7, "not Bark's"),
        ("codec_config", "audio_channels", 2, "audio_channels is 2"),
        ("codec_config", "kernel_size", 9, "kernel_size is 9"),
        ("codec_config", "last_kernel_size", 0, "last_kernel_size is 0"),
        ("codec_config", "last_kernel_size", 65, "last_kernel_size is 65"),
        ("codec_config", "last_kernel_size", 19, "the model is incomplete|model.safetensors"),
        ("codec_config", "num_residual_layers", "many", "n_residual_layers is 'many'"),
    ],
)
def test_absurd_transformers_configurations(
    hugging: Path, vocabulary_fits: None, section: str, name: str, value: object, says: str
) -> None:
    file = hugging / "config.json"
    values = json.loads(file.read_text())
    values.setdefault(section, {})[name] = value
    file.write_text(json.dumps(values))
    refused(hugging, says)


def test_transformers_folders_without_what_they_need(hugging: Path, vocabulary_fits: None) -> None:
    refused(hugging, "neither model.safetensors nor pytorch_model.bin")
    save_file({"semantic.lm_head.weight": torch.ones(1)}, hugging / "model.safetensors")
    refused(hugging, "the model is incomplete")
    save_file({"transformer.h.0.ln_1.weight": torch.ones(1)}, hugging / "model.safetensors")
    refused(hugging, "is it another model")
    (hugging / "generation_config.json").write_text('{"semantic_config": {"temperature": "hot"}}')
    refused(hugging, "not Bark's")
