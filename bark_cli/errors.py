"""The exception tree: every error a user can cause or meet, each one line long and naming what to do next.

BarkError                    anything bark_cli raises on purpose
├── UsageError               the request cannot be understood (exit code 2)
│   ├── TextError            empty, undecodable or too long text
│   ├── VoiceError           unknown, malformed or foreign voice
│   └── OptionError          an option outside its range
├── ModelError               a model is missing, incomplete, foreign or damaged
│   ├── MissingModelError    a model that can be downloaded, and was not yet
│   └── UnsafeFileError      a file tries to run code when read
├── DownloadError            the network or the hub does not give what was asked for
├── OutputError              a result cannot be delivered: the disk or the folder refuses it
│   └── AudioError           sound cannot be written or played
├── BusyError                more requests wait already than may
└── GenerationError          the model produced nothing usable
    └── CancelledError       the speech was broken off: by its caller, or by its time limit
"""


class BarkError(Exception):
    """Anything bark_cli raises on purpose; `exit_code` is what the command returns for it."""

    exit_code = 1


class UsageError(BarkError):
    """The request cannot be understood as given."""

    exit_code = 2


class TextError(UsageError):
    """Text that is empty, cannot be decoded or does not fit the model."""


class VoiceError(UsageError):
    """A voice that is unknown, malformed or made for another model."""


class OptionError(UsageError):
    """An option outside its range."""


class ModelError(BarkError):
    """A model that is missing, incomplete, foreign or damaged."""


class MissingModelError(ModelError):
    """A model that can be downloaded and is not here, or not whole; `name` is what to download."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


class UnsafeFileError(ModelError):
    """A file that would run code if it were read without care; it was not read."""


class DownloadError(BarkError):
    """The network or the hub does not give what was asked for."""


class OutputError(BarkError):
    """A result that cannot be delivered: the disk or the folder refuses it."""


class AudioError(OutputError):
    """Sound that cannot be written or played."""


class GenerationError(BarkError):
    """The model produced nothing usable."""


class CancelledError(GenerationError):
    """Speech that was broken off: by its caller, or because it took longer than its time limit."""


class BusyError(BarkError):
    """A request that is refused because as many wait as may; the same may be asked again later."""
