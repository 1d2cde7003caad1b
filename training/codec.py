"""nano's codec: envelopes and excitation of a voice -> 8 codebooks at 50 Hz, and from them sound at 24 kHz.

EnCodec finds its codes by learning an encoder; that takes days on a GPU. Here it is known what made the
sound, so the codes are measured. Codebook 0 and most of the others hold the envelopes (a residual quantizer
by k-means on log-mel bands), two the pulses and the last the dice that threw the noise (training.excitation).
Where there are no pulses, the codebooks of the pulses hold more of the envelopes: in a consonant they count.
The entries of codebook 0 are shared out among the phones, so that what is said is never in doubt.
What each entry means to EnCodec's decoder is learnt (training.decoder).

    python -m training.codec            # writes runs/codec/last.pt
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from bark_cli.model.codec import import_seanet
from bark_cli.model.decoder import CODEBOOK_NAME
from training.excitation import LEVELS, PULSED, TICKS, landmarks, signs, snippets, turned
from training.run import learnt, left_by, save_whole
from training.settings import HERE, settings
from training.shards import shard_files
from training.units import KINDS, Kinds, kinds_of
from training.vocoder import WIDTH

Codes = npt.NDArray[np.int16]  # (codebooks, F)

SAMPLE = 150_000  # frames that books are learnt from
END, MIDDLE, DICE = 1, 2, -1  # the codebooks of the excitation
FEW = 3  # entries at least for what may be said
MEASURES = ("mean", "basis", "books", "kinds")
Envelopes = npt.NDArray[np.floating]  # log magnitudes (F, WIDTH)


def k_means(points: Tensor, k: int, rounds: int = 15) -> Tensor:
    """Centres (k, D) of points (N, D); one that nothing is near to begins anew."""
    centres = points[torch.randperm(len(points)).repeat(-(-k // len(points)))[:k]].clone()
    for _ in range(rounds):
        near = nearest(points, centres)
        counts = torch.bincount(near, minlength=k)
        sums = torch.zeros_like(centres).index_add_(0, near, points)
        anew = points[torch.randint(len(points), (k,))]
        centres = torch.where((counts == 0)[:, None], anew, sums / counts.clamp(min=1)[:, None])
    return centres


def nearest(points: Tensor, centres: Tensor) -> Tensor:
    """The index of the centre (k, D) nearest to each point (N, D)."""
    return torch.cat([torch.cdist(part, centres).argmin(1) for part in points.split(20_000)])


def shared_out(points: Tensor, kinds: Tensor, entries: int) -> Tensor:
    """How many entries each kind gets (len(KINDS),), of points (N, D) of kinds (N,): the more, the more its
    points scatter, but at least FEW where there are any."""
    scatter = torch.zeros(len(KINDS))
    for kind in kinds.unique().tolist():
        own = points[kinds == kind]
        scatter[kind] = (own - own.mean(0)).square().sum().clamp(min=1e-6)
    few = FEW * (scatter > 0).long()
    more = entries - int(few.sum())
    wanted = scatter.sqrt() / scatter.sqrt().sum() * more
    counts = wanted.floor().long()
    counts[(wanted - counts).topk(more - int(counts.sum())).indices] += 1
    return counts + few


class TrainableCodec(nn.Module):
    """What codes are measured with (buffers), and what they mean: tables (codebooks, K, D), a decoder."""

    part = "codec"
    mean: Tensor
    basis: Tensor
    books: Tensor
    kinds: Tensor

    def __init__(self, shape: dict[str, Any]) -> None:
        super().__init__()
        import_seanet()
        from encodec.modules import SEANetDecoder

        size, width = shape["codebook_size"], shape["spectrum"]
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.register_buffer("basis", torch.zeros(WIDTH, width))
        # of every codebook but the last, coarsest first; zero where a code tells of pulses
        self.register_buffer("books", torch.zeros(shape["n_codebooks"] - 1, size, width))
        # whose the first book's entries are
        self.register_buffer("kinds", torch.zeros(size, dtype=torch.long))
        self.tables = nn.Parameter(torch.zeros(shape["n_codebooks"], size, shape["dimension"]))
        with warnings.catch_warnings():  # the old weight norm is the one whose names encodec's weights have
            warnings.filterwarnings("ignore", r".*weight_norm.* is deprecated", FutureWarning)
            self.decoder = SEANetDecoder(
                channels=1, dimension=shape["dimension"], n_filters=shape["n_filters"],
                ratios=shape["ratios"], norm="weight_norm", causal=True, lstm=shape["lstm"],
                last_kernel_size=shape["last_kernel_size"],
            )  # fmt: skip

    @torch.no_grad()
    def fill(self, points: Tensor, excitation: Tensor, kinds: Tensor) -> None:
        """Learn what to measure with from envelopes (N, WIDTH), codes (3, N) and kinds (N,).

        The tables begin with it: the spectrum takes the first dimensions of the decoder's input, the ticks
        the last; the pulses around a frame's end and those around its middle half of the others each, drawn
        as short waveforms.
        """
        some = torch.randperm(len(points))[:SAMPLE]
        points, excitation, kinds = points[some], excitation[:, some], kinds[some]
        self.mean.copy_(points.mean(0))
        points = points - self.mean
        self.basis.copy_(torch.linalg.svd(points[:40_000], full_matrices=False)[2][: self.basis.shape[1]].T)
        points = points @ self.basis
        counts = shared_out(points, kinds, self.books.shape[1])
        self.kinds.copy_(torch.arange(len(KINDS)).repeat_interleave(counts))
        self._learn(points, excitation, kinds, 0)
        self._even_out()

    @torch.no_grad()
    def measure_as(self, arrays: Mapping[str, Tensor]) -> None:
        """Measure codes as a finished encoder does; begin the tables with its books.

        Raises:
            ValueError: the encoder is of an earlier recipe.
        """
        if missing := [name for name in MEASURES if name not in arrays]:
            lacking = ", ".join(missing)
            raise ValueError(f"the encoder of [codec] has no {lacking}: take the recipe of its time")
        for name in MEASURES:
            getattr(self, name).copy_(arrays[name])
        self._begin_tables()
        self._even_out()

    @torch.no_grad()
    def refill(self, codes: Tensor, coordinates: Tensor) -> None:
        """Learn all but the first two books anew: codes of the first three (3, N), coordinates (N, D)."""
        rest = coordinates - sum(book[row] for book, row in zip(self.books, codes[:2], strict=False))
        self._learn(rest, codes[[END, MIDDLE]], None, 2)

    def _learn(self, rest: Tensor, pulses: Tensor, kinds: Tensor | None, begin: int) -> None:
        """Fill the books from `begin` on with what the ones before leave (N, D), and the tables with them."""
        for layer in range(begin, len(self.books)):
            for entries, frames in self._shares(layer, pulses, kinds):
                self.books[layer, entries] = k_means(rest[frames], len(entries))
                book = self.books[layer, entries]
                rest[frames] -= book[nearest(rest[frames], book)]
        self._begin_tables()

    def _shares(self, layer: int, pulses: Tensor, kinds: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Which entries of a codebook stand for the envelopes of which frames (N,).

        The first has entries for each kind, and only it asks for them; where there are pulses, the next two
        tell of nothing else.
        """
        every = torch.arange(self.books.shape[1])
        if layer in (END, MIDDLE):
            yield every[PULSED:], pulses[layer - END] >= PULSED
        elif layer:
            yield every, torch.ones(pulses.shape[1], dtype=torch.bool)
        else:
            assert kinds is not None
            for kind in kinds.unique():
                own = every[self.kinds == kind]
                yield own if len(own) else every, kinds == kind

    def _begin_tables(self) -> None:
        width, dimension = self.books.shape[-1], self.tables.shape[-1]
        half = (dimension - width - TICKS) // 2
        self.tables[:-1, :, :width] = self.books / self.books[0].std()
        for i, codebook in enumerate((END, MIDDLE)):
            self.tables[codebook, :PULSED, width + i * half : width + (i + 1) * half] = snippets(half)
        self.tables[DICE, :, -TICKS:] = torch.from_numpy(signs())

    def _even_out(self, loudness: float = 0.05) -> None:
        """Begin with signals of one strength throughout (Mishkin and Matas, "All you need is a good init").

        With torch's own start the codes are lost on the way to the samples, under the layers' constants.
        """
        convs = [each for each in self.decoder.modules() if isinstance(each, nn.Conv1d | nn.ConvTranspose1d)]
        for each in convs:
            assert each.bias is not None
            each.bias.zero_()

        def scaled(layer: nn.Module, _: tuple[Tensor, ...], out: Tensor) -> Tensor:
            strength = out.std() / (loudness if layer is convs[-1] else 1.0)
            dict(layer.named_parameters())["weight_g"].div_(strength)
            return out / strength

        hooks = [each.register_forward_hook(scaled) for each in convs]
        self(torch.randint(self.tables.shape[1], (len(self.tables), 1, 200)))
        for hook in hooks:
            hook.remove()

    @torch.no_grad()
    def begin_with(self, plain: Mapping[str, Tensor]) -> None:
        """Take over a finished decoder and what codes mean to it, as far as they are the same ones."""
        for codebook, table in enumerate(self.tables):
            same = same_codes(codebook)
            table[same] = plain[CODEBOOK_NAME.format(codebook)][same]
        self.tables[DICE] = plain[CODEBOOK_NAME.format(len(self.tables) - 1)]
        state = {}
        for name in self.decoder.state_dict():
            if name.endswith("weight_g"):  # a norm per row, as old weight norm has it
                weight = plain["decoder." + name.removesuffix("_g")].float()
                state[name] = weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.ndim - 1))
                state[name.removesuffix("_g") + "_v"] = weight
            elif name.endswith("bias"):
                state[name] = plain["decoder." + name]
        self.decoder.load_state_dict(state)

    @torch.no_grad()
    def coordinates(self, envelopes: Envelopes) -> Tensor:
        """Log envelopes (F, WIDTH) -> where they lie among the books' entries (F, D)."""
        return (torch.from_numpy(envelopes.astype(np.float32)) - self.mean) @ self.basis

    @torch.no_grad()
    def codes(self, envelopes: Envelopes, excitation: Codes, kinds: Kinds) -> Codes:
        """Log envelopes (F, WIDTH), an excitation (3, F), kinds (F,) -> codes (codebooks, F)."""
        codes = np.zeros((len(self.tables), len(envelopes)), np.int16)
        codes[[END, MIDDLE, DICE]] = excitation
        return self._measured(codes, self.coordinates(envelopes), torch.from_numpy(kinds), begin=0)

    @torch.no_grad()
    def refined(self, codes: Codes, coordinates: Tensor) -> Codes:
        """Codes (codebooks, F), of which those of envelopes from the third codebook on are made anew.

        They bring what the codebooks before stand for as near to the coordinates (F, D) as they can.
        """
        return self._measured(codes.copy(), coordinates, None, begin=2)

    def _measured(self, codes: Codes, coordinates: Tensor, kinds: Tensor | None, begin: int) -> Codes:
        rest = coordinates.clone()
        pulses = torch.from_numpy(codes[[END, MIDDLE]].astype(np.int64))
        for layer, book in enumerate(self.books):
            for entries, frames in self._shares(layer, pulses, kinds) if layer >= begin else ():
                codes[layer, frames.numpy()] = entries[nearest(rest[frames], book[entries])].numpy()
            rest -= book[codes[layer]]
        return codes

    def meanings(self) -> Tensor:
        """(codebooks, K, D): codes that mean something alike lie near each other, each codebook 1 strong.

        For networks whose tables begin with it: they need not find out which of the codes are neighbours.
        """
        width, size = self.books.shape[-1], self.tables.shape[1]
        marks = landmarks(size)
        turns = marks.shape[1]
        found = torch.zeros(len(self.tables), size, width + 2 * turns)
        found[:-1, :, :width] = self.books / self.books.std(dim=(1, 2), keepdim=True).clamp(min=1e-6)
        found[END, :, width : width + turns] = found[MIDDLE, :, width + turns :] = marks
        return found

    def forward(self, codes: Tensor) -> Tensor:
        """Codes (codebooks, B, F) -> samples (B, 480 F)."""
        latents = [F.embedding(rows, table) for rows, table in zip(codes, self.tables, strict=True)]
        wave: Tensor = self.decoder(torch.stack(latents).sum(0).transpose(1, 2))
        return wave[:, 0]

    def exported(self) -> dict[str, Tensor]:
        """The decoder and the tables under encodec's names."""
        tables = {CODEBOOK_NAME.format(i): table for i, table in enumerate(self.tables.detach())}
        return {**{f"decoder.{name}": t for name, t in self.decoder.state_dict().items()}, **tables}


