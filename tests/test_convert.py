"""`bark convert`: every layout into every other and back to the bit; what does not fit is told before."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import make_tiny_config, tiny_tensors, write_tiny_tokenizer, write_voice
from small_models import write_layout

from bark_cli.checkpoint import Checkpoint, layouts_for, misfit, read_checkpoint, write_native
from bark_cli.checkpoint import convert as room
from bark_cli.checkpoint.convertible import ConvertRequest
from bark_cli.cli import main
from bark_cli.errors import OptionError, OutputError
from bark_cli.model.codec import import_seanet
from bark_cli.model.config import BarkConfig
from bark_cli.model.options import SamplingOptions, StageSampling
from bark_cli.store import nano_folder, resolve_model
from bark_cli.voices.catalogue import find_voice, model_voices

LAYOUTS = ("native", "transformers", "suno")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One narrow Bark of Suno's vocabulary in each layout."""
    home = tmp_path_factory.mktemp("sources")
    written = {"native": "native", "transformers": "sharded_bin", "suno": "suno"}
    return {layout: write_layout(name, home / layout) for layout, name in written.items()}


def converted(source: Path, out: Path, layout: Any, **more: Any) -> Path:
    order = ConvertRequest(model=resolve_model(source), out=out, layout=layout, **more)
    room.convert(order, lambda _: None)
    return out


def differing(first: Checkpoint, second: Checkpoint) -> list[str]:
    names = first.tensors.keys() | second.tensors.keys()
    same = first.tensors.keys() & second.tensors.keys()
    return [n for n in names if n not in same or not torch.equal(first.float32(n), second.float32(n))]


@pytest.mark.parametrize("source", LAYOUTS)
@pytest.mark.parametrize("target", LAYOUTS)
def test_there_and_back_is_equal_to_the_bit(
    sources: dict[str, Path], source: str, target: str, tmp_path: Path
) -> None:
    original = read_checkpoint(sources[source])
    there = converted(sources[source], tmp_path / "there", target)
    back = converted(there, tmp_path / "back", source)
    assert read_checkpoint(there).layout == target
    for folder in (there, back):
        found = read_checkpoint(folder)
        assert found.config == original.config
        assert not differing(found, original)


def test_the_bundled_model_comes_back_from_transformers(tmp_path: Path) -> None:
    original = read_checkpoint(nano_folder())
    there = read_checkpoint(converted(nano_folder(), tmp_path / "a", "transformers"))
    assert there.config == original.config
    # its semantic stage has no history, so nothing ever reads the row that Transformers would add to the text
    assert original.config.semantic.max_history_tokens == 0
    assert differing(there, original) == ["semantic.wte.weight"]
    found, wanted = there.float32("semantic.wte.weight"), original.float32("semantic.wte.weight").clone()
    wanted[original.config.semantic.pad_token] = 0
    assert torch.equal(found, wanted)


def test_int8_comes_back_from_int8(tmp_path: Path) -> None:
    original = read_checkpoint(nano_folder())
    kept = read_checkpoint(converted(nano_folder(), tmp_path / "kept", "native"))
    assert kept.config == original.config
    assert kept.scales.keys() == original.scales.keys()
    assert all(torch.equal(kept.tensors[name], original.tensors[name]) for name in original.tensors)
    assert (tmp_path / "kept" / "LICENSE").read_bytes() == (nano_folder() / "LICENSE").read_bytes()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_fp16_halves_the_weights(sources: dict[str, Path], layout: str, tmp_path: Path) -> None:
    original = read_checkpoint(sources["native"])
    half = read_checkpoint(converted(sources["native"], tmp_path / "half", layout, storage="fp16"))
    for name in original.tensors:
        torch.testing.assert_close(half.float32(name), original.float32(name), rtol=2e-3, atol=1e-4)
    stages = [tensor for name, tensor in half.tensors.items() if not name.startswith("codec.")]
    assert {tensor.dtype for tensor in stages} == {torch.float16}
    # what is stored in halves stays so
    again = read_checkpoint(converted(tmp_path / "half", tmp_path / "again", layout))
    assert again.tensors["semantic.wte.weight"].dtype == torch.float16


