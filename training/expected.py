"""What can be known of the envelopes from the first two codebooks: codes (2, F) -> codes (codebooks, F).

What the other codebooks say of the teacher follows from the first two only in part. A fine stage that is
asked for it guesses, in every frame anew, and its guesses make the sound no better. So a small network learns
by regression what envelopes to expect, and fine learns to say that with the other codebooks. They are learnt
anew, for what is expected as well as for the sounds themselves: the decoder hears of both.

    python -m training.expected         # resumes from runs/expected; codes-*.npz -> expected-*.npz
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F

from training.codec import MEASURES, SAMPLE, Codes, TrainableCodec, first_codec, load_codec, refilled_file
from training.run import Losses, Run, learnt, save_whole
from training.settings import HERE, settings
from training.shards import parts, shard_files, write_arrays, write_bytes

NETWORK = "network."  # before its names in the encoder's file
REACH = 5  # frames that one layer sees


class Expectation(nn.Module):
    """Codes (2, B, F) -> the expected coordinates of the envelopes (B, F, D)."""

    books: Tensor

    def __init__(self, books: Tensor, width: int, dilations: list[int]) -> None:
        super().__init__()
        self.register_buffer("books", books[:2].clone())
        self.tables = nn.ModuleList(nn.Embedding(books.shape[1], width) for _ in range(2))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in dilations)
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, REACH, padding=REACH // 2 * d, dilation=d) for d in dilations
        )
        self.out = nn.Linear(width, books.shape[-1])
        with torch.no_grad():
            for table, book in zip(self.tables, self.books, strict=True):
                table.weight.mul_(0.1)
                table.weight[:, : book.shape[1]] = 0.1 * book

    def forward(self, codes: Tensor) -> Tensor:
        """What the codes themselves stand for, and what can be added to it."""
        x = torch.stack([table(row) for table, row in zip(self.tables, codes, strict=True)]).sum(0)
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = x + F.gelu(conv(norm(x).transpose(1, 2)).transpose(1, 2))
        drawn = torch.stack([book[row] for book, row in zip(self.books, codes, strict=True)]).sum(0)
        return drawn + self.out(x)


class Stretches:
    """Random stretches of codes with the envelopes' coordinates: (2, B, F) and (B, F, D)."""

    def __init__(self, folder: Path, codec: TrainableCodec, frames: int, seed: int) -> None:
        self.frames, self.random = frames, np.random.default_rng(seed)
        self.shards = []
        for file in shard_files(folder, "codes", "codes"):
            codes = torch.from_numpy(np.load(file)["codes"][:2].astype(np.int64))
            self.shards.append((codes, sounds_of(codec, file).half()))

    def __call__(self, size: int) -> tuple[Tensor, Tensor]:
        """The next batch, all of one shard."""
        codes, coordinates = self.shards[self.random.integers(len(self.shards))]
        begins = self.random.integers(0, codes.shape[1] - self.frames, size)
        at = torch.from_numpy(begins)[:, None] + torch.arange(self.frames)
        return codes[:, at], coordinates[at].float()


class Encoder:
    """What turns the teacher's envelopes into codes: a codec, and what the first two of them let expect."""

    def __init__(self, codec: TrainableCodec, network: Expectation) -> None:
        self.codec, self.network = codec.eval(), network.eval()

    def refined(self, codes: Codes) -> Codes:
        """Codes (codebooks, F), of which those from the third codebook on are what the first two tell."""
        return self.codec.refined(codes, self.expected(codes))

    @torch.no_grad()
    def expected(self, codes: Codes) -> Tensor:
        """Codes (codebooks, F) -> the envelopes' coordinates (F, D) that the first two let expect."""
        with torch.autocast("cpu", torch.bfloat16):
            found: Tensor = self.network(torch.from_numpy(codes[:2].astype(np.int64))[:, None])
        return found[0].float()


def load_encoder() -> Encoder:
    """The encoder, as training.expected left it.

    Raises:
        FileNotFoundError: training.expected has not run.
    """
    options, codec = settings("expected"), load_codec()
    network = Expectation(codec.books, options["width"], options["dilations"])
    network.load_state_dict(learnt(options["runs"] / "expected" / "last.pt"))
    return Encoder(codec, network)


