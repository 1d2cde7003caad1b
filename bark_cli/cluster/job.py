"""What travels between the command and a worker: a Job -> Ready; Orders -> Parcels with files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bark_cli.batch.destination import FileFacts
from bark_cli.batch.identity import Maker, model_identity
from bark_cli.batch.make import Failed, Said
from bark_cli.batch.manner import Manner
from bark_cli.store import ModelRef, mixed_name


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A model as the command found it."""

    ref: ModelRef
    identity: str  # of its files; a model of the same name that differs is another


@dataclass(frozen=True, kw_only=True)
class Job:
    """How all files of a run are made."""

    version: str  # of bark_cli, which workers must share
    name: str  # of the model, as files tell it
    leading: Wanted
    stages: Mapping[str, Wanted]  # semantic, coarse, fine: models for single stages
    manner: Manner
    url: str | None = None  # where workers put the files; None: they send them back

    @property
    def models(self) -> list[Wanted]:
        """All that are needed."""
        return [self.leading, *self.stages.values()]


def job(maker: Maker, stages: Sequence[str], manner: Manner, *, url: str | None = None) -> Job:
    """What every worker gets; `stages` says what the models after the leading one are for.

    Raises:
        ModelError: a model cannot be read.
    """
    from bark_cli import __version__

    leading, *others = (Wanted(ref=ref, identity=model_identity([ref])) for ref in maker.models)
    single = dict(zip(stages, others, strict=True))
    name = mixed_name(leading.ref, {stage: wanted.ref for stage, wanted in single.items()})
    return Job(
        version=__version__,
        name=name,
        leading=leading,
        stages=single,
        manner=manner,
        url=url,
    )


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A worker that has loaded its model."""

    version: str
    node: str  # Ray's id of its machine
    host: str
    pid: int
    device: str
    precision: str
    batch_size: int  # pieces at once


@dataclass(frozen=True, kw_only=True)
class Lacking:
    """A worker on whose machine a model is not."""

    model: int  # its place in Job.models


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """What became of an order."""

    output: str  # which order
    events: Sequence[Said | Failed]
    sound: bytes | None = None  # None where it failed, or lies where it goes already
    subtitles: bytes | None = None
    files: Mapping[str, FileFacts] = field(default_factory=dict)  # by output, what lies where it goes
    seconds: float = 0.0