def test_suno_files_are_what_its_own_code_asks_for(sources: dict[str, Path], tmp_path: Path) -> None:
    folder = converted(sources["native"], tmp_path / "suno", "suno")
    for stage, published in (("text", "text"), ("coarse", "coarse"), ("fine", "fine")):
        held = torch.load(folder / f"{stage}_2.pt", weights_only=True)
        theirs = torch.load(sources["suno"] / f"{published}_2.pt", weights_only=False)
        assert held["model"].keys() == theirs["model"].keys()
        assert held["model_args"] == theirs["model_args"]
        assert held["best_val_loss"].item() != 0  # it asks for a number; nan says that nobody measured it
    import_seanet()
    from encodec.model import EncodecModel

    state = torch.load(folder / "encodec_24khz-d7cc33bc.th", weights_only=True)
    with pytest.warns(FutureWarning, match="weight_norm"):
        EncodecModel.encodec_model_24khz(pretrained=False).load_state_dict(state, strict=True)


def test_a_small_model_gets_the_small_names(tmp_path: Path) -> None:
    from bark_cli.checkpoint.to_suno import _size
    from bark_cli.model.published import published_config

    config = published_config()
    assert _size(config) == "large"
    narrow = replace(config.semantic, gpt=replace(config.semantic.gpt, n_embd=768))
    assert _size(replace(config, semantic=narrow)) == "small"


def make_native(folder: Path, config: BarkConfig) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    made = Checkpoint(
        config=config,
        tensors=tiny_tensors(config),
        tokenizer_file=write_tiny_tokenizer(folder / "tokenizer.json"),
        layout="native",
        folder=folder,
    )
    write_native(made, folder)
    return folder


def test_numbers_that_transformers_cannot_say_come_back(tmp_path: Path) -> None:
    config = replace(
        make_tiny_config(),
        default_voice="tiny/ann",
        sampling=SamplingOptions(
            semantic=StageSampling(temperature=0.0),
            coarse=StageSampling(temperature=1.0, top_k=7, top_p=1.0),
            fine=StageSampling(temperature=1.0, top_k=3),
            min_eos_p=0.0,
            max_duration_s=3.0,
        ),
    )
    config = replace(config, codec=replace(config.codec, lstm=0, n_residual_layers=2))
    source = make_native(tmp_path / "native", config)
    there = converted(source, tmp_path / "there", "transformers")
    assert read_checkpoint(there).config == config
    assert not differing(read_checkpoint(there), read_checkpoint(source))
    fine = json.loads((there / "generation_config.json").read_text())["fine_acoustics_config"]
    assert 0.999 < fine["temperature"] < 1.0  # 1 is how Transformers says argmax


def test_what_ours_says_in_config_json_is_checked(tmp_path: Path, refused: Callable[..., str]) -> None:
    source = make_native(tmp_path / "native", make_tiny_config())
    there = converted(source, tmp_path / "there", "transformers")
    values = json.loads((there / "config.json").read_text())
    for own, reason in (
        ({"codec": {"lstm": 0}}, "LSTM is to be left out, and is not all zeros"),
        (
            {part: {"codebook_size": 24} for part in ("coarse", "fine", "codec")},
            "codebooks are to have 24 entries, and go on after them",
        ),
        ({"semantic": {"vocab_size": 10**9}}, "vocab_size"),
        ({"semantic": 3}, "not a bark_cli model"),
        ({"nobody": 3}, "nobody"),
        (3, "bark_cli is 3"),
    ):
        (there / "config.json").write_text(json.dumps(values | {"bark_cli": own}))
        assert reason in refused(there)


@pytest.fixture
def refused() -> Callable[..., str]:
    from bark_cli.errors import ModelError

    def error(folder: Path) -> str:
        with pytest.raises(ModelError) as caught:
            read_checkpoint(folder)
        return str(caught.value)

    return error


