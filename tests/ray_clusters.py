"""Clusters of Ray's on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@contextmanager
def cluster_of(machines: int, cores: int = 1) -> Iterator[str]:
    """The address of a cluster of so many machines; workers find the tests' modules."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(HERE.parent), str(HERE)]))
        for name, value in (("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_DEDUP_LOGS_SKIP_REGEX", ".")):
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster  # which reads some of them

        cluster = Cluster()
        for _ in range(machines):
            cluster.add_node(
                num_cpus=cores,
                object_store_memory=80 * 2**20,
                include_dashboard=False,
                dashboard_port=None,  # any that is free: other tests have clusters, too
            )
        yield cluster.address
        cluster.shutdown()
