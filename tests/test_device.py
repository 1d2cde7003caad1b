from __future__ import annotations

import pytest
import torch

from bark_cli.backends.device import NARROW, choose_device, fitting_threads
from bark_cli.errors import OptionError


def pretend(monkeypatch: pytest.MonkeyPatch, *, cuda: int = 0, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_auto_prefers_cuda_then_mps_then_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for present, expected in [
        ({"cuda": 1, "mps": True}, "cuda"),
        ({"mps": True}, "mps"),
        ({}, "cpu"),
    ]:
        pretend(monkeypatch, **present)  # type: ignore[arg-type]
        assert choose_device("auto").type == expected


def test_one_of_several_gpus_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, cuda=2)
    assert choose_device("cuda:1") == torch.device("cuda", 1)
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


def test_a_narrow_network_gets_one_thread_and_gives_the_others_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with fitting_threads(NARROW):
            assert torch.get_num_threads() == 2
        with fitting_threads(NARROW - 1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
