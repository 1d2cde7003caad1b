from __future__ import annotations

import dataclasses
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_tiny_tokenizer
from tokenizers import Tokenizer

from bark_cli.errors import ModelError, TextError
from bark_cli.model.config import BarkConfig
from bark_cli.model.tokenizer import BarkTokenizer

SENTENCES = [
    "Hello, my name is Bark.",
    "h\u00e9llo na\u00efve [MASK] don't",
    "\u4f60\u597d world\u200b!",
    "hello \U0001f600 -- \u201cbark\u201d",
]
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "Hello",
    "hello",
    "my",
    "name",
    "is",
    "Bark",
    "bark",
    "world",
    "don",
    "'",
    "t",
    ".",
    ",",
    "!",
    "-",
    "h",
    "é",
    "##llo",
]
PIECES += ["##é", "##l", "##o", "na", "ï", "##ï", "##ve", "你", "好", "“", "”", "n", "##a", "x", "##x"]


@pytest.fixture
def tokenizer(tiny_config: BarkConfig, tmp_path: Path) -> BarkTokenizer:
    return BarkTokenizer.from_file(write_tiny_tokenizer(tmp_path / "tokenizer.json"), tiny_config.semantic)


def test_ids_carry_the_models_offset_and_added_tags_are_one_token(
    tokenizer: BarkTokenizer, tiny_config: BarkConfig, tmp_path: Path
) -> None:
    plain = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    expected = [plain.token_to_id(piece) for piece in ("hello", "[laughs]", "bark", ".")]
    ids = tokenizer.encode("Hello [laughs] bark.")
    assert ids.dtype == np.int64
    assert (ids - tiny_config.semantic.text_offset).tolist() == expected


def test_too_long_a_text_is_refused_with_count_and_limit(tokenizer: BarkTokenizer) -> None:
    assert len(tokenizer.encode("hello " * 32)) == 32
    with pytest.raises(TextError, match="33 tokens and this model reads at most 32"):
        tokenizer.encode("hello " * 33)


@pytest.mark.parametrize("text", ["\u2014", "\u2014 \u263a", "\u200b"])
def test_text_of_unknown_tokens_only_is_refused(tokenizer: BarkTokenizer, text: str) -> None:
    with pytest.raises(TextError, match="nothing this model can read"):
        tokenizer.encode(text)


def test_truncation_and_padding_of_the_file_are_switched_off(tiny_config: BarkConfig, tmp_path: Path) -> None:
    path = write_tiny_tokenizer(tmp_path / "tokenizer.json")
    careless = Tokenizer.from_file(str(path))
    careless.enable_truncation(2)
    careless.enable_padding(length=30)
    careless.save(str(path))
    assert len(BarkTokenizer.from_file(path, tiny_config.semantic).encode("hello hello hello")) == 3


def test_vocab_txt_reads_as_transformers_cased_bert(tiny_config: BarkConfig, tmp_path: Path) -> None:
    from transformers import BertTokenizer

    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    config = tiny_config.semantic
    ours = BarkTokenizer.from_file(path, config)
    theirs = BertTokenizer(vocab=str(path), do_lower_case=False)
    for sentence in SENTENCES:
        expected = theirs.encode(sentence, add_special_tokens=False)
        assert (ours.encode(sentence) - config.text_offset).tolist() == expected, sentence


@pytest.mark.parametrize("content", [None, "", "{}", "not json", '{"model": {"type": "BPE"}}'])
def test_no_tokenizer_is_one_line(content: str | None, tiny_config: BarkConfig, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ModelError, match=r"tokenizer\.json is not a readable tokenizer") as caught:
        BarkTokenizer.from_file(path, tiny_config.semantic)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_with_more_tokens_than_ids_belongs_to_another_model(
    tiny_config: BarkConfig, tmp_path: Path
) -> None:
    path = write_tiny_tokenizer(tmp_path / "tokenizer.json")
    narrow = dataclasses.replace(tiny_config.semantic, text_offset=180)
    with pytest.raises(ModelError, match="another model"):
        BarkTokenizer.from_file(path, narrow)


def test_ids_that_leave_gaps_count_by_the_highest(tiny_config: BarkConfig, tmp_path: Path) -> None:
    path = write_tiny_tokenizer(tmp_path / "tokenizer.json")
    values = json.loads(path.read_text())
    values["model"]["vocab"]["##z"] = 128  # of 128 ids, 0..127
    path.write_text(json.dumps(values))
    with pytest.raises(ModelError, match=r"has tokens for 129 ids but the model has 128; .* another model"):
        BarkTokenizer.from_file(path, tiny_config.semantic)


