"""Training data of nano: sentences -> shards of int16 audio (480 T each), tokens (T,), voices and texts."""

from __future__ import annotations

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import numpy.typing as npt

from training import units
from training.compose import compose, tokens_of
from training.processes import end_with_parent, held
from training.settings import settings
from training.shards import shard_files, write_arrays
from training.teacher import Teacher
from training.vocoder import render
from training.voices import VOICES

SHARD_TEXTS = 100
MAX_TOKENS = 768


@dataclass(frozen=True)
class Corpus:
    """Utterance i: audio[480 * offsets[i] : 480 * offsets[i + 1]], semantic[offsets[i] : offsets[i + 1]].

    `voices[i]` indexes voices.VOICES. Of load_pairs, which has texts and tokens only, `audio` is empty.
    """

    audio: npt.NDArray[np.int16]
    semantic: npt.NDArray[np.int16]
    offsets: npt.NDArray[np.int64]
    voices: npt.NDArray[np.int8]
    texts: list[str]

    def __len__(self) -> int:
        return len(self.texts)

    def tokens(self, i: int) -> npt.NDArray[np.int16]:
        """Semantic tokens (T,) of utterance i."""
        return self.semantic[self.offsets[i] : self.offsets[i + 1]]

    def samples(self, i: int) -> npt.NDArray[np.int16]:
        """Audio (480 T,) of utterance i."""
        return self.audio[units.TOKEN_SAMPLES * self.offsets[i] : units.TOKEN_SAMPLES * self.offsets[i + 1]]


def load_shards(folder: Path) -> Corpus:
    """Every utterance with audio of a folder that `prepare` wrote, in order."""
    return _load(folder, "audio")


def load_pairs(folder: Path) -> Corpus:
    """Every text once with its tokens and no audio; voice -1."""
    return _load(folder, "pairs")


def _load(folder: Path, kind: str) -> Corpus:
    shards = [dict(np.load(file)) for file in shard_files(folder, kind, "prepare")]
    lengths = np.concatenate([shard["lengths"] for shard in shards])
    texts: list[str] = []
    for shard in shards:
        texts += json.loads(shard.pop("texts").tobytes().decode())
    return Corpus(
        audio=np.concatenate([shard.pop("audio", np.zeros(0, np.int16)) for shard in shards]),
        semantic=np.concatenate([shard["semantic"] for shard in shards]),
        offsets=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        voices=np.concatenate([shard["voices"] for shard in shards]),
        texts=texts,
    )


@lru_cache(maxsize=1)
def _teacher(graph: Path) -> Teacher:
    return Teacher(graph)


def make_shard(job: tuple[int, list[str], int], *, out: Path, graph: Path, seed: int) -> tuple[float, int]:
    """Write pairs-NNNN and audio-NNNN of some texts -> (hours of audio, utterances); skips what is there."""
    number, texts, voices_each = job
    pairs_file, audio_file = out / f"pairs-{number:05d}.npz", out / f"audio-{number:05d}.npz"
    if pairs_file.exists() and (audio_file.exists() or not voices_each):
        return 0.0, 0
    rng = np.random.default_rng([seed, number])
    teacher = _teacher(graph)
    rows, spoken, kept = [], [], []
    for text in texts:
        pieces = compose(text, teacher, rng)
        if not pieces or not 8 <= sum(len(p.tokens) for p in pieces) <= MAX_TOKENS:
            continue
        tokens = tokens_of(pieces)
        rows.append(tokens)
        kept.append(text)
        for voice in rng.choice(len(VOICES), voices_each, replace=False).tolist():
            spoken.append((text, tokens, voice, render(pieces, VOICES[voice], rng)))
    _write(pairs_file, kept, rows, [-1] * len(kept))
    if spoken:
        _write(
            audio_file,
            [t for t, *_ in spoken],
            [r for _, r, *_ in spoken],
            [v for _, _, v, _ in spoken],
            audio=np.concatenate([np.rint(made.wave * 32767).astype(np.int16) for *_, made in spoken]),
            excitation=np.concatenate([made.excitation for *_, made in spoken], axis=1),
            envelopes=np.concatenate([made.envelopes for *_, made in spoken]),
        )
    return sum(len(r) for _, r, *_ in spoken) / units.TOKEN_RATE / 3600, len(spoken)


