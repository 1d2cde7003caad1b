"""Bark against Transformers' Bark, on the same random weights in one run: `python -m benchmarks`."""
