"""What a model reads text with: its folder -> its configuration and its tokenizer; no weights are opened."""

from __future__ import annotations

from pathlib import Path

from bark_cli.checkpoint.check import check_config
from bark_cli.checkpoint.layout import find_layout
from bark_cli.checkpoint.read import read_checkpoint
from bark_cli.checkpoint.untrusted import read_json
from bark_cli.model.config import BarkConfig
from bark_cli.model.published import config_in
from bark_cli.model.tokenizer import BarkTokenizer
from bark_cli.store import find_tokenizer, tokenizer_elsewhere
from bark_cli.store.places import gguf_files


def read_vocabulary(folder: Path) -> tuple[BarkConfig, BarkTokenizer]:
    """The configuration and the tokenizer of the model in a folder; of a foreign layout, what is published.

    Raises:
        ModelError: one of them is missing or damaged.
    """
    if gguf_files(folder) and not find_tokenizer(folder):  # all in one, of which only the beginning is read
        model = read_checkpoint(folder)
        return model.config, model.tokenizer()
    config = config_in(folder)
    if folder.is_dir() and find_layout(folder).kind == "native":
        config = BarkConfig.from_dict(read_json(folder / "config.json"))
        check_config(config, folder)
    file = find_tokenizer(folder) or tokenizer_elsewhere() or folder / "tokenizer.json"
    return config, BarkTokenizer.from_file(file, config.semantic)
