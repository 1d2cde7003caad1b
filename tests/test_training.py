"""A micro nano goes the whole way that nano goes: made-up speech -> networks -> a folder that speaks."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bark_cli import Bark
from bark_cli.checkpoint import read_checkpoint, write_native
from bark_cli.model.networks import GPT
from training import alignment, coarse, codec, codes, decoder, expected, export, fine, semantic, units
from training.brighten import brightened
from training.excitation import PULSED, Source, codes_of, thrown
from training.factored import token_rows
from training.rows import END, row_of, stacked
from training.run import Run, learnt
from training.settings import HERE, settings
from training.shards import shard_files, write_arrays
from training.starts import plain_attention
from training.vocabulary import PITCHES, PLACES, layout
from training.vocoder import WIDTH
from training.voices import VOICES

WIDTHS = "n_layer = 2\nn_head = 4\nn_embd = 136\n"  # four heads, each just wide enough for a position code
SETTINGS = f"""
[common]
data = "{{folder}}/data"
runs = "{{folder}}/runs"
assets = "{{folder}}/nano"
seed = 0
threads = 1
betas = [0.9, 0.97]
weight_decay = 0.02
clip = 1.0
report_every = 5
save_every = 10
warmup = 3
steps = 30
lr = 3e-3
batch = 4

[codec]
shards = 1

[codec.shape]
n_filters = 4
dimension = 80
spectrum = 16
ratios = [8, 5, 4, 3]
n_codebooks = 5
codebook_size = 640
lstm = 0
last_kernel_size = 7

[expected]
frames = 20
width = 24
dilations = [1, 2]

[decoder]
sketch = 0
crop_s = 0.1
full = 0.5
batch = 2
average = 0.5
weights = {{{{mel = 1.0, lines = 0.5, phase = 0.5, wave = 1.0}}}}

[decoder.adversary]
windows = [256, 512]
filters = 4
lr = 3e-4
every = 2
features = 10.0
weights = {{{{adversary = 0.5}}}}
begin = 15
[semantic]
batch_tokens = 500
frames_per_character = 3.4
optimizer = "muon"
[semantic.forms]
whole = 1
phones = 1
[semantic.shape]
{WIDTHS}
max_text = 64
max_new = 240

[coarse]
strays = 0.5
[coarse.shape]
{WIDTHS}
codebook_size = 640
semantic = 24
history = 24
window = 12

[fine]
strays = 0.5
[fine.shape]
{WIDTHS}
codebook_size = 640
n_codebooks = 5
window = 64

[export]
semantic_temperature = 0.7
coarse_temperature = 0.7
fine_temperature = 0.5
min_eos_p = 1.0
default_voice = "nano/anna"

[toy]
"""
PHONE_OF = dict(zip("aeiouhfklmnpst", "æɛiOuhfklmnpst", strict=True))


def spoken(text: str) -> np.ndarray:
    """Made-up tokens: a letter is a phone of four frames."""
    row = [units.pause("start")] * 3
    for phone in (PHONE_OF[letter] for letter in text if letter != " "):
        pitch = -1 if phone in units.UNVOICED else 3
        row += [units.IDS[units.Unit("phone", phone, half, pitch)] for half in (0, 0, 1, 1)]
    return np.array(row + [units.pause("end")] * 3, np.int16)


def tones(tokens: np.ndarray, voice: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A tone per token, higher from voice to voice, its excitation and its envelopes."""
    hz = np.repeat(80 + 0.5 * tokens + 30 * voice, units.TOKEN_SAMPLES).astype(np.float32)
    phase = np.cumsum(hz, dtype=np.float64) / units.SAMPLE_RATE
    source = Source(phase, hz, np.repeat(tokens % 3 > 0, units.TOKEN_SAMPLES))
    dice = thrown(len(tokens), np.random.default_rng(voice))
    rows = -np.abs(np.arange(WIDTH) - (hz[:: units.TOKEN_SAMPLES, None] / 4)) / 4
    wave = np.rint(8_000 * np.cos(2 * np.pi * phase)).astype(np.int16)
    return wave, codes_of(source, dice), rows.astype(np.float16)


