"""All questions, group by group: -> Findings, whatever a group does to its process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from bark_cli.doctor.finding import Finding, Probe, State


@dataclass(frozen=True, kw_only=True)
class Topic:
    """Questions asked in one process."""

    probes: tuple[str, ...]  # modules of this package and the names of their tuples
    limit_s: float
    failure: State = "warning"  # if the process ends without an answer


GROUPS = {
    "programs": Topic(probes=("programs.PROGRAMS",), limit_s=60, failure="problem"),
    "torch": Topic(probes=("programs.NETWORKS", "machine.MACHINE"), limit_s=120, failure="problem"),
    "openvino": Topic(probes=("machine.OPENVINO",), limit_s=60),
    "sound output": Topic(probes=("machine.SOUND",), limit_s=20),
    "cache": Topic(probes=("cache.CACHE",), limit_s=60, failure="problem"),
    "network": Topic(probes=("network.NETWORK",), limit_s=60),
}
# An empty entry is the folder that is worked in, where a torch.py may lie that bark itself would not see.
_CODE = """
import sys
sys.path[:] = [path for path in sys.path if path] + [sys.argv[2]]
from bark_cli.doctor.examine import answer
answer(sys.argv[1])
"""


def examine() -> list[Finding]:
    """Ask everything; the network is asked too, unless the environment forbids it."""
    with ThreadPoolExecutor(len(GROUPS)) as pool:
        return [finding for found in pool.map(_ask, GROUPS) for finding in found]


def _ask(name: str) -> list[Finding]:
    """The findings of a group, or the one that it gave none."""
    group = GROUPS[name]
    command = [sys.executable, "-c", _CODE, name, str(Path(__file__).parents[2])]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return [_silent(name, f"python cannot be started again ({error})")]
    try:
        out, complaint = process.communicate(timeout=group.limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        with suppress(subprocess.TimeoutExpired):  # a dead network drive holds it even so
            process.communicate(timeout=1)
        return [_silent(name, f"no answer in {group.limit_s:.0f} s")]
    with suppress(ValueError, TypeError, IndexError):
        return [Finding(**values) for values in json.loads(out.splitlines()[-1])]
    return [_silent(name, _how_it_ended(process.returncode, complaint))]


def answer(name: str) -> None:
    """Print the findings of a group as one line of JSON, and end the process."""
    findings = [finding for probe in _probes(GROUPS[name]) for finding in probe.findings()]
    print("\n" + json.dumps([finding.to_dict() for finding in findings]))
    sys.stdout.flush()
    os._exit(0)  # a thread may hang, and libraries may crash when they are taken apart


def _probes(group: Topic) -> list[Probe]:
    found: list[Probe] = []
    for place in group.probes:
        module, _, name = place.partition(".")
        found += getattr(import_module(f"bark_cli.doctor.{module}"), name)
    return found


def _how_it_ended(code: int, complaint: str) -> str:
    last = " ".join(complaint.split()[-30:])[-200:]
    if code < 0:
        with suppress(ValueError):
            return f"the process crashed ({signal.Signals(-code).name}) {last}".strip()
    return f"the process ended with code {code} {last}".strip()


def _silent(name: str, reason: str) -> Finding:
    return Finding(topic=name, state=GROUPS[name].failure, text=f"could not be asked: {reason}")