def takes_up_codes() -> bool:
    """Whether codes are measured with a finished encoder; raises ValueError where only half of it is."""
    given = {"start" in settings(step) for step in ("codec", "expected")}
    if len(given) > 1:
        raise ValueError("the settings give `start` to only one of [codec] and [expected]: both or none")
    return given.pop()


def same_codes(codebook: int) -> slice:
    """Which codes of a codebook but the last mean the same in a finished model: pulses always do.

    Those of envelopes do if they are measured as that model's were: by `start` of [codec] and [expected].

    Raises:
        ValueError: only one of the two has it.
    """
    if takes_up_codes():
        return slice(None)
    return slice(PULSED if codebook in (END, MIDDLE) else 0)


def begun_anywhere(codes: Codes, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Codes (codebooks, F), at least two, with the phases of all pulses later by the same part of a turn."""
    changed, by = codes.astype(np.int64), int(random.integers(LEVELS))
    for row in (END, MIDDLE)[: len(codes) - 1]:
        changed[row] = turned(codes[row], by)
    return changed


def filled_file() -> Path:
    """Where this step leaves the codec."""
    file: Path = settings("codec")["runs"] / "codec" / "last.pt"
    return file


def refilled_file() -> Path:
    """Where training.expected leaves the codec."""
    file: Path = settings("expected")["runs"] / "expected" / "codec.pt"
    return file


def load_codec() -> TrainableCodec:
    """The codec, as training.decoder left it, or if that has not run, training.expected.

    Raises:
        FileNotFoundError: training.expected has not run.
    """
    trained = settings("decoder")["runs"] / "decoder" / "last.pt"
    return _loaded(left_by("decoder") if trained.exists() else learnt(refilled_file()))


def first_codec() -> TrainableCodec:
    """The codec as training.codec left it, whatever has run since: codes-*.npz are in its books.

    Raises:
        FileNotFoundError: training.codec has not run.
    """
    return _loaded(learnt(filled_file()))


def _loaded(weights: Mapping[str, Tensor]) -> TrainableCodec:
    codec = TrainableCodec(settings("codec")["shape"])
    codec.load_state_dict(weights)
    return codec.eval()


def measured(folder: Path, shards: int) -> tuple[Tensor, Tensor, Tensor]:
    """Of a folder's first shards: log envelopes (N, WIDTH), codes of the excitation (3, N), kinds (N,)."""
    loaded = [np.load(file) for file in shard_files(folder, "audio", "prepare")[:shards]]
    envelopes = np.concatenate([shard["envelopes"] for shard in loaded])
    excitation = np.concatenate([shard["excitation"] for shard in loaded], axis=1)
    kinds = np.concatenate([kinds_of(shard["semantic"]) for shard in loaded])
    return torch.from_numpy(envelopes).float(), torch.from_numpy(excitation), torch.from_numpy(kinds)


def main() -> None:
    """Fill the codebooks, or take those that `start` names; what is there already stays."""
    options = settings("codec")
    torch.set_num_threads(options["threads"])
    file = filled_file()
    if file.exists():
        return
    torch.manual_seed(options["seed"])
    codec = TrainableCodec(options["shape"])
    if "start" in options:
        codec.measure_as(load_file(HERE.parent / options["start"]))
    else:
        codec.fill(*measured(options["data"], options["shards"]))
    file.parent.mkdir(parents=True, exist_ok=True)
    save_whole({"model": codec.state_dict()}, file)


if __name__ == "__main__":
    main()
