"""The voices of orders, read where the command runs -> references with which workers fetch them."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from bark_cli.batch.order import Order
from bark_cli.cluster.job import Job
from bark_cli.model.published import config_in
from bark_cli.voices import find_voice

_MOST = 256  # that are kept at hand


class VoiceStore:
    """Each voice is read once, and fetched once by a machine; so they need not be there."""

    def __init__(self, job: Job) -> None:
        self._folder, self._manner = job.leading.ref.folder, job.manner
        self._config = config_in(self._folder)
        self._known: OrderedDict[str, Any] = OrderedDict()

    def of(self, order: Order) -> dict[str, Any]:
        """The voices that an order is spoken in, by name.

        Raises:
            TextError: its text is not what it should be.
            VoiceError: there is no such voice, or it was made for another model.
        """
        names = self._manner.voice_names(order.task.item, order.text, self._config.default_voice)
        return {name: self._reference(name) for name in names}

    def _reference(self, name: str) -> Any:
        import ray

        if name not in self._known:
            self._known[name] = ray.put(find_voice(name, model_folder=self._folder, config=self._config))
        self._known.move_to_end(name)
        found = self._known[name]
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return found
