"""The networks as OpenVINO's graphs: configuration and tensors -> openvino.Model, built op by op.

Nothing is traced, so lengths stay free, and openvino.convert_model, which would report its use over the
network, is never called. Only whoever asks for OpenVINO imports what is in here.
"""

from __future__ import annotations

from importlib import import_module
from typing import Literal

from bark_cli.errors import OptionError

Part = Literal["semantic", "coarse", "fine", "codec"]
PARTS: tuple[Part, ...] = ("semantic", "coarse", "fine", "codec")
INSTALL = "pip install 'bark-cli[openvino]'"


def require_openvino() -> None:
    """Import OpenVINO, so that what follows can.

    Raises:
        OptionError: it is not installed, or is broken.
    """
    try:
        import_module("openvino")
    except (ImportError, OSError) as error:
        reason = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be used ({error})"
        raise OptionError(f"OpenVINO {reason}; run: {INSTALL}") from error
