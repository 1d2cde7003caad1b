"""GGUF files that others have made of Suno's models: a model's name -> their repository and the file in it.

They are never taken unless they are asked for: Suno's own files stay what a name means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bark_cli.errors import OptionError
from bark_cli.store import MODELS

Quant = Literal["q8_0", "f16"]


@dataclass(frozen=True, kw_only=True)
class Offer:
    """One of them."""

    model: str  # of Suno's, that it was made of
    repository: str
    file: str
    maker: str
    licence: str

    @property
    def about(self) -> str:
        """Whose it is, in a line."""
        return (
            f"{self.file} was made of Suno's {self.model} by {self.maker}, under the licence {self.licence} "
            f"(huggingface.co/{self.repository}); Suno's own is `bark download {self.model}`"
        )


def find_offer(model: str, quant: Quant = "q8_0") -> Offer:
    """The GGUF file of a named model; Q4_K is not offered, since an early one was silent.

    Raises:
        OptionError: none is known.
    """
    if model != "small":
        here = f"make one with `bark convert {model} {model}.gguf --to gguf`" if model in MODELS else ""
        raise OptionError(
            f"no GGUF file of {model} is known; {here or 'give OWNER/NAME of a repository and --file'}"
        )
    return Offer(
        model=model,
        repository="cstr/bark-small-GGUF",
        file=f"bark-small-{quant}.gguf",
        maker="cstr, who writes CrispASR",
        licence="MIT",
    )
