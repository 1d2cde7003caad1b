"""A long text that is stopped goes on where it was: the same bytes, and no piece made twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bark_cli.cli import main
from bark_cli.cli.say.progress import MinuteNotes
from bark_cli.errors import OutputError
from bark_cli.model.options import SamplingOptions
from bark_cli.narration.kept import KeptPieces, narrate_kept
from bark_cli.narration.narrate import Narration, Piece, narrate
from bark_cli.pipeline import Bark, Progress
from bark_cli.speech import Speech

SHORT = SamplingOptions(may_end=False, max_duration_s=0.1)
TEXTS = ["hello bark", "my name is bark", "i can speak", "the bark"]


@pytest.fixture(scope="module")
def bark(tiny_model: Path) -> Bark:
    return Bark.load(tiny_model, device="cpu", precision="fp32")


@pytest.fixture
def kept(tmp_path: Path) -> KeptPieces:
    return KeptPieces(tmp_path / "out.wav", lambda: "made by a test")


def narration(*texts: str) -> Narration:
    return Narration(pieces=[Piece(text=text, seed=n) for n, text in enumerate(texts)], options=SHORT)


def spoken(results: object) -> list[Speech]:
    found = [one.result for one in results]  # type: ignore[attr-defined]
    assert all(isinstance(one, Speech) for one in found)
    return found


def test_pieces_that_are_kept_are_not_made_again(
    bark: Bark, kept: KeptPieces, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = narration(*TEXTS)
    first = spoken(narrate_kept(bark, text, kept))
    changed = replace(text, pieces=[*text.pieces[:2], Piece(text="a hello", seed=2), text.pieces[3]])
    asked: list[str] = []
    submit = bark.submit
    monkeypatch.setattr(
        bark, "submit", lambda request, **how: asked.append(request.text) or submit(request, **how)
    )
    again = spoken(narrate_kept(bark, changed, kept))
    assert asked == ["a hello"]
    plain = spoken(narrate(bark, [changed]))
    for mine, wanted in zip(again, plain, strict=True):
        np.testing.assert_array_equal(mine.audio.samples, wanted.audio.samples)
        np.testing.assert_array_equal(mine.tokens.fine, wanted.tokens.fine)
        assert (mine.text, mine.voice, mine.seed, mine.complete) == (
            wanted.text,
            wanted.voice,
            wanted.seed,
            wanted.complete,
        )
    assert np.array_equal(first[0].audio.samples, again[0].audio.samples)
    kept.clear()
    assert not kept.folder.exists()


def test_the_first_piece_is_kept_long_before_the_last_is_begun(
    bark: Bark, kept: KeptPieces, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, asked = narration(*TEXTS * 6), list[str]()
    submit = bark.submit
    monkeypatch.setattr(
        bark, "submit", lambda request, **how: asked.append(request.text) or submit(request, **how)
    )
    with closing(narrate_kept(bark, text, kept)) as made:
        next(made)
        next(made)
    assert kept.count(text)
    assert len(asked) <= len(text.pieces) * 3 // 4


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", b"\x00" * 5000])
def test_a_damaged_piece_is_made_anew(bark: Bark, kept: KeptPieces, damage: bytes) -> None:
    text = narration(*TEXTS[:2])
    plain = spoken(narrate_kept(bark, text, kept))
    for file in kept.folder.glob("*.npz"):
        file.write_bytes(damage)
    again = spoken(narrate_kept(bark, text, kept))
    for mine, wanted in zip(again, plain, strict=True):
        np.testing.assert_array_equal(mine.audio.samples, wanted.audio.samples)
    assert kept.find(text.pieces[0], text) is not None  # mended


def test_a_name_as_long_as_can_be_has_room_for_its_pieces(bark: Bark, tmp_path: Path) -> None:
    kept = KeptPieces(tmp_path / f"{'x' * 251}.wav", lambda: "made by")
    text = narration("hello", "bark")
    assert len(spoken(narrate_kept(bark, text, kept))) == kept.count(text) == 2
    assert KeptPieces(tmp_path / f"{'x' * 250}y.wav", lambda: "made by").count(text) == 0


def test_a_folder_that_is_a_link_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".a.wav.pieces").symlink_to(tmp_path / "elsewhere")
    (tmp_path / ".b.wav.pieces").write_text("mine")
    for name in ("a.wav", "b.wav"):
        with pytest.raises(OutputError, match=r"is not a folder that bark made; move it away"):
            KeptPieces(tmp_path / name, lambda: "x")
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="kills as Unix does")
def test_a_text_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("\n\n".join(f"hello my name is bark {word}." for word in ["i can speak"] * 30))
    how = [
        "-m",
        str(tiny_model),
        "-f",
        str(text),
        "--batch-size",
        "1",
        "--max-duration",
        "0.3",
        "--precision",
        "fp32",
    ]
    out = tmp_path / "out.wav"
    command = [sys.executable, "-m", "bark_cli", "say", *how, "-o", str(out)]
    folder = tmp_path / ".out.wav.pieces"
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        while len(list(folder.glob("*.npz"))) < 2:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    assert not out.exists()
    here = len(list(folder.glob("*.npz")))
    assert main(["say", *how, "-o", str(out), "--keep-partial"]) == 0
    said, partial = capsys.readouterr().err, tmp_path / "out.partial.wav"
    assert f"{partial}: " in said
    assert "real time" not in said  # nothing was made
    assert not out.exists()
    assert len(list(folder.glob("*.npz"))) == here
    assert main(["say", *how, "-o", str(out)]) == 0  # no seed was given: it is remembered
    said = capsys.readouterr().err
    assert f"{here} of " in said
    assert "pieces were here; --fresh begins anew" in said
    assert not folder.exists()
    seed = said.split("--seed ")[1].split()[0]
    undisturbed = tmp_path / "other.wav"
    assert main(["say", *how, "-o", str(undisturbed), "--seed", seed, "--no-metadata"]) == 0
    bare = tmp_path / "bare.wav"
    assert main(["say", *how, "-o", str(bare), "--seed", seed, "--no-metadata", "--fresh"]) == 0
    assert undisturbed.read_bytes() == bare.read_bytes()
    import soundfile

    whole, part = soundfile.read(out)[0], soundfile.read(partial)[0]
    assert np.array_equal(whole, soundfile.read(undisturbed)[0])
    assert 1000 < len(part) < len(whole)
    assert np.array_equal(whole[:1000], part[:1000])  # of the first piece, whose end is another


def test_only_one_run_at_a_time_makes_a_file(
    tiny_model: Path, tmp_path: Path, kept: KeptPieces, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["say", "-m", str(tiny_model), "hello", "--max-duration", "0.1", "-o", str(kept.output)]
    with kept.held():
        assert main([*command, "--fresh"]) == 1
        assert capsys.readouterr().err.endswith(
            f"bark: another run is writing {kept.output}; wait for its end, or stop it\n"
        )
    assert main(command) == 0
    assert [path.name for path in tmp_path.iterdir()] == [kept.output.name]


def test_after_an_error_it_is_told_what_is_kept(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out, keep = tmp_path / "out.wav", KeptPieces.keep

    def keep_late(kept: KeptPieces, *what: object) -> None:
        keep(kept, *what)  # type: ignore[arg-type]
        out.write_bytes(b"of somebody else")

    monkeypatch.setattr(KeptPieces, "keep", keep_late)
    text = " ".join(["Hello my name is bark."] * 8)
    assert main(["say", "-m", str(tiny_model), text, "--max-duration", "0.1", "-o", str(out)]) == 1
    *_, told, why = capsys.readouterr().err.splitlines()
    assert "pieces are kept; run the same command again to go on" in told
    assert f"{out} exists" in why
    assert out.read_bytes() == b"of somebody else"


def test_what_is_not_there_cannot_be_kept(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.wav"
    text = "hello my name is bark. " * 40
    for words in ("hello", text):
        assert main(["say", "-m", str(tiny_model), words, "-o", str(out), "--keep-partial"]) == 2
        assert "nothing is kept of this text" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    others = tmp_path / ".out.wav.pieces" / "of another text.npz"
    others.parent.mkdir(mode=0o700)
    others.touch()
    assert main(["say", "-m", str(tiny_model), "hello", "-o", str(out), "--keep-partial"]) == 2
    assert others.exists()


def test_a_line_a_minute_says_how_far_a_text_is(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    tell = MinuteNotes([10.0, 0.0, 10.0, 20.0], clock=lambda: now[0])  # the second was there
    for number, at in ((0, 30.0), (2, 61.0), (2, 90.0), (2, 122.0)):
        now[0] = at
        tell(Progress(stage="codec", done=1, total=1, seconds=0, audio_s=0, utterance=number))
    assert capsys.readouterr().err.splitlines() == [
        "bark: 3 of 4 pieces after 1 min, about 1 min left",
        "bark: 3 of 4 pieces after 2 min, about 2 min left",
    ]
