"""OpenVINO's devices: a name and a Checkpoint -> compiled networks; what it complains of, in one line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any, TypeVar

from bark_cli.backends.threads import lent_threads
from bark_cli.errors import GenerationError, ModelError, OptionError
from bark_cli.model.openvino import require_openvino
from bark_cli.store import places

Made = TypeVar("Made")
DEFAULT = "AUTO"  # OpenVINO chooses: a GPU before the CPU
_OTHERS = ("AUTO", "HETERO", "MULTI")  # no devices, but ways to choose among them
_LOOK_S = 0.1  # between looks for Ctrl-C
_NO_MEMORY = ("out of memory", "out_of_", "alloc", "max size of memory object")
_INSTEAD = "use --device openvino:CPU or cpu"


def choose_openvino_device(name: str) -> str:
    """Our name of OpenVINO's device of that name, such as openvino:GPU.1; "" leaves the choice to OpenVINO.

    It may name several, as in HETERO:GPU,CPU.

    Raises:
        OptionError: OpenVINO is not installed, or this machine has no such device.
    """
    name = name.upper() or DEFAULT
    there = openvino_devices()
    how, _, named = name.partition(":")
    wanted = (named.split(",") if named else []) if how in _OTHERS else [name]
    for one in wanted:
        if not any(one in (device, device.partition(".")[0]) for device in there):
            found = ", ".join(there) or "none"
            raise OptionError(f"OpenVINO finds no device {one} on this machine, only {found}; {_INSTEAD}")
    if how in ("HETERO", "MULTI") and not wanted:
        raise OptionError(f"{how} takes devices, as in openvino:{how}:CPU")
    return f"openvino:{name}"


def openvino_devices() -> list[str]:
    """What OpenVINO can compute on here, by its names.

    Raises:
        OptionError: it is not installed.
    """
    require_openvino()
    import openvino as ov

    with told_of_device():
        return [str(name) for name in ov.Core().available_devices]


def compiled(models: Callable[[], Sequence[Any]], device: str, *, is_exact: bool) -> list[Any]:
    """OpenVINO's models, ready to compute; where that takes its time, what was compiled is kept on the disk.

    Ctrl-C is heard meanwhile.

    Raises:
        ModelError: the device cannot take such a model.
        GenerationError: its memory is too small.
    """
    import openvino as ov

    core = ov.Core()
    properties = _properties(core, device, is_exact)

    def work() -> list[Any]:
        return [core.compile_model(model, device, properties) for model in models()]

    with told_of_device(device):
        return _patiently(work)


def _properties(core: Any, name: str, is_exact: bool) -> dict[str, Any]:
    """How to compute: one request at a time, and keys and values as they are made.

    What OpenVINO would do by itself rounds keys and values to 8 bits, and computes in 16 where it can.
    """
    precision = {"INFERENCE_PRECISION_HINT": "f32"} if is_exact else {}
    cpu = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": lent_threads(),
        "INFERENCE_PRECISION_HINT": "f32",
        "KV_CACHE_PRECISION": "f32",
    }
    other = {"PERFORMANCE_HINT": "LATENCY", "KV_CACHE_PRECISION": "f16", **precision}
    if name == "CPU":
        return cpu
    # compiling for these takes minutes, for a CPU a second
    kept = {"CACHE_DIR": str(places.compiled_home())}
    if name.partition(":")[0] in _OTHERS:
        used = {one for one in core.available_devices if one != "CPU"}
        each = {"CPU": cpu} | {one: _known(core, one, other) for one in used}
        fixed = {"ENABLE_STARTUP_FALLBACK": False, "ENABLE_RUNTIME_FALLBACK": False}  # to the CPU, unasked
        choice = fixed if name.startswith("AUTO") else {}
        return {"PERFORMANCE_HINT": "LATENCY", "DEVICE_PROPERTIES": each, **choice, **kept}
    return _known(core, name, other) | kept


def _known(core: Any, name: str, properties: dict[str, Any]) -> dict[str, Any]:
    """Those that a device knows of."""
    known = core.get_property(name, "SUPPORTED_PROPERTIES")
    return {key: value for key, value in properties.items() if key in known}


def _patiently(work: Callable[[], Made]) -> Made:
    """What `work` returns, done on another thread: this one can be interrupted."""
    made: list[Made] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            made.append(work())
        except BaseException as error:
            failed.append(error)

    thread = Thread(target=run, daemon=True, name="bark-openvino")
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK_S)
    if failed:
        raise failed[0]
    return made[0]


@contextmanager
def told_of_device(name: str | None = None) -> Iterator[None]:
    """Turn what OpenVINO raises, many lines about its own source, into one of ours.

    Raises:
        GenerationError: the device has too little memory.
        ModelError: it cannot take the model, or failed.
    """
    try:
        yield
    except RuntimeError as error:
        which = f"OpenVINO's {name}" if name else "OpenVINO"
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = (lines or ["it does not say why"])[-1][:200].rstrip(".")
        if any(word in str(error).lower() for word in _NO_MEMORY):
            raise GenerationError(
                f"{which} is out of memory ({reason}); use --device cpu or a smaller model"
            ) from error
        what = "cannot take this model" if name else "failed"
        raise ModelError(f"{which} {what}: {reason}; {_INSTEAD}") from error