def save_encoder(encoder: Encoder, file: Path) -> None:
    """Write all that measures codes, in half precision: with the same codes nano can be trained further."""
    arrays = {name: getattr(encoder.codec, name) for name in MEASURES}
    arrays |= {NETWORK + name: t for name, t in encoder.network.state_dict().items()}
    stored = {k: (t.half() if t.is_floating_point() else t).contiguous() for k, t in arrays.items()}
    write_bytes(file, save(stored))


def begin(network: Expectation, file: Path) -> None:
    """Let a network be that of a file that save_encoder wrote."""
    arrays = load_file(file).items()
    network.load_state_dict({k.removeprefix(NETWORK): t.float() for k, t in arrays if k.startswith(NETWORK)})


def refill(encoder: Encoder, folder: Path, shards: int) -> None:
    """Let the codec's later books begin anew: half of what they learn to say is what the first two let
    expect, half the sounds themselves."""
    files = shard_files(folder, "codes", "codes")[:shards]
    codes = [np.load(file)["codes"] for file in files]
    guessed = torch.cat([encoder.expected(each) for each in codes])
    heard = torch.cat([sounds_of(encoder.codec, file) for file in files])
    some = torch.randperm(len(heard))[: SAMPLE // 2]
    firsts = torch.from_numpy(np.concatenate(codes, axis=1)[:3, some.numpy()].astype(np.int64))
    encoder.codec.refill(firsts.repeat(1, 2), torch.cat([guessed[some], heard[some]]))


def audio_of(codes_file: Path) -> Path:
    """The file of the sound whose codes are a file codes-*.npz."""
    return codes_file.with_name(codes_file.name.replace("codes-", "audio-"))


def sounds_of(codec: TrainableCodec, codes_file: Path) -> Tensor:
    """The coordinates (F, D) of the sound whose codes are a file codes-*.npz."""
    return codec.coordinates(np.load(audio_of(codes_file))["envelopes"])


def write_expected(encoder: Encoder, folder: Path) -> None:
    """codes-*.npz -> expected-*.npz, those that are not there: `codes` that the first two let expect, and
    `full`, the sound itself in the same books."""
    for file in shard_files(folder, "codes", "codes"):
        target = file.with_name(file.name.replace("codes-", "expected-"))
        if target.exists():
            continue
        lengths = np.load(audio_of(file))["lengths"]
        codes = np.load(file)["codes"]
        utterances = parts(codes, lengths, axis=1)  # one does not tell of the next
        write_arrays(
            target,
            codes=np.concatenate([encoder.refined(each) for each in utterances], axis=1),
            full=encoder.codec.refined(codes, sounds_of(encoder.codec, file)),
        )


def main() -> None:
    """Train, resuming, and let the later books begin anew, or take what `start` names; write all codes."""
    run = Run("expected")
    options, codec = run.options, load_codec() if refilled_file().exists() else first_codec()
    network = Expectation(codec.books, options["width"], options["dilations"])
    if "start" in options and not run.checkpoint.exists():
        begin(network, HERE.parent / options["start"])
        save_whole({"model": codec.state_dict()}, refilled_file())
        save_whole({"model": network.state_dict()}, run.checkpoint)
    elif not refilled_file().exists():
        run.take_up(network)
        stretches = Stretches(options["data"], codec, options["frames"], run.seed)

        def losses_of(step: int) -> Losses:
            codes, wanted = run.move(*stretches(options["batch"]))
            with run.autocast():
                made = network(codes)
            loss = (made.float() - wanted).square().sum(-1).mean()
            return loss, {"loss": loss.item()}

        run.train(losses_of)
    network.load_state_dict(learnt(run.checkpoint))
    encoder = Encoder(codec, network.cpu())
    if not refilled_file().exists():
        refill(encoder, options["data"], settings("codec")["shards"])
        save_whole({"model": codec.state_dict()}, refilled_file())
    write_expected(encoder, options["data"])


if __name__ == "__main__":
    main()
