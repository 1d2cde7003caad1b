"""Networks that wait beside a GPU: one at a time lies on it, and what is said stays the same."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from test_cuda import CPU, assert_same, mixed, needs_gpu, networks
from test_engine import results, run

from bark_cli.backends.eager import EagerBackend
from bark_cli.backends.offloaded import OffloadedBackend
from bark_cli.backends.registry import backend_for
from bark_cli.checkpoint import read_checkpoint
from bark_cli.model.config import BarkConfig

CAUSAL_AND_FINE = ("semantic", "coarse", "fine")


def test_one_network_at_a_time_is_brought_and_says_the_same(
    tiny_model: Path, tiny_config: BarkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[tuple[str, str]] = []

    def move(name: str, network: Any, device: Any) -> Any:
        moves.append((name, str(device)))
        return network

    parts = networks(tiny_model)
    for name in CAUSAL_AND_FINE:
        network = getattr(parts, name)
        monkeypatch.setattr(network, "to", partial(move, name, network))
    backend = OffloadedBackend(parts, torch.device("cpu", 0))  # which can be told from "cpu"
    moves.clear()
    [utterance] = mixed(tiny_config, 1, 1)
    said = results(run(backend, tiny_config, [utterance]))
    assert moves == [
        *(("semantic", "cpu:0"), ("semantic", "cpu")),
        *(("coarse", "cpu:0"), ("coarse", "cpu")),
        ("fine", "cpu:0"),
    ]
    backend.put_back()
    assert moves[-1] == ("fine", "cpu")
    backend.put_back()  # there is none
    assert len(moves) == 6
    assert_same(said, results(run(EagerBackend(networks(tiny_model), CPU), tiny_config, [utterance])))


def test_only_gpus_have_something_to_spare(tiny_model: Path) -> None:
    checkpoint = read_checkpoint(tiny_model)
    assert type(backend_for(checkpoint, "cpu", "fp32", offload=True)) is EagerBackend
    assert isinstance(backend_for(checkpoint, "cuda", "fp32", offload=True), OffloadedBackend)


@pytest.mark.cuda
@needs_gpu
def test_a_gpu_holds_no_network_once_they_are_put_back(tiny_model: Path, tiny_config: BarkConfig) -> None:
    parts = networks(tiny_model)
    backend = OffloadedBackend(parts, torch.device("cuda"))
    assert all(results(run(backend, tiny_config, mixed(tiny_config, 1, 2))).values())
    devices = {name: next(getattr(parts, name).parameters()).device.type for name in CAUSAL_AND_FINE}
    assert devices == {"semantic": "cpu", "coarse": "cpu", "fine": "cuda"}
    backend.put_back()
    assert next(parts.fine.parameters()).device.type == "cpu"
