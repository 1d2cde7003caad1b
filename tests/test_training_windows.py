"""What coarse and fine train on is what inference shows them, token for token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bark_cli.model.tokens import BarkTokens
from bark_cli.stages import coarse as speaking
from bark_cli.stages import fine as filling
from training import coarse, fine
from training.codes import Utterance
from training.factored import token_rows
from training.vocabulary import PITCHES, layout

Ids = npt.NDArray[np.int64]

SIZE, BOOKS, DRAWS = 640, 4, 400
SHAPE = {"n_layer": 1, "n_head": 4, "n_embd": 136, "codebook_size": SIZE}
COARSE = coarse.coarse_config({**SHAPE, "semantic": 14, "history": 20, "window": 8})
FINE = fine.fine_config({**SHAPE, "n_codebooks": BOOKS, "window": 16})


def said(frames: int, seed: int) -> Utterance:
    """Tokens and codes that say nothing."""
    random = np.random.default_rng(seed)
    rows = layout().rows
    return Utterance(
        voice=0,
        text=np.zeros(4, np.int16),
        factors=rows[random.integers(len(rows), size=frames)].astype(np.int16),
        codes=random.integers(SIZE, size=(BOOKS, frames)).astype(np.int16),
    )


@pytest.fixture
def unturned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Phases stay as they are: training begins an utterance anywhere in a period, inference cannot."""
    for step in (coarse, fine):
        monkeypatch.setattr(step, "begun_anywhere", lambda codes, _: codes.astype(np.int64))


def voice_of(past: Utterance | None) -> BarkTokens | None:
    """An utterance as the voice in front."""
    if past is None:
        return None
    codes = past.codes.astype(np.int64)
    return BarkTokens(semantic=layout().ids(past.factors), coarse=codes[:2], fine=codes)


@dataclass(frozen=True)
class Opened:
    """A window that inference opens: factors of its semantic part, flat codes behind them, what follows."""

    factors: list[list[int]]
    codes: list[int]
    follows: list[int]

    def is_learnt_from(self, factors: Ids, codes: Ids, asked: npt.NDArray[np.bool_]) -> bool:
        """Whether a training window shows the same and asks for what follows, for no more."""
        begin, end = len(self.codes) // 2, (len(self.codes) + len(self.follows)) // 2
        flat = coarse.flat(torch.from_numpy(codes)[None], SIZE)[0]
        return (
            factors.tolist() == self.factors
            and flat[: 2 * end].tolist() == self.codes + self.follows
            and bool(asked[begin:end].all())
            and not asked[end:].any()
        )


def opened(new: Utterance, past: Utterance | None) -> Iterator[Opened]:
    """The windows of an utterance."""
    history = speaking.trim_history(voice_of(past), COARSE, 50.0)
    semantic = np.concatenate([history.semantic, layout().ids(new.factors)])
    flat, width = speaking.flatten(new.codes[:2], COARSE), COARSE.sliding_window_tokens
    rows, seen = token_rows()[:, :3].numpy(), COARSE.max_semantic_tokens + 1
    special = np.array([[coarse.PADDING, PITCHES, 0], [coarse.BEGIN, PITCHES, 0]])
    for step in range(0, len(flat), width):
        so_far = np.concatenate([history.flat, flat[:step]])
        ids = speaking.prompt(semantic, so_far, len(history.semantic), step, COARSE, 50.0).ids
        table = np.concatenate([rows, np.zeros((2 * SIZE, 3), int), special])
        yield Opened(
            factors=table[ids[:seen]].tolist(),
            codes=(ids[seen:] - COARSE.semantic_vocab_size).tolist(),
            follows=(flat[step : step + width] - COARSE.semantic_vocab_size).tolist(),
        )


@pytest.mark.usefixtures("unturned")
@pytest.mark.parametrize("frames", [11, 24, 31])
@pytest.mark.parametrize("before", [3, 8, 30])
def test_coarse_learns_from_the_windows_that_inference_opens(frames: int, before: int) -> None:
    new, past = said(frames, 1), said(before, 2)
    windows = coarse.Windows([new, past], COARSE, seed=3)
    windows.by_voice = {0: [past]}
    wanted = [*opened(new, None), *opened(new, past)]
    met = set()
    for _ in range(DRAWS):
        drawn = windows._window(new)
        same = [i for i, each in enumerate(wanted) if each.is_learnt_from(*drawn)]
        assert same, "a window that inference never opens"  # late ones are alike with and without a past
        met.update(same)
    assert len(met) == len(wanted)


@pytest.mark.usefixtures("unturned")
@pytest.mark.parametrize("before", [3, 30])
@pytest.mark.parametrize("codebook", [2, 3])
def test_fine_learns_from_the_canvas_that_inference_fills(before: int, codebook: int) -> None:
    new, past = said(7, 1), said(before, 2)
    windows = fine.Windows([new], FINE, seed=3)
    windows.by_voice = {0: [past]}
    history = past.codes[:, -FINE.max_history_frames :]
    wanted = [
        filling.canvas(new.codes[:codebook], codes, FINE)[: codebook + 1].T.tolist()
        for codes in (history[:, :0], history)
    ]
    met = []
    for _ in range(DRAWS):
        canvas, asked = windows._window(new, codebook)
        right = canvas[asked, codebook]
        fine.hide(canvas, codebook, asked, SIZE)
        ahead = [i for i, rows in enumerate(wanted) if rows == canvas[:, : codebook + 1].tolist()]
        met += ahead
        known = history.shape[1] if ahead == [1] else 0
        if ahead:
            assert right.tolist() == new.codes[codebook].tolist()
            assert asked[known : known + 7].all()
    assert set(met) == {0, 1}
    assert len(met) > 0.8 * DRAWS  # in the others a part of the codebook is shown, as where windows overlap
