"""Pieces of sound -> the loudspeaker, without a gap between them, while others are being made.

What is put waits in a queue; a thread writes it to the device in blocks. Where the queue runs dry the thread
writes silence, counts that once as an underrun, and goes on with the next piece where it stopped: the device
itself never runs dry, which would click.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bark_cli.audio.devices import device_failed, find_device, portaudio
from bark_cli.audio.sound import Audio, clipped

BLOCK_S = 0.05  # of sound written to the device at once
# What the device holds ready. So late a pause or Ctrl-C may be heard, and so long may the thread be kept from
# writing by all that computes beside it.
LATENCY_S = 0.2
Samples = NDArray[np.float32]


class Player(AbstractContextManager["Player"]):
    """Plays pieces of sound in a row through an output device, the default or the one that `device` means.

    Leaving it waits until the last has ended. An error or Ctrl-C, then too, falls silent at once, and so does
    `stop`. `on_first_sound` is called from another thread when the first sound has gone to the device.

    Raises:
        AudioError: PortAudio or an output device is missing.
        OptionError: no device, or several, are called `device`.
    """

    def __init__(
        self, sample_rate: int, *, device: str | None = None, on_first_sound: Callable[[], None] | None = None
    ) -> None:
        self._device, self._sounddevice, self._rate = find_device(device), portaudio(), sample_rate
        self._on_first_sound = on_first_sound
        self._waiting: queue.SimpleQueue[Samples | None] = queue.SimpleQueue()  # None: no more
        self._is_stopped, self._is_paused = threading.Event(), threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._play_all, daemon=True)
        self._put = self._played = 0  # samples; the thread counts those it has played
        self.underruns = 0  # how often the sound had to wait for what was to come

    def __enter__(self) -> Player:
        self._thread.start()
        return self

    def put(self, audio: Audio) -> None:
        """Play the next piece, after those before it; returns at once. After `stop` it does nothing.

        Raises:
            AudioError: a sample is not a number, or the device has failed.
        """
        self._check()
        if len(audio.samples):
            self._waiting.put(clipped(audio))
            self._put += len(audio.samples)

    def drain(self, left_s: float = 0.0) -> bool:
        """Wait until no more than `left_s` of what was put is still to be played; False once it is stopped.

        Raises:
            AudioError: the device has failed.
        """
        while self._put - self._played > left_s * self._rate and not self.is_stopped:
            self._check()
            time.sleep(BLOCK_S / 2)
        return not self.is_stopped

    def pause(self) -> None:
        """Fall silent until `resume`, which goes on where the sound was."""
        self._is_paused.set()

    def resume(self) -> None:
        """Go on after `pause`."""
        self._is_paused.clear()

    def toggle(self) -> None:
        """Pause, or resume."""
        (self.resume if self.is_paused else self.pause)()

    def stop(self) -> None:
        """Fall silent for good; leaving the player then waits for nothing."""
        self._is_stopped.set()

    @property
    def played_s(self) -> float:
        """Seconds of what was put that have gone to the device."""
        return self._played / self._rate

    @property
    def is_paused(self) -> bool:
        """Whether it is silent until `resume`."""
        return self._is_paused.is_set()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called: what else there is need not be made."""
        return self._is_stopped.is_set()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._waiting.put(None)
        try:
            if kind is not None:
                self.stop()
            while self._thread.is_alive():
                self._thread.join(0.1)
        except BaseException:
            self.stop()
            raise
        if kind is None:
            self._check()

    def _check(self) -> None:
        if self._failure is not None:
            raise device_failed(self._failure) from self._failure

    def _play_all(self) -> None:
        """In a thread of its own: write what is waiting to the device."""
        first = self._waiting.get()  # the device is not opened before there is sound: it would run dry
        if first is None or self.is_stopped:
            return
        try:
            with self._sounddevice.OutputStream(
                self._rate, device=self._device, channels=1, dtype="float32", latency=LATENCY_S
            ) as stream:
                supply = _Supply(self._waiting, first, max(1, round(BLOCK_S * self._rate)))
                self._write_all(stream, supply)
        except BaseException as error:  # whatever it is: it is raised where this thread is waited for
            self._failure = error

    def _write_all(self, stream: Any, supply: _Supply) -> None:
        stream.write(
            supply.silence[:, None]
        )  # a device that wakes up swallows the first hundredth of a second
        ends_at = time.monotonic() + BLOCK_S  # when all that was written will have been heard
        while not self.is_stopped:
            if self.is_paused:
                block: Samples | None = supply.silence
            else:
                block = supply.next_block(max(0.0, ends_at - time.monotonic() - BLOCK_S))
            if block is None:
                _play_out(stream, supply.silence)
                return
            stream.write(block[:, None])
            now = time.monotonic()
            # the clock of the device is not ours: what it holds is never less than nothing, nor more than all
            ends_at = min(max(ends_at, now) + len(block) / self._rate, now + LATENCY_S)
            self.underruns = supply.underruns
            if block is not supply.silence:
                self._count(len(block))
        stream.abort()

    def _count(self, samples: int) -> None:
        if not self._played and self._on_first_sound is not None:
            self._on_first_sound()
        self._played += samples


def _play_out(stream: Any, silence: Samples) -> None:
    """Wait until the device has played what it holds.

    `stop` should do that. Through ALSA's plug-in for PulseAudio it drops what is left instead, which silence
    written behind it saves from being the end of the last word.
    """
    for _ in range(round(2 * LATENCY_S / BLOCK_S)):
        stream.write(silence[:, None])
    stream.stop()


class _Supply:
    """Blocks out of the pieces that wait, and silence where none do."""

    def __init__(self, waiting: queue.SimpleQueue[Samples | None], first: Samples, block: int) -> None:
        self._waiting, self._piece = waiting, first
        self._block, self._is_dry = block, False
        self.silence: Samples = np.zeros(block, np.float32)
        self.underruns = 0

    def next_block(self, patience_s: float) -> Samples | None:
        """What comes next, waiting so long for it; None where there is no more."""
        if not len(self._piece):
            try:
                piece = self._waiting.get(timeout=patience_s) if patience_s else self._waiting.get_nowait()
            except queue.Empty:
                self.underruns += not self._is_dry
                self._is_dry = True
                return self.silence
            if piece is None:
                return None
            self._piece = piece
        self._is_dry = False
        block, self._piece = self._piece[: self._block], self._piece[self._block :]
        return block


def play(audio: Audio, *, device: str | None = None) -> None:
    """Play `audio` and wait until it has ended.

    Raises:
        AudioError: PortAudio or an output device is missing, or playing failed.
        OptionError: no device, or several, are called `device`.
    """
    with Player(audio.sample_rate, device=device) as player:
        player.put(audio)