@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt"])
def test_a_tokenizer_of_absurd_size_is_not_read(name: str, tiny_config: BarkConfig, tmp_path: Path) -> None:
    with (tmp_path / name).open("wb") as file:
        file.truncate(65 * 2**20)  # takes no room on disk
    with pytest.raises(ModelError, match=r"is not a readable tokenizer \(it is far too large"):
        BarkTokenizer.from_file(tmp_path / name, tiny_config.semantic)


def written_by(tmp_path: Path, *rules: dict[str, Any]) -> Path:
    """A tokenizer.json whose rules write text anew before it is cut."""
    from tokenizers import Tokenizer

    tokenizer = json.loads(Tokenizer.from_file(str(write_tiny_tokenizer(tmp_path / "t.json"))).to_str())
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": list(rules)}
    (tmp_path / "tokenizer.json").write_text(json.dumps(tokenizer))
    return tmp_path / "tokenizer.json"


def replace_rule(content: str, pattern: dict[str, str]) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


@pytest.mark.parametrize(
    "rules",
    [
        [replace_rule("ee", {"String": "e"})] * 64,
        [replace_rule("a e", {"Regex": ""})] * 64,
        [{"type": "Sequence", "normalizers": [replace_rule("ee", {"String": "e"})] * 64}],
        [replace_rule("e" * 60, {"Regex": "."})] * 20,
        [{"type": "Prepend", "prepend": "hello"}, *[replace_rule("oo", {"String": "o"})] * 64],
    ],
)
def test_rules_that_make_text_grow_without_bound_are_not_followed(
    rules: list[dict[str, Any]], tiny_config: BarkConfig, tmp_path: Path
) -> None:
    """Followed to their end they would take 2**64 bytes."""
    file = written_by(tmp_path, *rules)
    with pytest.raises(ModelError, match="make a text more than 50 times as long"):
        BarkTokenizer.from_file(file, tiny_config.semantic).encode("hello")
    with pytest.raises(ModelError, match="make a text more than 50 times as long"):
        BarkTokenizer.from_file(file, tiny_config.semantic).count(["hello"])


@pytest.mark.parametrize(
    "rule",
    [
        replace_rule("e" * 65, {"String": "e"}),
        {"type": "Prepend", "prepend": "e" * 65},
        {
            "type": "Precompiled",
            "precompiled_charsmap": b64encode(b"\4\0\0\0\0\0\0\0" + b"e" * 65 + b"\0").decode(),
        },
    ],
)
def test_a_rule_that_writes_too_much_at_once_is_refused(
    rule: dict[str, Any], tiny_config: BarkConfig, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="writes 65 characters at once, and at most 64 are followed"):
        BarkTokenizer.from_file(written_by(tmp_path, rule), tiny_config.semantic)


def test_rules_that_write_words_for_signs_are_followed(tiny_config: BarkConfig, tmp_path: Path) -> None:
    path = written_by(
        tmp_path, replace_rule("hello bark", {"String": "1"}), replace_rule("is", {"Regex": "[0-9]"})
    )
    tokenizer = BarkTokenizer.from_file(path, tiny_config.semantic)
    assert (tokenizer.encode("1 2") == tokenizer.encode("hello bark is")).all()


def test_a_tokenizer_that_cannot_read_a_text_is_a_line_of_its_model(
    tiny_config: BarkConfig, tmp_path: Path
) -> None:
    """That of the library is a bare Exception: "WordPiece error: Missing [UNK] token"."""
    path = tmp_path / "tokenizer.json"
    path.write_text(
        json.dumps(
            {
                "version": "1.0",
                "added_tokens": [],
                "pre_tokenizer": {"type": "Whitespace"},
                "model": {
                    "type": "WordPiece",
                    "unk_token": "[UNK]",
                    "continuing_subword_prefix": "##",
                    "max_input_chars_per_word": 100,
                    "vocab": {"hello": 0},
                },
            }
        )
    )
    tokenizer = BarkTokenizer.from_file(path, tiny_config.semantic)
    assert tokenizer.count(["hello"]) == [1]
    for read in (tokenizer.encode, lambda text: tokenizer.count([text])):
        with pytest.raises(ModelError, match=r"tokenizer cannot read the text .*download the model again"):
            read("nothing")
