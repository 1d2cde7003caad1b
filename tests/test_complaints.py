"""What C libraries print goes nowhere while they read; what Python prints meanwhile arrives."""

from __future__ import annotations

import ctypes
import io
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from bark_cli.cli import main
from bark_cli.system import complaints
from bark_cli.system.complaints import uncomplaining

glibc = pytest.mark.skipif(
    not sys.platform.startswith("linux") or not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"),
    reason="only glibc lets a program set its stderr",
)


def mp3(*, cut_id3: bool) -> bytes:
    """Noise as MP3, in which every seventh byte is another; before it a tag that cannot be read."""
    dice, file = np.random.default_rng(0), io.BytesIO()
    soundfile.write(file, dice.normal(0, 0.1, 72_000), 24_000, format="MP3", subtype="MPEG_LAYER_III")
    data = np.frombuffer(file.getvalue(), np.uint8).copy()
    data[3000::7] = dice.integers(256, size=len(data[3000::7]))
    return (b"ID3\x04\x00\xff\x7f\x7f\x7f\x7f" if cut_id3 else b"") + data.tobytes()


@glibc
@pytest.mark.parametrize("command", ["show", "inspect", "detect"])
def test_of_a_broken_mp3_only_our_own_line_is_seen(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.mp3"
    path.write_bytes(mp3(cut_id3=False))
    with soundfile.SoundFile(path) as file:
        file.read()
    assert "Illegal Audio-MPEG-Header" in capfd.readouterr().err  # what libmpg123 says else
    assert main([command, str(path)]) in (0, 3)
    assert capfd.readouterr().err == ""
    path.write_bytes(mp3(cut_id3=True))
    assert main([command, str(path)]) == 1
    assert (
        capfd.readouterr().err == f"bark: {path} is not a sound file that can be read here: it is damaged\n"
    )


@glibc
def test_other_threads_are_heard_and_blocks_within_each_other_end_with_the_last(
    capfd: pytest.CaptureFixture[str],
) -> None:
    libc = ctypes.CDLL(None)

    def complain(words: bytes) -> None:
        libc.fputs(words, ctypes.c_void_p.in_dll(libc, "stderr"))

    with uncomplaining():
        other = uncomplaining()
        other.__enter__()
        complain(b"lost ")
        thread = threading.Thread(target=lambda: print("told", file=sys.stderr, flush=True))
        thread.start()
        thread.join()
    complain(b"lost, too ")
    other.__exit__(None, None, None)
    complain(b"heard again")
    assert capfd.readouterr().err == "told\nheard again"


def stderr() -> int | None:
    """Where C's variable points."""
    return ctypes.c_void_p.in_dll(ctypes.CDLL(None), "stderr").value


@glibc
def test_elsewhere_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = stderr()
    with uncomplaining():
        assert stderr() != before
    monkeypatch.setattr("bark_cli.system.complaints._streams", lambda: None)
    with uncomplaining():
        assert stderr() == before
    assert stderr() == before


@glibc
@pytest.mark.parametrize("moment", ["__enter__", "__exit__"])
def test_an_interrupt_before_the_block_begins_leaves_nothing_mute(
    moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        """The lock, at which the first thread that comes is interrupted."""

        def __init__(self) -> None:
            self.lock, self.moments = threading.Lock(), [moment]

        def meet(self, moment: str) -> None:
            if moment in self.moments:
                self.moments.remove(moment)
                raise KeyboardInterrupt

        def __enter__(self) -> None:
            self.meet("__enter__")
            self.lock.acquire()

        def __exit__(self, *_: object) -> None:
            self.lock.release()
            self.meet("__exit__")

    before = stderr()
    with monkeypatch.context() as patch:
        patch.setattr(complaints, "_counting", Interrupted())
        with pytest.raises(KeyboardInterrupt), uncomplaining():
            pass
    assert stderr() == before
    with uncomplaining():
        assert stderr() != before
    assert stderr() == before
