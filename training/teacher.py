"""The teacher: text -> semantic tokens (T,) and the frames (601, F) that they sound like, by hibari.

hibari (Apache-2.0) predicts durations and spectra per 12.5 ms frame before it makes a waveform. Durations and
f0 give the semantic tokens; training.voices and training.vocoder make the frames heard.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training import units
from training.settings import settings
from training.shards import write_bytes
from training.units import TOKEN_SAMPLES

Array = npt.NDArray[np.float32]

HOP = 300
BINS = 601
HERTZ = 20 * np.arange(BINS, dtype=np.float32)  # of each bin
MEDIAN_F0 = 195.0
DURATIONS = "/Clip_output_0"
# the audio runs this many 12.5 ms frames ahead of the durations (the lag that separates the phonemes best)
LAG = 4
QUIET_DB = -36.0
LEAD, TAIL = 6, 11
STRESS = "ˈˌ"
PLOSIVES = "bdɡkptʤʧ"


@dataclass(frozen=True, eq=False)
class Recording:
    """How the teacher itself says it: float32 (300 N,) with its f0 (N,), and of F frames, where each is heard
    in it, `at` (F,) in frames, and how much louder, `level` (F,) in nepers."""

    wave: Array
    f0: Array
    at: Array
    level: Array

    def taken(self, places: Array) -> Recording:
        """What is heard at other places of the F frames."""
        known = np.arange(len(self.at))
        at, level = (np.interp(places, known, of).astype(np.float32) for of in (self.at, self.level))
        return replace(self, at=at, level=level)


@dataclass(frozen=True, eq=False)
class Frames:
    """What a voice is made of, every 12.5 ms: log magnitudes (601, F) of its harmonics and of its noise; f0
    (F,) in Hz, near 0 if unvoiced. Those that the teacher says have a recording."""

    harmonics: Array
    noise: Array
    f0: Array
    recording: Recording | None = None

    def taken(self, places: Array) -> Frames:
        """What is at other places (F',) of them: the nearest frames, but anywhere in the recording."""
        places = np.clip(places, 0, len(self.f0) - 1)
        at = np.rint(places).astype(np.int64)
        recording = self.recording and self.recording.taken(places)
        return Frames(self.harmonics[:, at], self.noise[:, at], self.f0[at], recording)

    def cut(self, start: int, stop: int) -> Frames:
        """Frames start..stop, the last one repeated where they run out."""
        return self.taken(np.arange(start, stop))

    def louder(self, by: Array) -> Frames:
        """The same, louder by so many nepers (F,)."""
        recording = self.recording and replace(self.recording, level=self.recording.level + by)
        return replace(self, harmonics=self.harmonics + by, noise=self.noise + by, recording=recording)


@dataclass(frozen=True)
class Piece:
    """Part of an utterance: tokens (T,), and frames or None for silence. No voice moves music."""

    tokens: npt.NDArray[np.int16]
    frames: Frames | None = None
    is_music: bool = False


def silence(tokens: int, name: str) -> Piece:
    """A pause of so many tokens."""
    return Piece(np.full(tokens, units.pause(name), np.int16))


def both(a: Array, b: Array) -> Array:
    """The log magnitude of two independent noises together."""
    together: Array = np.logaddexp(2 * a, 2 * b) / 2
    return together


class Teacher:
    """hibari's text front end and its network, with the durations among its outputs; one thread each."""

    def __init__(self, model: Path | None = None):
        import onnxruntime
        from hibari import Hibari

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._hibari = Hibari(threads=1)
        source = (
            model if model is not None and model.exists() else _graph_with_durations(self._hibari.model_path)
        )
        graph = str(source) if isinstance(source, Path) else source
        self._session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def sentences(self, text: str) -> list[str]:
        """The phoneme string of each sentence of a text, stress marks and punctuation included."""
        found: list[str] = self._hibari.phonemize(text)
        return [phonemes for phonemes in found if any(c in units.PHONES for c in phonemes)]

    def frames(self, phonemes: str) -> tuple[Frames, npt.NDArray[np.int64]]:
        """One pass of the network -> frames, and the duration of " " + phonemes + " " in 12.5 ms frames."""
        from hibari import dsp

        ids = np.asarray([self._hibari.ids(phonemes)], np.int64)
        outputs = self._session.run(None, {"ids": ids, "speed": np.ones(1, np.float32)})
        known = [i for i, c in enumerate(phonemes) if c in self._hibari.vocab]
        durations = np.zeros(len(phonemes) + 2, np.int64)
        durations[[0, *(i + 1 for i in known), -1]] = 2 * np.rint(outputs[-1].ravel()).astype(np.int64)
        lh, _, ln, lr, _, f0 = parts = [part[0] for part in outputs[:6]]
        wave = dsp.synth(*parts, np.random.default_rng(ids[0]))
        recording = Recording(wave, f0, np.arange(len(f0), dtype=np.float32), np.zeros_like(f0))
        return Frames(lh, both(ln + np.float32(np.log(2) / 2), lr), f0, recording), durations


def piece_of(phonemes: str, frames: Frames, durations: npt.NDArray[np.int64]) -> Piece:
    """A sentence as a piece with tokens at 50 Hz, trimmed to 75 ms of silence before and 140 ms after it."""
    loud = level_db(frames) > QUIET_DB
    labels = align(phonemes, durations, loud)
    sounding = np.flatnonzero(loud)
    first, last = (int(sounding[0]), int(sounding[-1])) if len(sounding) else (0, len(loud) - 1)
    start, stop = max(0, first - LEAD), last + TAIL
    count = max(2, int((stop - start) * HOP / TOKEN_SAMPLES))
    cut = frames.cut(start, start + int(np.ceil(count * TOKEN_SAMPLES / HOP)) + 1)
    return Piece(tokens_of(labels, log_pitch(frames.f0), start, count), frames=cut)


def level_db(frames: Frames) -> Array:
    """Power per frame (F,) in dB below the utterance's loud parts."""
    # every fourth bin tells enough
    power = (np.exp(2 * frames.harmonics[::4]) + np.exp(2 * frames.noise[::4])).sum(0)
    level = 10 * np.log10(power + 1e-12)
    relative: Array = (level - np.percentile(level, 95)).astype(np.float32)
    return relative


def log_pitch(f0: Array) -> Array:
    """log(f0 / median) (F,), carried across unvoiced frames by interpolation."""
    voiced = np.flatnonzero(f0 > 60.0)
    if not len(voiced):
        return np.zeros_like(f0)
    return np.log(np.interp(np.arange(len(f0)), voiced, f0[voiced]) / MEDIAN_F0).astype(np.float32)


@dataclass(frozen=True)
class Label:
    """A phone or pause and the order it comes in, so that two equal phones in a row stay apart."""

    name: str
    order: int
    is_phone: bool


def _pause_name(gap: str, *, first: bool, last: bool) -> str:
    if first or last:
        return "start" if first else "end"
    for marks, name in ((".!?", "stop"), ("…—", "hesitate"), (",;:", "comma")):
        if any(c in marks for c in gap):
            return name
    return "gap"


def _spans(phonemes: str, durations: npt.NDArray[np.int64]) -> list[tuple[str, int, int]]:
    """(phone or run of marks, start, stop) in frames of audio; stress joins the phone after it."""
    spans: list[tuple[str, int, int]] = []
    ends = np.cumsum(durations) - LAG
    start = 0
    pending = False
    for i, symbol in enumerate(f" {phonemes} "):
        stop = max(start, int(ends[i]))
        if symbol in STRESS:
            pending = True
            continue
        phone = units.ALIASES.get(symbol, symbol)
        is_phone = phone in units.PHONES
        joins = bool(spans) and not pending and not is_phone and spans[-1][0][0] not in units.PHONES
        if joins:
            spans[-1] = (spans[-1][0] + symbol, spans[-1][1], stop)
        else:
            spans.append((phone, start, stop))
        start, pending = stop, False
    return spans


def align(phonemes: str, durations: npt.NDArray[np.int64], loud: npt.NDArray[np.bool_]) -> list[Label]:
    """The label of each frame: marks are a pause where the audio is quiet, else part of the phones around."""
    frames = len(loud)
    spans = _spans(phonemes, durations)
    labels = [Label("end", len(spans), False)] * frames
    for order, (name, start, stop) in enumerate(spans):
        if name[0] in units.PHONES:
            labels[start:stop] = [Label(name, order, True)] * (min(stop, frames) - start)
    for order, (name, start, stop) in enumerate(spans):
        if name[0] in units.PHONES:
            continue
        before = spans[order - 1] if order else None
        after = spans[order + 1] if order + 1 < len(spans) else None
        kind = _pause_name(name, first=before is None, last=after is None)
        low = start if before is None else max(before[1] + 3, start - 24)
        closure = 4 if after is not None and after[0] in PLOSIVES else 0
        high = frames if after is None else min(after[2] - 3, stop + 12)
        quiet_from, quiet_to = _quiet_run(
            loud, min(low, start), start, stop if after else frames, max(high, stop)
        )
        if quiet_to - quiet_from < 3 and after is not None and before is not None:
            middle = (start + stop) // 2
            quiet_from = quiet_to = middle
        left = Label(before[0], order - 1, True) if before else Label(kind, order, False)
        right = Label(after[0], order + 1, True) if after else Label(kind, order, False)
        stop_at = frames if after is None else max(stop, quiet_to)
        for t in range(min(start, quiet_from), min(stop_at, frames)):
            if t < quiet_from:
                labels[t] = left
            elif t < quiet_to - (closure if quiet_to - quiet_from > closure + 3 else 0):
                labels[t] = Label(kind, order, False)
            else:
                labels[t] = right
    return labels


def _quiet_run(loud: npt.NDArray[np.bool_], low: int, start: int, stop: int, high: int) -> tuple[int, int]:
    """The longest quiet run inside low..high that touches start..stop; (stop, stop) if there is none."""
    best = (stop, stop)
    t = low
    high = min(high, len(loud))
    while t < high:
        if loud[t]:
            t += 1
            continue
        end = t
        while end < high and not loud[end]:
            end += 1
        if end >= start and t <= stop and end - t > best[1] - best[0]:
            best = (t, end)
        t = end
    return best


def tokens_of(labels: list[Label], pitch: Array, start: int, count: int) -> npt.NDArray[np.int16]:
    """Labels and pitch every 20 ms from `start` on; a phone's first ceil(n / 2) tokens are its first half."""
    at = np.clip(
        np.rint(start + (np.arange(count) + 0.5) * TOKEN_SAMPLES / HOP).astype(int), 0, len(labels) - 1
    )
    row = [labels[t] for t in at]
    bins = units.pitch_bin(pitch[at])
    tokens = np.empty(count, np.int16)
    i = 0
    while i < count:
        j = i
        while j < count and row[j] == row[i]:
            j += 1
        for k in range(i, j):
            if not row[k].is_phone:
                tokens[k] = units.pause(row[k].name)
                continue
            half = int(2 * (k - i) >= j - i)
            level = -1 if row[k].name in units.UNVOICED else int(bins[k])
            tokens[k] = units.IDS[units.Unit("phone", row[k].name, half, level)]
        i = j
    return tokens


def _graph_with_durations(path: str) -> bytes:
    import onnx

    graph: Any = onnx.load(path)
    graph.graph.output.append(onnx.helper.make_tensor_value_info(DURATIONS, onnx.TensorProto.FLOAT, None))
    data: bytes = graph.SerializeToString()
    return data


def plain(text: str) -> str:
    """A text without notes and emphasis marks, as the teacher's front end reads it."""
    return re.sub(r"\s+", " ", re.sub(r"[♪*_]", " ", text)).strip()


def main() -> None:
    """Save hibari's graph with its durations among the outputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    where = settings("prepare")["data"] / "teacher.onnx"
    parser.add_argument("--export", type=Path, default=where, help="where to write the ONNX file")
    path = parser.parse_args().export
    from hibari import Hibari

    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, _graph_with_durations(Hibari(threads=1).model_path))
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
