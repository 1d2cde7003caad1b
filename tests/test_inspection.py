"""`bark inspect`: what is measured of sound and of tokens, what is drawn, and how it can be misused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from conftest import tiny_voice, write_voice

from bark_cli.audio import Audio, Provenance, save
from bark_cli.cli import main
from bark_cli.errors import AudioError, OptionError
from bark_cli.inspection import Sketch, SoundMeter, TokenTrack, draw, place, token_facts
from bark_cli.inspection.codes import longest_repetition
from bark_cli.inspection.measure import COLUMNS, MELS
from bark_cli.model.config import BarkConfig
from bark_cli.model.tokens import BarkTokens

RATE = 24_000


def tone(hertz: float, seconds: float, level: float = 0.5) -> Audio:
    times = np.arange(round(seconds * RATE)) / RATE
    return Audio((level * np.sin(2 * math.pi * hertz * times)).astype(np.float32), RATE)


def measured(*sounds: Audio) -> SoundMeter:
    meter = SoundMeter(RATE)
    for sound in sounds:
        meter.put(sound)
    return meter


def test_a_tone_is_measured_as_it_is() -> None:
    facts = measured(tone(1_000, 3.0)).facts()
    assert facts.seconds == 3.0
    assert facts.loudness_lufs == pytest.approx(-9.03, abs=0.1)  # K-weighting leaves 1 kHz almost as it is
    assert facts.peak_db == pytest.approx(-6.02, abs=0.01)
    assert (facts.silence, facts.clipped_samples) == (0.0, 0)
    assert facts.centroid_hz == pytest.approx(1_000, abs=5)


def test_silence_and_clipping() -> None:
    nothing = Audio(np.zeros(RATE, np.float32), RATE)
    facts = measured(tone(440, 3.0, level=2.0), nothing).facts()
    assert facts.silence == pytest.approx(0.25)
    assert facts.clipped_samples > RATE  # two thirds of a sine of twice the full scale are beyond it
    assert facts.peak_db == pytest.approx(6.02, abs=0.01)  # of a file that can hold it
    facts = measured(nothing).facts()
    assert (facts.loudness_lufs, facts.peak_db, facts.centroid_hz, facts.silence) == (None, None, None, 1.0)
    with pytest.raises(AudioError, match="NaN"):
        measured(Audio(np.full(10, np.nan, np.float32), RATE))


def test_blocks_do_not_matter() -> None:
    noise = Audio(np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32), RATE)
    cuts = np.split(noise.samples, [1, 5, 1_000, 1_777, 40_000, 71_999])
    whole, pieces = measured(noise), measured(*(Audio(cut, RATE) for cut in cuts))
    assert pieces.facts().centroid_hz == pytest.approx(whole.facts().centroid_hz)
    assert pieces.facts().silence == whole.facts().silence
    one, other = whole.sketch(), pieces.sketch()
    np.testing.assert_allclose(one.mel_db, other.mel_db, atol=0.1)
    np.testing.assert_array_equal(one.high, other.high)


def test_a_sketch_shows_what_happens_when() -> None:
    sketch = measured(tone(500, 1.0, 0.25), tone(6_000, 1.0, 0.5)).sketch()
    assert sketch.mel_db.shape == (MELS, len(sketch.low))
    assert sketch.column_s * len(sketch.low) == pytest.approx(2.0, abs=sketch.column_s)
    half = len(sketch.low) // 2
    assert np.allclose(sketch.high[2 : half - 2], 0.25, atol=0.01)
    assert np.allclose(sketch.low[half + 2 : -2], -0.5, atol=0.01)
    strongest = sketch.mel_db.argmax(axis=0)
    for columns, hertz in ((slice(4, half - 4), 500), (slice(half + 4, -4), 6_000)):
        band = math.log10(1 + hertz / 700) / math.log10(1 + RATE / 2 / 700) * (MELS + 1) - 1
        assert np.abs(strongest[columns] - band).max() <= 1


@pytest.mark.parametrize("count", [0, 1, 100, 1023, 1024, 1025])
def test_the_shortest_sounds(count: int) -> None:
    meter = measured(Audio(np.full(count, 0.1, np.float32), RATE))
    if count:
        assert len(meter.sketch().low) == -(-count // 256)
    assert meter.facts().seconds == count / RATE


def test_an_hour_is_drawn_in_as_many_columns() -> None:
    meter = SoundMeter(RATE)
    for _ in range(10):
        meter.put(tone(300, 20.0))
    sketch = meter.sketch()
    assert COLUMNS / 2 < len(sketch.low) <= COLUMNS
    assert sketch.column_s * len(sketch.low) == pytest.approx(200, abs=2 * sketch.column_s)
    assert np.allclose(sketch.high[1:-1], 0.5, atol=0.01)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([1, 2, 3, 4, 5, 6], (0, 0)),
        ([1, 1, 2, 3, 4, 5], (0, 0)),  # twice is no repetition
        ([9, 1, 1, 1, 1, 5, 2], (4, 1)),
        ([9, 1, 2, 3, 1, 2, 3, 1, 2, 3, 8, 8, 8], (9, 3)),
        ([7] * 12, (12, 1)),
    ],
)
def test_the_longest_repetition(tokens: list[int], expected: tuple[int, int]) -> None:
    assert longest_repetition(np.array([tokens]), 100) == expected
    both = np.array([tokens, range(len(tokens))])
    assert longest_repetition(both, 100) == (0, 0)  # the books have to repeat together


def test_facts_of_each_stage(tiny_config: BarkConfig) -> None:
    fine = np.tile(np.arange(30), (8, 1))
    fine[2:] = 0
    tokens = BarkTokens(semantic=np.array([5] * 20), coarse=fine[:2], fine=fine)
    semantic, coarse, fine_facts = token_facts(TokenTrack(tokens=tokens, config=tiny_config))
    assert (semantic.books, semantic.length, semantic.distinct, semantic.vocabulary) == (1, 20, 1, 64)
    assert (semantic.repetition_s, semantic.round_s) == (0.4, 0.02)
    assert (coarse.books, coarse.length, coarse.distinct, coarse.vocabulary) == (2, 30, 60, 64)
    assert coarse.repetition_s == 0
    assert (fine_facts.books, fine_facts.distinct, fine_facts.rate_hz) == (8, 66, 75.0)


def test_where_tokens_are_heard() -> None:
    assert place(2.0, 2.01, 0.0133) == 0  # the codec's rounding
    assert place(2.0, 5.0, 0.0133) == 3.0  # those of the last piece
    with pytest.raises(OptionError, match=r"stand for 5\.0 s and the sound has 2\.0 s"):
        place(5.0, 2.0, 0.0133)


# the command


@pytest.fixture
def voice(tmp_path: Path, tiny_config: BarkConfig) -> Path:
    return write_voice(tmp_path / "me.npz", tiny_voice(tiny_config, frames=60))  # 0.8 s


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    note = Provenance("nano", "nano/ann", 7, "ab" * 32, "0.1.0", {"temperature": 0.7})
    save(tone(1_000, 0.8), tmp_path / "a.wav", metadata=note)
    return tmp_path / "a.wav"


def test_a_table_of_a_sound(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(sound)]) == 0
    captured = capsys.readouterr()
    found = dict(line.split(maxsplit=1) for line in captured.out.splitlines() if not line.startswith("made"))
    assert captured.err == ""
    assert (found["sound"], found["seed"]) == ("0.8 s, 24000 Hz, 1 channel", "7")
    assert found["loudness"].endswith(" LUFS")
    assert (found["peak"], found["silence"], found["clipping"]) == ("-6.0 dB", "0%", "none")
    assert found["centroid"] == "1000 Hz"
    assert "STAGE" not in captured.out


def test_a_sound_and_its_tokens_in_json(
    sound: Path, voice: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(sound), "--tokens", str(voice), "-m", str(tiny_model), "--json"]) == 0
    captured = capsys.readouterr()
    record = json.loads(captured.out)
    assert (record["seconds"], record["provenance"]["seed"], record["plot"]) == (0.8, 7, None)
    assert set(record["measured"]) == {
        "seconds",
        "loudness_lufs",
        "peak_db",
        "silence",
        "clipped_samples",
        "centroid_hz",
    }
    assert [stage["stage"] for stage in record["tokens"]] == ["semantic", "coarse", "fine"]
    assert [stage["length"] for stage in record["tokens"]] == [40, 60, 60]
    assert (record["tokens_start"], captured.err) == (0.0, "")


def test_tokens_of_the_last_piece_lie_at_the_end(
    tmp_path: Path, voice: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(tone(1_000, 3.0), tmp_path / "long.flac")
    command = [
        "inspect",
        str(tmp_path / "long.flac"),
        "--tokens",
        str(voice),
        "-m",
        str(tiny_model),
        "--json",
    ]
    assert main(command) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["tokens_start"] == pytest.approx(2.2)
    assert captured.err == "bark: the tokens are of the last 0.8 s: of a text, its last piece is kept\n"
    save(tone(1_000, 0.5), tmp_path / "long.flac", force=True)
    assert main(command) == 2
    assert "give its own tokens" in capsys.readouterr().err


def test_tokens_alone_are_decoded(
    voice: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", str(voice), "-m", str(tiny_model)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "sound     0.8 s, 24000 Hz, decoded from its tokens"
    assert lines[-4].split()[0] == "STAGE"
    assert lines[-1].split()[:4] == ["fine", "8", "x", "60"]
    assert main(["inspect", str(voice), "-m", str(tiny_model), "--tokens", str(voice)]) == 2
    assert "holds tokens itself" in capsys.readouterr().err


def test_a_picture_of_both(
    sound: Path, voice: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed: no matplotlib")
    picture = tmp_path / "out.svg"
    command = ["inspect", str(sound), "--tokens", str(voice), "-m", str(tiny_model), "--plot", str(picture)]
    assert main(command) == 0
    assert capsys.readouterr().err == f"bark: {picture}: drawn\n"
    assert picture.read_text().count('id="axes_') == 5  # waveform, mel and three stages
    assert main(command) == 1
    assert capsys.readouterr().err == f"bark: {picture} exists; use --force to write over it\n"
    assert main(["inspect", str(sound), "--plot", str(picture), "--force"]) == 0
    assert picture.read_text().count('id="axes_') == 2


def test_what_is_drawn_is_on_one_time_axis(
    tmp_path: Path, tiny_config: BarkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="the extra `plot` is not installed: no matplotlib")
    figures = []
    monkeypatch.setattr(
        "bark_cli.inspection.picture.write_picture", lambda figure, *_, **__: figures.append(figure)
    )
    sketch: Sketch = measured(tone(1_000, 3.0)).sketch()
    track = TokenTrack(tokens=tiny_voice(tiny_config, frames=60), config=tiny_config, start_s=2.2)
    draw(sketch, track, tmp_path / "a.png")
    rows = figures[0].axes
    assert {row.get_xlim() for row in rows} == {(0.0, sketch.column_s * len(sketch.low))}
    semantic, coarse, fine = rows[2:]
    times, ids = semantic.lines[0].get_data()
    np.testing.assert_array_equal(ids, track.tokens.semantic)
    assert (times[0], times[-1]) == pytest.approx((2.21, 2.99))
    assert coarse.images[0].get_extent() == pytest.approx([2.2, 3.0, 2.5, 0.5])
    np.testing.assert_array_equal(fine.images[0].get_array(), track.tokens.fine)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none.wav"], "cannot read none.wav: No such file"),
        (["none.npz"], "none.npz"),
        (["a.wav", "--plot", "out.bmp"], "out.bmp is not the name of a picture"),
        (["a.wav", "--tokens", "none.npz"], "none.npz"),
    ],
)
def test_mistakes(
    arguments: list[str],
    line: str,
    sound: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(sound.parent)
    assert main(["inspect", *arguments]) in (1, 2)
    captured = capsys.readouterr()
    assert (captured.out, captured.err.count("\n")) == ("", 1)
    assert line in captured.err


def test_without_matplotlib(
    sound: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bark_cli.system.plots.find_spec", lambda _: None)
    assert main(["inspect", str(sound), "--plot", str(sound.with_name("out.png"))]) == 2
    expected = 'bark: a plot needs matplotlib, of the extra "plot"; run: pip install matplotlib\n'
    assert capsys.readouterr().err == expected