def test_voices_go_along(tiny_model: Path, tiny_config: BarkConfig, tmp_path: Path) -> None:
    voice = find_voice("tiny/ann", model_folder=tiny_model, config=tiny_config)
    shutil.copytree(tiny_model, tmp_path / "tiny")
    (tmp_path / "tiny" / "voices" / "broken.npz").write_text("no")
    order = ConvertRequest(model=resolve_model(tmp_path / "tiny"), out=tmp_path / "a", layout="transformers")
    done = room.convert(order, lambda _: None)
    assert done.n_voices == 1
    assert any("tiny/broken was left out" in line for line in done.left_out)
    back = converted(tmp_path / "a", tmp_path / "b", "native")
    for folder in (tmp_path / "a", back):
        assert [info.name for info in model_voices(folder)] == ["tiny/ann"]
        found = find_voice("tiny/ann", model_folder=folder, config=tiny_config).tokens
        for one, other in zip(vars(found).values(), vars(voice.tokens).values(), strict=True):
            assert (one == other).all()


def test_suno_voices_keep_their_names(sources: dict[str, Path], tmp_path: Path) -> None:
    from conftest import tiny_voice

    config = read_checkpoint(sources["native"]).config
    shutil.copytree(sources["native"], tmp_path / "one")
    write_voice(tmp_path / "one/assets/prompts/v2/xx_speaker_0.npz", tiny_voice(config))
    folder = tmp_path / "one"
    for layout in ("suno", "transformers", "native"):
        folder = converted(folder, tmp_path / layout, layout)
        assert [info.name for info in model_voices(folder)] == ["v2/xx_speaker_0"]


RULES: list[tuple[str, Callable[[BarkConfig], BarkConfig], str]] = [
    ("history", lambda c: replace(c, semantic=replace(c.semantic, max_history_tokens=5)), "history has 5"),
    ("books", lambda c: replace(c, coarse=replace(c.coarse, n_codebooks=3)), "makes 3 codebooks"),
    ("hop", lambda c: replace(c, fine=replace(c.fine, hop_frames=16)), "a hop's 16"),
    (
        "given",
        lambda c: replace(c, fine=replace(c.fine, gpt=replace(c.fine.gpt, n_codes_given=2))),
        "given 2 codebooks",
    ),
    (
        "norms",
        lambda c: replace(c, coarse=replace(c.coarse, gpt=replace(c.coarse.gpt, norm_bias=True))),
        "coarse norms",
    ),
    (
        "fine norms",
        lambda c: replace(c, fine=replace(c.fine, gpt=replace(c.fine.gpt, norm_bias=False))),
        "fine norms",
    ),
    (
        "heads",
        lambda c: replace(c, fine=replace(c.fine, gpt=replace(c.fine.gpt, output_vocab_size=35))),
        "fine heads",
    ),
]


@pytest.mark.parametrize(("change", "reason"), [rule[1:] for rule in RULES], ids=[rule[0] for rule in RULES])
def test_what_transformers_would_compute_otherwise_does_not_fit(
    change: Callable[[BarkConfig], BarkConfig], reason: str
) -> None:
    config = make_tiny_config()
    assert layouts_for(config) == ["native", "transformers", "openvino"]
    assert reason in (misfit(change(config), "transformers") or "")
    assert layouts_for(change(config)) == ["native", "openvino"]


@pytest.mark.parametrize("layout", ["suno", "gguf"])
def test_a_long_last_convolution_does_not_fit_where_nothing_tells_of_it(
    layout: Any, sources: dict[str, Path]
) -> None:
    config = read_checkpoint(sources["suno"]).config
    assert layout in layouts_for(config)
    longer = replace(config, codec=replace(config.codec, last_kernel_size=19))
    assert misfit(longer, layout) == "its codec last_kernel_size is 19, where the layout has 7"
    assert layouts_for(longer) == ["native", "transformers", "openvino"]


def test_another_vocabulary_does_not_fit_sunos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["convert", "nano", str(out), "--to", "suno"]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    line = printed.err.splitlines()[-1]
    assert "does not fit Suno's layout: its semantic vocab_size is" in line
    assert "the layout has 10000" in line
    assert line.endswith("use --to native or --to transformers or --to openvino")
    assert not list(tmp_path.iterdir())