def write_shard(file: Path, texts: list[str], voices: list[int] | None) -> None:
    rows = [spoken(text) for text in texts]
    arrays = {
        "semantic": np.concatenate(rows),
        "lengths": np.array([len(row) for row in rows]),
        "voices": np.array(voices or [-1] * len(texts), np.int8),
        "texts": np.frombuffer(json.dumps(texts).encode(), np.uint8),
    }
    if voices:
        heard = [tones(row, v) for row, v in zip(rows, voices, strict=True)]
        arrays["audio"] = np.concatenate([wave for wave, _, _ in heard])
        arrays["excitation"] = np.concatenate([excitation for _, excitation, _ in heard], axis=1)
        arrays["envelopes"] = np.concatenate([envelopes for _, _, envelopes in heard])
    write_arrays(file, **arrays)


def write_data(folder: Path) -> None:
    """Pairs and audio as training.prepare writes them; every voice says one text of four seconds."""
    folder.mkdir()
    random = np.random.default_rng(0)

    def text(words: int) -> str:
        return " ".join("".join(random.choice(list(PHONE_OF), 5)) for _ in range(words))

    long = [text(10) for _ in VOICES]
    write_shard(folder / "pairs-00000.npz", [text(int(n)) for n in random.integers(2, 6, 60)] + long, None)
    write_shard(folder / "audio-00000.npz", long, list(range(len(VOICES))))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which a micro nano was made: data, runs and nano."""
    folder, threads = tmp_path_factory.mktemp("training"), torch.get_num_threads()
    (folder / "settings.toml").write_text(SETTINGS.format(folder=folder.as_posix()), encoding="utf-8")
    data = folder / "data"
    write_data(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BARK_TRAINING_SETTINGS", str(folder / "settings.toml"))
        patch.setattr(Run, "draw", lambda _: None)  # matplotlib is slow to start
        patch.setattr(sys, "argv", ["export", "--storage", "fp16"])
        alignment.learn_from(data, 1, data / "alignment.npz")
        saved = np.load(data / "alignment.npz")
        for file in (*shard_files(data, "pairs", ""), *shard_files(data, "audio", "")):
            alignment.align_shard(file, saved["emissions"], saved["names"].tolist())
        for step in (codec, codes, expected, decoder, semantic, coarse, fine, export):
            step.main()
    torch.set_num_threads(threads)
    return folder


@pytest.fixture
def configured(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BARK_TRAINING_SETTINGS", str(work / "settings.toml"))
    return work


@pytest.mark.parametrize(
    ("step", "loss"),
    [
        ("expected", "loss"),
        ("decoder", "mel"),
        ("semantic", "unit"),
        ("semantic", "place"),
        ("coarse", "first"),
        ("fine", "loss"),
    ],
)
def test_each_loss_falls(work, step, loss):
    rows = [json.loads(line) for line in (work / "runs" / step / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [5, 10, 15, 20, 25, 30]
    assert rows[-1][loss] < rows[0][loss] - 0.02
    assert all(np.isfinite(value) for row in rows for value in row.values())


def test_the_adversary_comes_in_where_it_begins(work):
    rows = [json.loads(line) for line in (work / "runs/decoder/log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "told" in row] == [20, 25, 30]


def test_letters_spoken_one_by_one_are_aligned_one_by_one(work):
    data = work / "data"
    lengths = np.load(data / "pairs-00000.npz")["lengths"]
    factors = np.split(np.load(data / "aligned-pairs-00000.npz")["factors"], np.cumsum(lengths)[:-1])
    places = [rows[3:-3:4, 3] for rows in factors]  # four frames to a letter, between the pauses
    right = np.concatenate([row == np.arange(len(row)) % PLACES for row in places])
    assert right.mean() > 0.9


def test_codes_are_as_long_as_the_tokens_beside_them(work):
    for kind in ("codes", "expected"):
        utterances = codes.load_utterances(work / "data", kind)
        assert [u.voice for u in utterances] == list(range(len(VOICES)))
        for u in utterances:
            assert u.codes.shape == (5, len(u.factors))
            assert 0 <= u.codes.min() <= u.codes.max() < 640
        file = np.load(work / "data" / f"{kind}-00000.npz")
        assert (np.concatenate([u.codes for u in utterances], axis=1) == file["codes"]).all()


def test_codes_hold_excitation_and_envelopes(configured):
    shard, trained = np.load(configured / "data" / "audio-00000.npz"), codec.first_codec()
    kinds = units.kinds_of(shard["semantic"])
    made = trained.codes(shard["envelopes"], shard["excitation"], kinds).astype(int)
    assert (trained.kinds[made[0]].numpy() == kinds).all()
    told, pulses = shard["excitation"], shard["excitation"][:2] < PULSED
    assert (made[1:3][pulses] == told[:2][pulses]).all()
    assert len(set(made[1:3][~pulses].tolist())) > 50  # where there are none, more of the envelopes
    assert made[1:3][~pulses].min() >= PULSED
    assert (made[-1] == told[2]).all()
    wanted = (torch.from_numpy(shard["envelopes"]).float() - trained.mean) @ trained.basis
    apart, left = [], wanted
    for book, row in zip(trained.books, torch.from_numpy(made), strict=False):
        left = left - book[row]
        apart.append((left.square().mean() / wanted.square().mean()).item())
    assert apart == sorted(apart, reverse=True)
    assert apart[-1] < 0.2


def test_entries_are_shared_out_by_how_much_each_kind_scatters():
    points, kinds = torch.randn(300, 4), torch.arange(300) % 3 + 5
    points[kinds == 6] *= 4
    counts = codec.shared_out(points, kinds, 100)
    assert counts.sum() == 100
    assert (counts > 0).nonzero()[:, 0].tolist() == [5, 6, 7]
    assert counts[6] > 2 * counts[5] >= 2 * codec.FEW


def test_the_encoder_in_the_repository_is_of_this_recipe():
    arrays = load_file(HERE / "encoder.safetensors")
    codec.TrainableCodec(settings("codec")["shape"]).measure_as(arrays)
    with pytest.raises(ValueError, match="has no kinds: take the recipe of its time"):
        codec.TrainableCodec(settings("codec")["shape"]).measure_as(
            {name: t for name, t in arrays.items() if name != "kinds"}
        )


def test_expected_codes_follow_from_the_first_two(configured):
    data, trained = configured / "data", codec.load_codec()
    told, made = (np.load(data / f"{kind}-00000.npz")["codes"].astype(int) for kind in ("codes", "expected"))
    pulses = told[1:3] < PULSED
    assert (made[[0, 1, -1]] == told[[0, 1, -1]]).all()
    assert (made[2][pulses[1]] == told[2][pulses[1]]).all()
    network = expected.Expectation(trained.books, 24, [1, 2])
    network.load_state_dict(learnt(configured / "runs" / "expected" / "last.pt"))
    with torch.no_grad():
        coordinates = network(torch.from_numpy(told[:2])[:, None])[0]
    apart, left = [], coordinates
    for book, row in zip(trained.books, torch.from_numpy(made), strict=False):
        left = left - book[row]
        apart.append((left.square().mean() / coordinates.square().mean()).item())
    assert apart[1:] == sorted(apart[1:], reverse=True)
    assert apart[-1] < apart[1]


def test_codes_that_tell_all_are_nearer_to_the_sound_than_those_expected(configured):
    data, trained = configured / "data", codec.load_codec()
    shard, made = np.load(data / "audio-00000.npz"), np.load(data / "expected-00000.npz")
    kinds, wanted = units.kinds_of(shard["semantic"]), trained.coordinates(shard["envelopes"])
    assert (made["full"] == trained.codes(shard["envelopes"], shard["excitation"], kinds)).all()
    assert (made["full"][[0, 1, -1]] == made["codes"][[0, 1, -1]]).all()
    expected_apart, full_apart = (
        (wanted - sum(book[row] for book, row in zip(trained.books, rows, strict=False))).square().mean()
        for rows in (torch.from_numpy(made[kind].astype(int)) for kind in ("codes", "full"))
    )
    assert full_apart < 0.5 * expected_apart


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_crops_has_codes_that_tell_all(work, share):
    crops = decoder.CodeCrops(work / "data", 0.1, 40, 0, share)
    made = np.load(work / "data" / "expected-00000.npz")
    audio = np.load(work / "data" / "audio-00000.npz")["audio"]
    taken, waves = crops()
    only = {"full": 0, "codes": 0}
    for crop, wave in zip(taken.numpy().swapaxes(0, 1), waves.numpy(), strict=True):
        places = {kind: place_of(crop, made[kind]) for kind in only}
        found = [kind for kind, place in places.items() if place is not None]
        if len(found) == 1:  # now and then both say the same
            only[found[0]] += 1
        at = places[found[0]]
        assert (np.rint(wave * 32768) == audio[480 * at :][: len(wave)]).all()
    assert (only["full"] > 5, only["codes"] > 5) == (share > 0, share < 1)
    assert share == 0.5 or 0 in only.values()


def place_of(crop: np.ndarray, codes_: np.ndarray) -> int | None:
    """The frame at which a crop begins in codes (codebooks, F)."""
    stretches = np.lib.stride_tricks.sliding_window_view(codes_, crop.shape[1], axis=1)
    places = np.flatnonzero((stretches == crop[:, None]).all(axis=(0, 2)))
    return int(places[0]) if len(places) else None


def test_a_finished_encoder_measures_the_same_codes(configured, tmp_path, monkeypatch):
    file, books = tmp_path / "encoder.safetensors", codec.load_codec().books
    expected.save_encoder(expected.load_encoder(), file)
    shutil.copytree(
        configured / "data", tmp_path / "data", ignore=lambda *_: ["codes-00000.npz", "expected-00000.npz"]
    )
    text = SETTINGS.format(folder=tmp_path.as_posix())
    for table in ("[codec]", "[expected]"):
        text = text.replace(f"{table}\n", f'{table}\nstart = "{file.as_posix()}"\n')
    (tmp_path / "settings.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("BARK_TRAINING_SETTINGS", str(tmp_path / "settings.toml"))
    for step in (codec, codes, expected):
        step.main()
    # in half precision, so of two entries as near it may be the other
    old, new = (
        sum(book[row] for book, row in zip(books, np.load(file)["codes"].astype(int), strict=False))
        for file in (folder / "data" / "expected-00000.npz" for folder in (configured, tmp_path))
    )
    assert (old - new).square().mean() < 1e-3 * old.square().mean()
    assert (old - old.roll(1, 0)).square().mean() > 0.1 * old.square().mean()
    assert codec.same_codes(codec.END) == slice(None)
    config = fine.fine_config(settings("fine")["shape"])
    begun, finished = fine.TrainableFine(config), read_checkpoint(configured / "nano").part("fine")
    begun.begin_with(finished)
    assert all(torch.equal(begun.wtes[i].weight, finished[f"wtes.{i}.weight"].float()) for i in range(4))
    half = text.replace(f'start = "{file.as_posix()}"', "", 1)
    (tmp_path / "settings.toml").write_text(half, encoding="utf-8")
    with pytest.raises(ValueError, match=r"only one of \[codec\] and \[expected\]"):
        codec.same_codes(codec.END)


def test_the_exported_folder_speaks(work):
    bark = Bark.load(work / "nano")
    said = bark.say("hello", seed=1)
    assert said.voice == "nano/anna"
    assert len(said.audio.samples) == 480 * said.tokens.fine.shape[1] > 0
    assert np.isfinite(said.audio.samples).all()
    assert said.tokens.semantic.max() < layout().size
    dice = said.tokens.fine[-1].tolist()
    assert len(set(dice)) > 0.8 * len(dice)  # of 640
    assert len(list((work / "nano" / "voices").glob("*.npz"))) == len(VOICES)


def test_what_has_no_run_is_a_finished_models(work, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    shutil.copytree(work / "runs" / "semantic", tmp_path / "runs" / "semantic")
    altered = torch.load(tmp_path / "runs" / "semantic" / "last.pt", weights_only=True)
    altered["model"]["ln_f.weight"] += 1
    torch.save(altered, tmp_path / "runs" / "semantic" / "last.pt")
    (tmp_path / "settings.toml").write_text(SETTINGS.format(folder=tmp_path.as_posix()), encoding="utf-8")
    monkeypatch.setenv("BARK_TRAINING_SETTINGS", str(tmp_path / "settings.toml"))
    export.write_model(tmp_path / "new", "fp16", work / "nano")
    old, new = read_checkpoint(work / "nano").tensors, read_checkpoint(tmp_path / "new").tensors
    assert old.keys() == new.keys()
    assert [name for name in old if not torch.equal(old[name], new[name])] == ["semantic.ln_f.weight"]
    write_native(brightened(read_checkpoint(work / "nano"), np.ones(3)), tmp_path / "nano", storage="fp16")
    export.write_model(tmp_path / "longer", "fp16", tmp_path / "nano")
    assert read_checkpoint(tmp_path / "longer").config.codec.last_kernel_size == 9
    with pytest.raises(FileNotFoundError, match="coarse"):
        export.write_model(tmp_path / "newer", "fp16", None)
    shutil.copytree(work / "runs" / "coarse", tmp_path / "runs" / "coarse")
    with pytest.raises(ValueError, match="codes of fine and decoder"):
        export.write_model(tmp_path / "newer", "fp16", work / "nano")
    shutil.copytree(work / "runs" / "fine", tmp_path / "runs" / "fine")
    shutil.copytree(work / "runs" / "expected", tmp_path / "runs" / "expected")
    with pytest.raises(FileNotFoundError, match=r"training\.decoder"):  # the codec has not learnt to speak
        export.write_model(tmp_path / "newer", "fp16", None)


def test_a_voice_is_the_utterance_that_settings_or_auditions_number(tmp_path, monkeypatch):
    def lasting(seconds, place, code, voice=0):
        frames = int(50 * seconds)
        factors = np.tile(np.array([[0, PITCHES, 0, place]], np.int16), (frames, 1))
        made = np.full((8, frames), code, np.int16)
        return codes.Utterance(voice, np.zeros(3, np.int16), factors, made)

    said = [
        lasting(3.9, 0, 1),
        lasting(4.5, PLACES, 2),
        lasting(4.1, 0, 3),
        lasting(5.9, 0, 4),
        lasting(6.1, 0, 5),
    ]
    assert [u.codes[0, 0] for u in export.fitting(said, 0, 4.0)] == [3, 4]
    monkeypatch.setattr(export, "load_utterances", lambda _: said)
    monkeypatch.setattr(export, "VOICES", VOICES[:1])
    options = {"data": tmp_path, "runs": tmp_path, "histories": {"anna": 1}}
    monkeypatch.setattr(export, "settings", lambda _: options)
    export.write_voices(tmp_path)
    with np.load(tmp_path / "anna.npz") as voice:
        assert set(voice["fine_prompt"].ravel().tolist()) == {4}
    (tmp_path / "histories.json").write_text('{"anna": 0}', encoding="utf-8")
    export.write_voices(tmp_path)
    with np.load(tmp_path / "anna.npz") as voice:
        assert set(voice["fine_prompt"].ravel().tolist()) == {4}, "the settings come first"
    del options["histories"]
    export.write_voices(tmp_path)
    with np.load(tmp_path / "anna.npz") as voice:
        assert set(voice["fine_prompt"].ravel().tolist()) == {3}, "as training.auditions found"
    options["histories"] = {"anna": 2}
    with pytest.raises(ValueError, match="has 2 utterances 4-6 s long, and none numbered 2"):
        export.write_voices(tmp_path)


def test_the_exported_codec_sounds_as_the_trained_one(configured):
    trained = codec.load_codec()
    made = torch.randint(640, (5, 9))
    with torch.inference_mode():
        [wanted] = trained(made[:, None])
    bark = Bark.load(configured / "nano")
    spoken = torch.from_numpy(bark.model.backend.decode_audio(made.numpy()))
    torch.testing.assert_close(spoken, wanted, atol=2e-3, rtol=0)


@torch.no_grad()
def shaken(network: torch.nn.Module) -> torch.nn.Module:
    """Weights far enough from their start that every table matters."""
    for parameter in network.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    return network.eval()


def test_the_exported_semantic_tables_give_the_factored_logits(configured):
    torch.manual_seed(0)
    factored = shaken(semantic.FactoredSemantic(settings("semantic")["shape"], 3.4))
    config, tokens, random = factored.config, torch.randint(layout().size, (2, 30)), np.random.default_rng(0)
    plain = GPT(config.gpt)
    plain.load_state_dict(factored.exported())
    text = torch.full((2, config.max_text_tokens + 1), config.text_pad_token)
    text[:, :20] = torch.randint(config.text_offset, config.gpt.input_vocab_size, (2, 20))
    text[:, -1] = config.infer_token
    said = [layout().rows[row].astype(np.int64) for row in tokens.numpy()]
    read = (text[:, :20] - config.text_offset).numpy()
    batch = stacked([row_of(*each, config, "whole", random) for each in zip(read, said, strict=True)])
    with torch.no_grad():
        parts = factored(batch)
        logits = plain.lm_head(plain.hidden(torch.cat([text, tokens], dim=1)))[:, config.max_text_tokens :]
    every = torch.cat([token_rows(), END[None]])  # the end of speech comes after the tokens
    joint = sum(part[..., every[:, i]] for i, part in enumerate(parts))
    torch.testing.assert_close(logits.flatten(0, 1), joint, atol=1e-4, rtol=1e-4)


def test_semantic_begins_again_with_what_it_exported(configured):
    torch.manual_seed(0)
    shape = settings("semantic")["shape"]
    factored, again = shaken(semantic.FactoredSemantic(shape, 3.4)), semantic.FactoredSemantic(shape, 3.4)
    wanted = factored.exported()
    again.begin_with(wanted)
    made = again.exported()
    assert made.keys() == wanted.keys()
    for name, tensor in wanted.items():
        torch.testing.assert_close(made[name], tensor, atol=1e-5, rtol=1e-4)


def test_the_exported_coarse_tables_give_the_factored_logits(configured):
    torch.manual_seed(0)
    factored = shaken(coarse.FactoredCoarse(settings("coarse")["shape"]))
    config, rows = factored.config, torch.from_numpy(layout().rows.astype(np.int64))
    plain = GPT(config.gpt)
    plain.load_state_dict(factored.exported())
    tokens, size = torch.randint(layout().size, (2, 20)), config.codebook_size
    heard = torch.tensor([coarse.PADDING, PITCHES, 0]).repeat(2, config.max_semantic_tokens + 1, 1)
    heard[:, :20], heard[:, -1, 0] = rows[tokens][..., :3], coarse.BEGIN
    flat = torch.randint(size, (2, 36)) + torch.tensor([0, size]).repeat(18)
    prompt = torch.full((2, config.max_semantic_tokens + 1), config.semantic_pad_token)
    prompt[:, :20], prompt[:, -1] = tokens, config.infer_token
    with torch.no_grad():
        first, second = factored(heard, flat)
        ids = torch.cat([prompt, flat[:, :-1] + config.semantic_vocab_size], dim=1)
        logits = plain.lm_head(plain.hidden(ids))[:, config.max_semantic_tokens :]
    begin = config.semantic_vocab_size
    torch.testing.assert_close(logits[:, ::2, begin : begin + size], first, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(logits[:, 1::2, begin + size :], second, atol=1e-4, rtol=1e-4)


def test_coarse_and_fine_begin_with_a_finished_one_but_for_the_envelopes_codes(configured):
    torch.manual_seed(0)
    shapes = [settings(step)["shape"] for step in ("coarse", "fine")]
    old, new = (shaken(coarse.FactoredCoarse(shapes[0])) for _ in range(2))
    wanted, before = old.exported(), new.exported()
    new.begin_with(wanted)
    made, first = new.exported(), layout().size
    envelopes = torch.ones(len(made["wte.weight"]), dtype=torch.bool)
    envelopes[:first], envelopes[-2:] = False, False
    envelopes[first + 640 : first + 640 + PULSED] = False
    for name in ("wte.weight", "lm_head.weight"):
        here = envelopes[: len(made[name])]
        torch.testing.assert_close(made[name][~here], wanted[name][~here], atol=1e-5, rtol=1e-4)
        assert torch.equal(made[name][here], before[name][here])
    assert all(torch.equal(made[name], wanted[name]) for name in new.body())

    config = fine.fine_config(shapes[1])
    old, new = (shaken(fine.TrainableFine(config)) for _ in range(2))
    wanted, before = old.state_dict(), {name: t.clone() for name, t in new.state_dict().items()}
    new.begin_with(wanted)
    for name, tensor in new.state_dict().items():
        if not name.startswith(("wtes.", "lm_heads.")):
            assert torch.equal(tensor, wanted[name])
    for codebook, table in enumerate(new.wtes[:-1]):  # the last are dice
        taken = {codec.END: PULSED, codec.MIDDLE: PULSED}.get(codebook, 0)
        name = f"wtes.{codebook}.weight"
        assert torch.equal(table.weight[:taken], wanted[name][:taken])
        assert torch.equal(table.weight[taken:-1], before[name][taken:-1])
        assert torch.equal(table.weight[-1], wanted[name][-1])


def test_the_decoder_begins_with_a_finished_one(configured):
    torch.manual_seed(0)
    shape = settings("codec")["shape"]
    old, new = codec.load_codec(), codec.TrainableCodec(shape)
    new.begin_with(read_checkpoint(configured / "nano").part("codec"))
    codes = torch.randint(PULSED, (shape["n_codebooks"], 2, 9))
    with torch.no_grad():
        new.tables[[0, 3]] = old.tables[[0, 3]]
        torch.testing.assert_close(new(codes), old(codes), atol=2e-3, rtol=0)


@pytest.mark.parametrize("causal", [True, False])
def test_attention_written_out_is_the_fused_one(causal):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 10, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    with plain_attention(torch.device("cpu")):
        written = torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
    assert torch.nn.functional.scaled_dot_product_attention is attend
    torch.testing.assert_close(written, attend(q, k, v, is_causal=causal))


def train_toy(runs: Path, stop_at: int | None = None) -> tuple[Run, torch.nn.Linear]:
    """Fit a line; with `stop_at`, be interrupted at that step."""
    run = Run("toy")
    run.folder = runs
    runs.mkdir(exist_ok=True)
    network = torch.nn.Linear(3, 1)
    run.take_up(network)

    def losses_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        if step == stop_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        loss = (network(x) - x.sum(1, keepdim=True)).square().mean()
        return loss, {"loss": loss.item()}

    run.train(losses_of)
    return run, network


def test_an_interrupted_run_goes_on_at_its_last_save(configured, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Run, "draw", lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        train_toy(tmp_path / "interrupted", stop_at=17)
    run, network = train_toy(tmp_path / "interrupted")
    assert "toy: resuming at step 10" in capsys.readouterr().out
    assert (run.start, run.seed) == (10, 10)
    assert [row["step"] for row in run.rows()] == [5, 10, 15, 20, 25, 30]
    _, straight = train_toy(tmp_path / "straight")
    torch.testing.assert_close(network.weight, straight.weight, rtol=0, atol=0)
    assert not list(run.folder.glob("*.part"))


def test_the_curve_is_drawn(configured, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `train` is not installed: no matplotlib")
    run, _ = train_toy(tmp_path / "drawn")
    assert (run.folder / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_step_without_its_data_names_the_step_before(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no expected-\*\.npz: run python -m training\.expected"):
        codes.load_utterances(tmp_path)
