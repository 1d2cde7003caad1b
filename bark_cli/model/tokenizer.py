"""Normalised text -> ids (N,) of the semantic model: without special tokens, plus the model's offset.

Bark was trained with BERT's WordPiece (google-research/bert, multilingual cased); a model's own
tokenizer.json may be any that `tokenizers` reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from bark_cli.errors import BarkError, ModelError, TextError
from bark_cli.model.bounded import BoundedTokenizer, SparingTokenizer, has_many_rules
from bark_cli.model.config import SemanticConfig
from bark_cli.model.needed_rules import MANY
from bark_cli.model.rules import check_file
from bark_cli.model.spelling import Loss, Speller
from bark_cli.model.tokens import Tokens

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Made = TypeVar("Made")
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CLOSING = " \"'”’»),:;—–-"  # what may stand behind the last word or stop of a text
_CANNOT = "the model's tokenizer cannot read the text"
_WORD, _MOST_REMEMBERED = 32, 50_000  # characters of a text whose tokens are remembered, and how many
_MAX_BYTES = 64 * 2**20  # a real tokenizer.json has 3 MB


class BarkTokenizer:
    """A model's tokenizer together with the place its ids have in that model's vocabulary."""

    def __init__(self, tokenizer: BoundedTokenizer, config: SemanticConfig) -> None:
        self._tokenizer, self._config = tokenizer, config
        self._read_before: dict[str, list[str]] = {}
        self._speller = Speller(self._spelled)

    @classmethod
    def from_file(cls, path: Path, config: SemanticConfig) -> BarkTokenizer:
        """Read a `tokenizer.json`, or a bare `vocab.txt` as cased BERT.

        Raises:
            ModelError: the file is missing, not a tokenizer, or has more tokens than the model has ids for.
        """
        return cls._of(_readable(lambda: _bounded(path), path), config, path)

    @classmethod
    def from_pieces(cls, pieces: Sequence[str], config: SemanticConfig, where: Path) -> BarkTokenizer:
        """Cased BERT's tokenizer of these pieces, in the order of their ids, which lie in the file `where`.

        Raises:
            ModelError: they make no tokenizer, or are more than the model has ids for.
        """
        made = _readable(lambda: BoundedTokenizer(_cased_bert(pieces)), where)
        return cls._of(made, config, where)

    @classmethod
    def _of(cls, tokenizer: BoundedTokenizer, config: SemanticConfig, path: Path) -> BarkTokenizer:
        n_ids = tokenizer.n_ids
        if n_ids + config.text_offset > config.gpt.input_vocab_size:
            raise ModelError(
                f"{path} has tokens for {n_ids} ids but the model has "
                f"{config.gpt.input_vocab_size - config.text_offset}; it belongs to another model"
            )
        return cls(tokenizer, config)

    def count(self, texts: Sequence[str], language: str | None = None) -> list[int]:
        """How many tokens each text has.

        Those of words add up to those of a sentence, nearly: a tokenizer may read some words together.
        """
        spelled = [self._speller.spell(text, language) for text in texts]
        return [len(tokens) for tokens in self._spelled(spelled)]

    def loss(self, text: str, language: str | None = None) -> Loss:
        """What of a text is not read, or not as it stands."""
        return self._speller.loss(text, language)

    def encode(self, text: str, language: str | None = None, *, spell: bool = True) -> Tokens:
        """Ids (N,) of text, 1 <= N <= max_text_tokens, the model's offset added.

        With `spell` what the tokenizer does not know is written in what it knows: signs by words of the
        language, such as de; None is English.

        Raises:
            TextError: the text is longer than the model reads, or holds nothing that the tokenizer knows.
        """
        limit = self._config.max_text_tokens
        spelled = self._speller.spell(text, language).strip() if spell else text
        found = self._encoded(stopped(spelled, self._config.stops))
        if len(found.ids) > limit:  # for the stop there is no room
            found = self._encoded(spelled)
        ids = found.ids
        if len(ids) > limit:
            raise TextError(
                f"the text has {len(ids)} tokens and this model reads at most {limit} at once; "
                "shorten it or split it into several calls"
            )
        if not self._speller.can_read(text, found.tokens):
            raise TextError("the text holds nothing this model can read; use letters of a language it knows")
        return np.array(ids, dtype=np.int64) + self._config.text_offset

    def _spelled(self, texts: Sequence[str]) -> list[list[str]]:
        """The tokens of each; words come again and again, and are read once."""
        known = self._read_before
        if len(known) > _MOST_REMEMBERED:
            self._read_before = known = {}
        new = list(dict.fromkeys(text for text in texts if text not in known))
        with _told_of(_CANNOT):
            encoded = self._tokenizer.encode(new)
        found = {text: one.tokens for text, one in zip(new, encoded, strict=True)}
        known.update((text, tokens) for text, tokens in found.items() if len(text) <= _WORD)
        return [found[text] if text in found else known[text] for text in texts]

    def _encoded(self, text: str) -> Encoding:
        with _told_of(_CANNOT):
            return self._tokenizer.encode([text])[0]


def stopped(text: str, stops: str) -> str:
    """The text up to its last stop, without quotes that close behind it; with a stop where it ends in a word.

    Tags, notes and all else that is neither stays as it is.
    """
    bare = text.rstrip(_CLOSING)
    if not stops or not bare or not (bare[-1].isalnum() or bare[-1] in stops):
        return text
    return bare if bare[-1] in stops else bare + stops[0]


def bert_pieces(path: Path) -> tuple[str, ...] | None:
    """The pieces in a tokenizer's file, in id order; None where it reads text otherwise than cased BERT does.

    Raises:
        ModelError: the file is missing, or is not a tokenizer.
    """
    values = json.loads(_readable(lambda: _read(path), path).to_str())
    if values["model"]["type"] != "WordPiece":
        return None
    ids = {i: piece for piece, i in values["model"]["vocab"].items()}
    pieces = tuple(ids.get(i, "") for i in range(max(ids, default=-1) + 1))
    return pieces if _way(values) == _way(json.loads(_cased_bert(pieces).to_str())) else None


def _way(tokenizer: dict[str, Any]) -> tuple[Any, ...]:
    """All of a tokenizer's JSON that text is read by, but the pieces."""
    normalizer, model = dict(tokenizer["normalizer"] or {}), dict(tokenizer["model"])
    if normalizer.get("strip_accents") is None:  # then it goes with lower case
        normalizer["strip_accents"] = normalizer.get("lowercase")
    del model["vocab"]
    added = {(token["content"], token["id"]) for token in tokenizer["added_tokens"]}
    return normalizer, tokenizer["pre_tokenizer"], model, added