def test_int8_is_ours_alone(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--to", "transformers", "--storage", "int8"]
    assert main(["convert", str(tiny_model), str(tmp_path / "out"), *options]) == 2
    assert "Transformers' layout has no int8" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_it_did(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["convert", str(tiny_model), str(tmp_path / "out"), "--to", "transformers"]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "holds tiny in transformers layout (fp32," in printed.out
    assert "1 voice)" in printed.out
    assert "bark: reading tiny\nbark: writing about " in printed.err
    assert "encoder, which Bark does not use" in printed.err
    assert main(command) == 1  # never over what is there
    assert "use --force to replace it" in capsys.readouterr().err
    assert main([*command, "--force", "--json", "-q"]) == 0
    printed = capsys.readouterr()
    assert not printed.err
    found = json.loads(printed.out)
    assert (found["model"], found["layout"], found["source_layout"]) == ("tiny", "transformers", "native")
    assert (found["storage"], found["voices"]) == ("fp32", 1)
    size = sum(file.stat().st_size for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert found["bytes"] == size
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_force_replaces_conversions_only(tiny_model: Path, tmp_path: Path) -> None:
    out = converted(tiny_model, tmp_path / "out", "native")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds notes\.txt, which no conversion wrote"):
        converted(tiny_model, out, "native", force=True)
    assert (out / "notes.txt").read_text() == "mine"
    (out / "notes.txt").unlink()
    converted(tiny_model, out, "transformers", force=True)
    assert read_checkpoint(out).layout == "transformers"


def test_the_model_itself_is_not_written_over(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "models" / "tiny")
    source = tmp_path / "models" / "tiny"
    for out in (source, source.parent):
        with pytest.raises(OptionError, match="holds the model itself"):
            converted(source, out, "native", force=True)


def test_what_is_put_into_the_old_folder_meanwhile_is_kept(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    converted(tiny_model, out, "native")

    def noted(*arguments: Any) -> tuple[int, list[str]]:
        (out / "notes.txt").write_text("mine")
        return 0, []

    monkeypatch.setattr("bark_cli.checkpoint.convert.put_voices", noted)
    with pytest.raises(OutputError, match=r"notes\.txt"):
        converted(tiny_model, out, "transformers", force=True)
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_what_breaks_off_leaves_what_was_there(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, force: bool
) -> None:
    out = tmp_path / "out"
    if force:
        converted(tiny_model, out, "native")

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("bark_cli.checkpoint.to_transformers.save_file", fail)
    with pytest.raises((KeyboardInterrupt, OutputError)) as caught:
        converted(tiny_model, out, "transformers", force=force)
    if isinstance(error, OSError):
        assert str(caught.value).startswith(f"cannot write {out}: No space left")
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if force else [])
    if force:
        assert read_checkpoint(out).layout == "native"


def test_the_old_one_comes_back_where_the_new_one_cannot_take_its_place(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = converted(tiny_model, tmp_path / "out", "native")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.suffix == ".part":
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="Permission denied"):
        converted(tiny_model, out, "transformers", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert read_checkpoint(out).layout == "native"


def test_a_full_disk_is_told_before_anything_is_written(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(OutputError, match=r"needs .* of disk and 1.00 kB are free in .* missing"):
        converted(tiny_model, tmp_path / "out", "native")
    assert not list(tmp_path.iterdir())


def test_sunos_files_are_told_of_a_disk_that_refuses(sources: dict[str, Path], tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits of a process are POSIX")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"^cannot write .*out: File too large; choose another place$"):
            converted(sources["native"], tmp_path / "out", "suno")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_where_a_folder_cannot_be(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        converted(tiny_model, tmp_path / "file", "native")
    with pytest.raises(OutputError, match="create it first"):
        converted(tiny_model, tmp_path / "none" / "out", "native")
    (tmp_path / "empty").mkdir()
    converted(tiny_model, tmp_path / "empty", "native")  # holds nothing that could be lost
    assert read_checkpoint(tmp_path / "empty").layout == "native"
