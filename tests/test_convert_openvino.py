"""OpenVINO's layout: into it and back to the bit, as near as stated in fewer bits, and files that lie."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
import torch
from conftest import in_int8, make_tiny_config
from openvino import opset15 as ops
from test_convert import converted, differing, make_native

from bark_cli.checkpoint import convert as room
from bark_cli.checkpoint import misfit, read_checkpoint, stored_as
from bark_cli.checkpoint.convertible import ConvertRequest
from bark_cli.cli import main
from bark_cli.errors import ModelError, OptionError, OutputError
from bark_cli.model.int4 import quantize_groups
from bark_cli.model.openvino import PARTS
from bark_cli.pipeline import Bark
from bark_cli.store import resolve_model
from bark_cli.store.places import openvino_graph
from bark_cli.voices.catalogue import model_voices


@pytest.fixture(scope="module")
def there(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model in OpenVINO's layout."""
    return converted(tiny_model, tmp_path_factory.mktemp("openvino") / "tiny", "openvino")


def test_there_and_back_is_equal_to_the_bit(tiny_model: Path, there: Path, tmp_path: Path) -> None:
    original, found = read_checkpoint(tiny_model), read_checkpoint(there)
    assert found.layout == "openvino"
    assert found.config == original.config
    assert not differing(found, original)
    back = read_checkpoint(converted(there, tmp_path / "back", "native"))
    assert back.config == original.config
    assert not differing(back, original)


def test_a_long_last_convolution_is_computed_as_in_torch(tmp_path: Path) -> None:
    config = make_tiny_config()
    config = replace(config, codec=replace(config.codec, last_kernel_size=19))
    source = make_native(tmp_path / "source", config)
    out = converted(source, tmp_path / "out", "openvino")  # which compares the sound
    assert read_checkpoint(out).config == config
    ours, theirs = (Bark.load(folder, precision="fp32") for folder in (out, source))
    made = [bark.say("hello bark", seed=1).audio.samples for bark in (ours, theirs)]
    np.testing.assert_allclose(made[0], made[1], atol=1e-4)


def test_a_folder_has_all_that_a_model_needs(there: Path) -> None:
    names = {path.name for path in there.iterdir()}
    graphs = {f"openvino_{part}.{suffix}" for part in PARTS for suffix in ("xml", "bin")}
    assert names == {*graphs, "config.json", "tokenizer.json", "README.md", "voices"}
    assert [info.name for info in model_voices(there)] == ["tiny/ann"]
    card = (there / "README.md").read_text()
    assert "## tiny in OpenVINO's layout" in card
    for part in PARTS:  # the card says what the graphs take
        model = ov.Core().read_model(openvino_graph(there, part))
        assert all(port.get_any_name() in card for port in model.inputs if "." not in port.get_any_name())
    codec = ov.Core().read_model(openvino_graph(there, "codec"))
    kept = {port.get_any_name() for port in codec.inputs[1:]}
    assert {port.get_any_name().removeprefix("next.") for port in codec.outputs[1:]} == kept


def test_it_speaks_from_its_folder_as_from_the_original(tiny_model: Path, there: Path) -> None:
    from_graphs, plain = Bark.load(there), Bark.load(tiny_model, device="cpu", precision="fp32")
    assert (from_graphs.device, from_graphs.precision) == ("openvino:AUTO", "fp32")
    for seed in range(3):
        ours, theirs = (bark.say("hello bark", seed=seed) for bark in (from_graphs, plain))
        assert np.array_equal(ours.tokens.fine, theirs.tokens.fine)
    on_cpu = Bark.load(there, device="cpu", precision="fp32")  # without OpenVINO
    assert on_cpu.say("hello bark", seed=1).audio.samples.tolist() == (
        plain.say("hello bark", seed=1).audio.samples.tolist()
    )