def _readable(make: Callable[[], Made], path: Path) -> Made:
    """What `make` gives of the tokenizer in a file.

    Raises:
        ModelError: it fails.
    """
    with _told_of(f"{path} is not a readable tokenizer"):
        return make()


@contextmanager
def _told_of(what: str) -> Iterator[None]:
    """Turn whatever tokenizers raises, bare Exceptions and the panics of its Rust, into a ModelError."""
    try:
        yield
    except BarkError:
        raise
    except BaseException as error:
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise ModelError(f"{what} ({error}); download the model again") from error
        raise


def _bounded(path: Path) -> BoundedTokenizer:
    data = _checked(path)
    if data.count(b'"Replace"') >= MANY and has_many_rules(told := json.loads(data)):
        return SparingTokenizer(told)
    return BoundedTokenizer(_made_of(data, path))


def _read(path: Path) -> Tokenizer:
    return _made_of(_checked(path), path)


def _checked(path: Path) -> bytes:
    """What the file holds, within bounds."""
    if path.stat().st_size > _MAX_BYTES:
        raise ValueError("it is far too large")
    data = path.read_bytes()
    if path.suffix != ".txt":
        check_file(data)
    return data


def _made_of(data: bytes, path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    return _cased_bert(_pieces(path)) if path.suffix == ".txt" else Tokenizer.from_buffer(data)


def _pieces(vocabulary: Path) -> list[str]:
    """The pieces that a vocab.txt holds, one a line, in id order."""
    return vocabulary.read_text(encoding="utf-8").removesuffix("\n").split("\n")


def _cased_bert(pieces: Sequence[str]) -> Tokenizer:
    """BERT's cased tokenizer: accents kept, punctuation and Chinese characters split off."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    ids = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.add_special_tokens([token for token in SPECIAL_TOKENS if token in ids])
    return tokenizer
