from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from bark_cli.backends import device as devices
from bark_cli.backends.device import choose_device, choose_precision, cpu_abilities
from bark_cli.errors import OptionError


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: int = 0, mps: bool = False) -> None:
    monkeypatch.setattr(devices, "has_gpu_driver", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_auto_prefers_cuda_to_the_cpu_and_leaves_mps_to_who_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for present, expected in [
        ({"cuda": 1, "mps": True}, "cuda"),
        ({"mps": True}, "cpu"),
        ({}, "cpu"),
    ]:
        pretend(monkeypatch, **present)  # type: ignore[arg-type]
        assert choose_device("auto") == expected


def test_one_of_several_gpus_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=2)
    assert choose_device("cuda:1") == "cuda:1"
    with pytest.raises(OptionError, match="no device cuda:2"):
        choose_device("cuda:2")


@pytest.mark.parametrize("name", ["cuda", "mps", "cuda:0"])
def test_a_device_that_is_not_there_says_what_to_use(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    pretend(monkeypatch)
    with pytest.raises(OptionError, match="use --device cpu or auto"):
        choose_device(name)


@pytest.mark.parametrize("name", ["", "tpu", "cuda:x", "gpu", "CPU"])
def test_an_unknown_device_names_those_there_are(name: str) -> None:
    with pytest.raises(OptionError, match="use one of auto, cpu, cuda, mps"):
        choose_device(name)


def abilities(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """A CPU that has these and no others."""
    for name in ("amx_tile", "avx512_bf16", "vnni", "avx2"):
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda name=name: name in names)


def test_auto_takes_int8_where_the_kernel_was_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "compiled", lambda: SimpleNamespace())
    abilities(monkeypatch, "avx2")
    for here in (("avx2", "plain"), ("dotprod", "neon", "plain")):
        monkeypatch.setattr(devices, "runnable", lambda here=here: here)
        assert choose_precision("auto", "cpu") == "int8"
    monkeypatch.setattr(devices, "runnable", lambda: ("plain",))  # another kind of CPU
    assert choose_precision("auto", "cpu") == "fp32"


@pytest.mark.parametrize(
    ("has", "expected"), [(["amx_tile"], "bf16"), (["avx512_bf16"], "bf16"), (["avx2"], "fp32")]
)
def test_without_the_kernel_auto_looks_at_the_cpu(
    has: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "compiled", lambda: None)
    abilities(monkeypatch, *has)
    assert choose_precision("auto", "cpu") == expected


@pytest.mark.parametrize(("kind", "expected"), [("cuda", "bf16"), ("mps", "fp16")])
def test_auto_on_a_gpu_takes_sixteen_bits(kind: str, expected: str) -> None:
    assert choose_precision("auto", kind) == expected


def test_int8_that_cannot_be_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OptionError, match="int8 is for the CPU"):
        choose_precision("int8", "cuda")
    monkeypatch.setattr(devices, "compiled", lambda: None)
    with pytest.raises(
        OptionError, match="install a C compiler and then bark again, or use --precision bf16"
    ):
        choose_precision("int8", "cpu")


@pytest.mark.parametrize("name", ["", "int3", "INT8"])
def test_an_unknown_precision_names_those_there_are(name: str) -> None:
    with pytest.raises(OptionError, match="use one of auto, fp32, fp16, bf16, int8, int4"):
        choose_precision(name, "cpu")


@pytest.mark.parametrize(
    ("here", "words"),
    [
        (("vnni", "avx2", "plain"), "AVX-512 VNNI, AVX2"),
        (("dotprod", "neon", "plain"), "NEON, dot products"),
        (("plain",), "none of AMX, AVX-512 and AVX2"),
    ],
)
def test_the_cpu_is_described_by_what_the_kernel_can_use(
    here: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "runnable", lambda: here)
    assert cpu_abilities() == words


def test_the_cpu_is_described_where_nothing_was_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "runnable", lambda: ())
    abilities(monkeypatch, "avx512_bf16", "avx2")
    assert cpu_abilities() == "AVX-512 BF16, AVX2"
    abilities(monkeypatch)
    assert cpu_abilities() == "none of AMX, AVX-512 and AVX2"