@pytest.mark.parametrize(("storage", "error"), [("fp16", 1e-3), ("int8", 1.5e-2), ("int4", 0.2)])
def test_fewer_bits(tiny_model: Path, there: Path, tmp_path: Path, storage: Any, error: float) -> None:
    out = converted(tiny_model, tmp_path / "out", "openvino", storage=storage)
    assert stored_as(out) == storage
    sizes = [sum(file.stat().st_size for file in folder.glob("openvino_*.bin")) for folder in (out, there)]
    assert sizes[0] < 0.8 * sizes[1]
    original, found = read_checkpoint(tiny_model), read_checkpoint(out)
    for name in original.tensors:
        wanted = original.float32(name)
        assert (found.float32(name) - wanted).norm() <= error * wanted.norm()
    bark = Bark.load(out)
    assert bark.precision == storage
    assert len(bark.say("hello bark", seed=1).audio.samples)


def test_what_has_fewer_bits_stays_as_it_is(tiny_model: Path, tmp_path: Path) -> None:
    once = converted(tiny_model, tmp_path / "once", "openvino", storage="int4")
    twice = converted(once, tmp_path / "twice", "openvino")
    assert stored_as(twice) == "int4"
    found, again = read_checkpoint(once), read_checkpoint(twice)
    assert again.tensors.keys() == found.tensors.keys()
    for name in found.tensors:
        torch.testing.assert_close(again.float32(name), found.float32(name), rtol=1e-6, atol=0)


def test_int8_is_rounded_once(tiny_model: Path, tmp_path: Path) -> None:
    source = in_int8(tiny_model, tmp_path / "int8")
    out = converted(source, tmp_path / "out", "openvino")
    original, found = read_checkpoint(source), read_checkpoint(out)
    assert original.scales.keys() == found.scales.keys()
    assert all(torch.equal(original.tensors[name], found.tensors[name]) for name in original.scales)
    assert all(torch.equal(original.scales[name], found.scales[name]) for name in original.scales)


@pytest.mark.parametrize("columns", [1, 24, 128, 384])
def test_int4_has_a_scale_for_every_group(columns: int) -> None:
    weight = np.random.default_rng(0).normal(size=(5, columns)).astype(np.float32)
    weight[0] = 0
    values, scale = quantize_groups(weight)
    assert values.shape[2] == {1: 1, 24: 8, 128: 128, 384: 128}[columns]
    assert np.abs(values).max() <= 7
    error = values * scale - weight.reshape(values.shape)
    assert (np.abs(error) <= scale / 2 + 1e-6).all()


