"""What this machine computes and sounds with: CPU, GPU, our compiled code, the choice of auto, the output."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator

from bark_cli.doctor.finding import Finding, Probe
from bark_cli.system.units import human_bytes


def _cpu() -> Iterator[Finding]:
    import torch

    from bark_cli.backends.device import cpu_abilities
    from bark_cli.backends.memory import free_bytes

    cores, threads = os.cpu_count() or 1, torch.get_num_threads()
    free, can = free_bytes("cpu"), cpu_abilities()
    yield Finding(
        topic="cpu",
        text=f"{platform.machine()}, {threads} of {cores} cores used; {can}; {human_bytes(free)} of memory",
        facts={"cores": cores, "threads": threads, "abilities": can, "free_bytes": free},
    )


def _gpu() -> Iterator[Finding]:
    import torch

    found = False
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        found = True
        name, (free, total) = torch.cuda.get_device_name(index), torch.cuda.mem_get_info(index)
        yield Finding(
            topic=f"cuda:{index}",
            text=f"{name}, {human_bytes(free)} of {human_bytes(total)} free",
            facts={"name": name, "free_bytes": free, "total_bytes": total},
        )
    if torch.backends.mps.is_available():
        found = True
        most = int(torch.mps.recommended_max_memory())
        yield Finding(topic="mps", text=f"{human_bytes(most)} of memory at most", facts={"most_bytes": most})
    if not found:
        yield Finding(topic="gpu", text="none that torch can use; bark speaks with the CPU")


def _kernel() -> Iterator[Finding]:
    from bark_cli.backends.kernel import FORCED, VARIANTS, best_variant, load

    compiled = [name for name in VARIANTS if load(name) is not None]
    chosen = os.environ.get(FORCED) or best_variant()
    if chosen is None:
        yield Finding(
            topic="int8 kernel",
            state="warning",
            text="not compiled, so there is no int8, the quickest on most CPUs: install a C compiler, then "
            "bark again",
            facts={"variant": None, "compiled": compiled},
        )
        return
    if chosen not in compiled:
        able = ", ".join(compiled) or "none"
        yield Finding(
            topic="int8 kernel",
            state="problem",
            text=f"{FORCED}={chosen} cannot run here; use one of {able}, or unset it",
            facts={"variant": None, "compiled": compiled},
        )
        return
    yield Finding(
        topic="int8 kernel",
        text=f"{chosen} (compiled here: {', '.join(compiled)})",
        facts={"variant": chosen, "compiled": compiled},
    )


def _auto() -> Iterator[Finding]:
    from bark_cli.backends.device import choose_device, choose_precision

    device = choose_device("auto")
    precision = choose_precision("auto", device)
    yield Finding(
        topic="auto",
        text=f"--device auto is {device}, --precision auto is {precision}",
        facts={"device": device, "precision": precision},
    )


def _openvino() -> Iterator[Finding]:
    from importlib.util import find_spec

    from bark_cli.model.openvino import INSTALL

    if find_spec("openvino") is None:
        text = f"not installed; --device openvino needs it, for Intel's GPUs and NPUs: {INSTALL}"
        yield Finding(topic="openvino", text=text, facts={"version": None})
        return
    import openvino as ov

    core = ov.Core()
    devices = {name: core.get_property(name, "FULL_DEVICE_NAME") for name in core.available_devices}
    listed = ", ".join(f"openvino:{name} is {what}" for name, what in devices.items())
    found = ov.__version__.partition("-")[0]
    yield Finding(
        topic="openvino",
        text=f"{found}; {listed or 'no device'}",
        facts={"version": found, "devices": devices},
    )


def _sound() -> Iterator[Finding]:
    try:
        import sounddevice
    except (ImportError, OSError):  # OSError: the package is there, the PortAudio library is not
        yield Finding(
            topic="portaudio",
            state="warning",
            text="missing; sound can be saved with -o FILE and not played",
            next="apt install libportaudio2" if platform.system() == "Linux" else None,
            facts={"version": None, "output": None},
        )
        return
    known = sounddevice.get_portaudio_version()[1].partition(",")[0]
    try:
        name = sounddevice.query_devices(kind="output")["name"]
    except (sounddevice.PortAudioError, ValueError):
        yield Finding(
            topic="portaudio",
            state="warning",
            text=f"{known}; no output device, so sound can be saved with -o FILE and not played",
            facts={"version": known, "output": None},
        )
        return
    yield Finding(
        topic="portaudio", text=f"{known}; plays through {name}", facts={"version": known, "output": name}
    )


MACHINE = (
    Probe(topic="cpu", ask=_cpu),
    Probe(topic="gpu", ask=_gpu),
    Probe(topic="int8 kernel", ask=_kernel),
    Probe(topic="auto", ask=_auto, failure="problem"),
)
OPENVINO = (Probe(topic="openvino", ask=_openvino),)
SOUND = (Probe(topic="portaudio", ask=_sound),)