def _write(
    file: Path,
    texts: list[str],
    rows: list[npt.NDArray[np.int16]],
    voices: list[int],
    **more: npt.NDArray[np.generic],
) -> None:
    arrays = {
        "semantic": np.concatenate(rows) if rows else np.zeros(0, np.int16),
        "lengths": np.asarray([len(row) for row in rows], np.int64),
        "voices": np.asarray(voices, np.int8),
        "texts": np.frombuffer(json.dumps(texts).encode(), np.uint8),
    }
    # what was made of an earlier file does not fit this one
    later = (file.name.replace("audio-", kind) for kind in ("codes-", "expected-"))
    for made_of in (f"aligned-{file.name}", *later):
        if made_of != file.name:
            file.with_name(made_of).unlink(missing_ok=True)
    write_arrays(file, **arrays, **more)


def hours_of(texts: list[str]) -> float:
    """About how long one voice takes to say the texts: 15 characters a second."""
    return sum(len(text) / 15.0 + 0.35 for text in texts) / 3600


def prepare(
    out: Path,
    texts: list[str],
    *,
    hours: float,
    voices_each: int,
    pairs: bool,
    processes: int,
    seed: int,
    graph: Path,
    limit_s: float | None = None,
) -> float:
    """Write shards of about `hours` of audio, then pairs of the other texts -> the hours made by this call.

    One pass of the teacher serves `voices_each` voices of a text. What is there already is kept;
    after limit_s no new shard is begun.
    """
    out.mkdir(parents=True, exist_ok=True)
    order = np.random.default_rng(seed).permutation(len(texts))
    jobs: list[tuple[int, list[str], int]] = []
    planned = 0.0
    for number, at in enumerate(range(0, len(order), SHARD_TEXTS)):
        chosen = [texts[i] for i in order[at : at + SHARD_TEXTS]]
        each = voices_each if planned < hours else 0
        planned += each * hours_of(chosen)
        if each or pairs:
            jobs.append((number, chosen, each))
    work = partial(make_shard, out=out, graph=graph, seed=seed)
    started, made, done = time.perf_counter(), 0.0, 0
    # spawned, so that the workers' libraries read how many threads they may take
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=end_with_parent) as pool:
        waiting = [pool.submit(work, job) for job in jobs]
        for future in as_completed(waiting):
            made, done = made + future.result()[0], done + 1
            spent = time.perf_counter() - started
            if done % 20 == 0 or done == len(jobs):
                print(f"{done}/{len(jobs)} shards, {made:.2f} h of audio, {spent:.0f} s", flush=True)
            if limit_s is not None and spent > limit_s:
                pool.shutdown(cancel_futures=True)
                break
    return made


def main() -> None:
    """Prepare training data from the command line; the defaults are settings.toml's."""
    options = settings("prepare")
    data: Path = options["data"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=data)
    parser.add_argument("--texts", type=Path, default=data / "texts", help="folder that training.texts wrote")
    parser.add_argument("--hours", type=float, default=options["hours"], help="of audio; 0 makes pairs only")
    parser.add_argument(
        "--voices-each",
        type=int,
        default=options["voices_each"],
        help="voices that say each text of the audio",
    )
    parser.add_argument("--no-pairs", action="store_true", help="leave out texts that get no audio")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=options["seed"])
    parser.add_argument(
        "--limit", type=int, default=options.get("limit"), help="use only so many of the texts"
    )
    parser.add_argument(
        "--limit-seconds", type=float, default=None, help="stop after so long; go on by running it again"
    )
    parser.add_argument("--graph", type=Path, default=data / "teacher.onnx")
    given = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    texts = (given.texts / "train.txt").read_text(encoding="utf-8").splitlines()[: given.limit]
    with held(given.out / "prepare.lock"):
        made = prepare(
            given.out,
            texts,
            hours=given.hours,
            voices_each=given.voices_each,
            pairs=not given.no_pairs,
            processes=given.processes,
            seed=given.seed,
            graph=given.graph,
            limit_s=given.limit_seconds,
        )
    print(f"made {made:.2f} h from {len(texts)} texts in {given.out}")


if __name__ == "__main__":
    main()