def test_the_command_states_the_error(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["convert", str(tiny_model), str(tmp_path / "out"), "--to", "openvino", "--storage", "int8"]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert re.search(r"logits within 0\.\d+ of their spread, \d+ of 82 likeliest tokens agree", printed.err)
    assert "holds tiny in openvino layout (int8," in printed.out
    assert main([*command, "--force", "--json", "-q"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["agreement"]["tokens"] == 82
    assert 1e-4 < found["agreement"]["difference"] < 0.5
    assert main(["say", "hello", "-q", "-m", str(tmp_path / "out"), "-o", str(tmp_path / "a.wav")]) == 0


def test_what_does_not_fit_is_told_before(tiny_model: Path, tmp_path: Path) -> None:
    config = make_tiny_config()
    hears_the_end = replace(config, codec=replace(config.codec, causal=False))
    assert misfit(hears_the_end, "openvino")
    source = make_native(tmp_path / "source", hears_the_end)
    with pytest.raises(OptionError, match="does not fit OpenVINO's layout: its codec is not causal"):
        converted(source, tmp_path / "out", "openvino")
    with pytest.raises(ModelError, match="its codec is not causal"):
        Bark.load(source, device="openvino")
    with pytest.raises(OptionError, match="OpenVINO's layout has no q8_0"):
        converted(tiny_model, tmp_path / "out", "openvino", storage="q8_0")
    assert not (tmp_path / "out").exists()


def test_a_graph_that_computes_something_else_does_not_get_the_name(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "bark_cli.model.openvino.transformer.number", lambda _: ops.constant(np.array(0, np.float32))
    )
    with pytest.raises(ModelError, match=r"does not compute .* exactly: logits within"):
        converted(tiny_model, tmp_path / "out", "openvino")  # without a mask
    assert not list(tmp_path.iterdir())


def test_a_disk_that_refuses_leaves_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("Exception from src/core.cpp:\nCan't open bin file.")

    monkeypatch.setattr(ov, "save_model", refuse)
    order = ConvertRequest(model=resolve_model(tiny_model), out=tmp_path / "out", layout="openvino")
    with pytest.raises(OutputError, match=r"cannot write .*out: Can't open bin file"):
        room.convert(order, lambda _: None)
    assert not list(tmp_path.iterdir())


# files that lie


def changed(folder: Path, pattern: str, value: str) -> None:
    """The first match in the semantic graph's .xml replaced."""
    file = openvino_graph(folder, "semantic")
    text, count = re.subn(pattern, value, file.read_text(), count=1, flags=re.DOTALL)
    assert count == 1
    file.write_text(text)


def in_first(attribute: str, value: str) -> Callable[[Path], None]:
    """An attribute of the first constant that is a tensor of ours."""
    pattern = rf'(name="semantic\.[^>]*>\s*<data [^>]*{attribute}=")[^"]*'
    return lambda folder: changed(folder, pattern, rf"\g<1>{value}")


LIES: dict[str, tuple[Callable[[Path], None], str]] = {
    "beyond the file": (in_first("offset", "99999999"), "does not lie in the .bin"),
    "before the file": (in_first("offset", "-4"), "does not lie in the .bin"),
    "no number": (in_first("offset", "many"), "damaged or not a graph"),
    "huge": (in_first("shape", "99999999999, 99999999"), "does not lie in the .bin"),
    "empty": (in_first("shape", "0, 4"), "a shape that no tensor has"),
    "many axes": (in_first("shape", ", ".join("1" * 99)), "a shape that no tensor has"),
    "another shape": (in_first("shape", "50, 128"), "has shape (50, 128), expected"),
    "another type": (in_first("element_type", "u4"), "holds u4, which is not read"),
    "a size that is not its shape's": (in_first("size", "4"), "does not lie in the .bin"),
    "another name": (
        lambda f: changed(f, r'name="semantic\.wpe', 'name="semantic.wpf'),
        "lacks semantic.wpe",
    ),
    "entities": (
        lambda f: changed(f, r"<net ", '<!DOCTYPE a [<!ENTITY b "bbbb">]><net '),
        "it has a document type",
    ),
    "cut off": (lambda f: changed(f, r"<edges>.*", ""), "damaged or not a graph"),
    "no numbers": (lambda f: (f / "openvino_semantic.bin").write_bytes(b""), "is empty"),
    "no graph": (lambda f: (f / "openvino_fine.xml").unlink(), "cannot be read"),
    "a web page": (lambda f: openvino_graph(f, "coarse").write_text("<html>no"), "is a web page"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "has no tokenizer.json"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_is_refused_in_one_line(there: Path, tmp_path: Path, lie: str) -> None:
    folder = tmp_path / "lies"
    shutil.copytree(there, folder)
    tell, reason = LIES[lie]
    tell(folder)
    with pytest.raises(ModelError) as caught:
        read_checkpoint(folder)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_int4_without_its_scales_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    out = converted(tiny_model, tmp_path / "out", "openvino", storage="int4")
    changed(out, r'name="(semantic\.h\.1\.mlp\.c_fc\.weight)\.scale"', r'name="\1.scales"')
    with pytest.raises(ModelError, match=r"has no fitting scales|holds semantic"):
        read_checkpoint(out)


def test_what_computes_is_built_anew_and_not_taken_from_the_file(there: Path, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    shutil.copytree(there, folder)
    wanted = Bark.load(folder).say("hello", seed=1).tokens.fine
    changed(folder, r'type="Gelu"', 'type="Relu"')
    assert np.array_equal(Bark.load(folder).say("hello", seed=1).tokens.fine, wanted)
