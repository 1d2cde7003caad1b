from __future__ import annotations

import pytest
import torch
from conftest import tiny_networks

from bark_cli.model.config import BarkConfig, GPTConfig
from bark_cli.model.networks import GPT, FineGPT, KVCache

Networks = tuple[GPT, GPT, FineGPT]


@pytest.fixture(scope="module")
def networks(tiny_config: BarkConfig) -> Networks:
    return tiny_networks(tiny_config)


def ids(length: int, below: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, below, (1, length), generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
def test_decoding_with_a_cache_equals_reading_it_all_again(networks: Networks) -> None:
    network = networks[1]
    sequence = ids(30, 128)
    cache = KVCache.empty(network.config, batch=1, like=network.wte.weight)
    logits = network(sequence[:, :20], cache=cache)
    for end in range(20, 30):
        assert torch.allclose(logits, network(sequence[:, :end]), atol=1e-5)
        logits = network(sequence[:, end : end + 1], cache=cache)
    assert cache.length == 30
    assert torch.allclose(logits, network(sequence), atol=1e-5)


@torch.inference_mode()
def test_decoding_takes_no_new_memory_for_the_cache(networks: Networks) -> None:
    network = networks[1]
    cache = KVCache.empty(network.config, batch=1, like=network.wte.weight)
    places = cache.keys.data_ptr(), cache.values.data_ptr()
    network(ids(5, 128), cache=cache)
    network(ids(1, 128), cache=cache)
    assert (cache.keys.data_ptr(), cache.values.data_ptr()) == places


@torch.inference_mode()
def test_merged_ids_are_added_to_the_first_positions_only(networks: Networks) -> None:
    network = networks[0]
    text, history = ids(6, 200), ids(4, 64, seed=1)
    merged = network.hidden(text, merged=history)
    vectors = network.wte(text)
    vectors[:, :4] += network.wte(history)
    x = vectors + network.wpe.weight[:6]
    for block in network.h:
        x = block(x)
    assert torch.allclose(merged, network.ln_f(x), atol=1e-6)


@torch.inference_mode()
def test_causal_networks_do_not_see_ahead(networks: Networks) -> None:
    sequence = ids(12, 128)
    changed = sequence.clone()
    changed[0, 8:] = (changed[0, 8:] + 1) % 128
    before, after = networks[1].hidden(sequence), networks[1].hidden(changed)
    assert torch.allclose(before[:, :8], after[:, :8], atol=1e-6)
    assert not torch.allclose(before[:, 8:], after[:, 8:], atol=1e-3)


@torch.inference_mode()
def test_the_fine_network_sees_all_frames_but_no_later_codebook(networks: Networks) -> None:
    network = networks[2]
    codes = torch.randint(0, 32, (1, 10, 8), generator=torch.Generator().manual_seed(0))
    logits = network(3, codes)
    assert logits.shape == (1, 10, 36)
    later_codebook, later_frame = codes.clone(), codes.clone()
    later_codebook[:, :, 4:] = 32
    later_frame[:, 9, 0] = (later_frame[:, 9, 0] + 1) % 32
    assert torch.equal(network(3, later_codebook), logits)
    assert not torch.allclose(network(3, later_frame)[:, 0], logits[:, 0], atol=1e-4)


def test_fine_heads_are_tied_to_the_embeddings_of_what_they_predict(networks: Networks) -> None:
    network = networks[2]
    for head, codebook in zip(network.lm_heads, range(1, 8), strict=True):
        assert head.weight is network.wtes[codebook].weight


def test_networks_start_small_and_cost_nothing_without_weights(tiny_config: BarkConfig) -> None:
    assert 0.015 < float(GPT(tiny_config.coarse.gpt).wte.weight.detach().std()) < 0.025
    huge = GPTConfig(n_layer=2, n_head=16, n_embd=4096, input_vocab_size=10**6, output_vocab_size=10**6)
    with torch.device("meta"):
        assert GPT(huge).wte.weight.shape == (10**6, 4096)
