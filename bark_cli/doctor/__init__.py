"""What works on this machine and what does not: -> Findings, and what to run next.

`programs` asks after what is installed, `machine` after what it computes and sounds with, `cache` after
models and voices, `network` after the hub. `examine` asks them all, each group in a process of its own: a
library that crashes or hangs, as broken ones do, costs its own answers alone.
"""

from __future__ import annotations

from bark_cli.doctor.examine import examine
from bark_cli.doctor.finding import Finding

__all__ = ["Finding", "examine"]
