"""What `bark say` says of what it did: Result -> lines on stderr, or the record of --json."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bark_cli.cli.output import in_doubt, note
from bark_cli.system.units import human_speed

if TYPE_CHECKING:
    from bark_cli.cli.say.request import SayRequest
    from bark_cli.model.config import SemanticConfig
    from bark_cli.narration.timeline import Timeline
    from bark_cli.pipeline import Bark
    from bark_cli.remote.client import RemoteBark
    from bark_cli.speech import Speech


@dataclass(kw_only=True)
class Result:
    """What came of a request; of each piece only what is reported, for there may be thousands."""

    timeline: Timeline
    sample_rate: int
    longest: int  # semantic tokens that the model can make at once
    said: list[dict[str, Any]] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=dict)  # seconds and tokens of each
    last: Speech | None = None
    speech_s: float = 0.0  # of what was made now, without pauses; an earlier run may have kept the rest
    first_sound_s: float | None = None  # from Enter, where it came while it was being made
    underruns: int = 0
    cut_off: list[int] = field(default_factory=list)  # pieces, from 1, that had no room for more

    def add(self, speech: Speech) -> None:
        """Take note of the next piece."""
        cue = self.timeline.cues[-1]
        self.last = speech
        if not speech.complete and len(speech.tokens.semantic) == self.longest:
            self.cut_off.append(len(self.said) + 1)
        self.speech_s += speech.duration_s if speech.stages else 0.0
        for name, stage in speech.stages.items():
            seconds, tokens = self.stages.get(name, [0.0, 0])
            self.stages[name] = [seconds + stage.seconds, tokens + stage.tokens]
        self.said.append(
            {
                "text": cue.text,
                "start": round(cue.start_s, 3),
                "end": round(cue.end_s, 3),
                "voice": speech.voice,
                "seed": speech.seed,
                "complete": speech.complete,
                "doubt": speech.doubt,
                **_takes(speech),
            }
        )

    @property
    def real_time_factor(self) -> float:
        """Seconds of computing per second of speech."""
        return sum(seconds for seconds, _ in self.stages.values()) / max(self.speech_s, 1e-9)


def _takes(speech: Speech) -> dict[str, Any]:
    if not speech.takes:
        return {}
    scores = [None if take.verdict is None else round(take.verdict.score, 3) for take in speech.takes]
    return {
        "takes": [
            {"seed": take.seed, "score": score, "reason": take.reason}
            for take, score in zip(speech.takes, scores, strict=True)
        ]
    }


def record(result: Result, request: SayRequest) -> dict[str, Any]:
    """What `--json` prints; `path` is None where the sound was only played."""
    last, first = result.last, result.first_sound_s
    timed = {} if first is None else {"first_sound_seconds": round(first, 3)}
    played = {"underruns": result.underruns} if request.delivery.plays else {}
    return {
        "path": request.delivery.output,
        "seconds": round(result.timeline.duration_s, 3),
        "complete": all(one["complete"] for one in result.said),
        "sample_rate": result.sample_rate,
        "model": None if last is None else last.model,
        "voice": result.said[0]["voice"] if result.said else None,
        "seed": request.seed,
        "real_time_factor": round(result.real_time_factor, 3),
        "stages": {
            name: {"seconds": round(seconds, 3), "tokens": int(tokens)}
            for name, (seconds, tokens) in result.stages.items()
        },
        "pieces": result.said,
        **timed,
        **played,
    }


def introduce(bark: Bark | RemoteBark, request: SayRequest) -> None:
    """Say which model speaks, where the user left it open."""
    if request.settings.model is None:
        better = "; for Suno's own Bark, `bark download small`"
        note(f"speaking with {bark.name}{better if bark.name == 'nano' else ''}")
    if request.delivery.verbose:
        processor = ""
        if "torch" in sys.modules and bark.device == "cpu":  # else it computes in another process
            from bark_cli.backends.device import cpu_abilities

            processor = f" ({cpu_abilities()})"
        note(f"model {bark.name} from {bark.folder} on {bark.device}{processor} in {bark.precision}")


def report(result: Result, request: SayRequest, config: SemanticConfig) -> None:
    """Say what came of it."""
    delivery = request.delivery
    if delivery.verbose:
        for name, (seconds, tokens) in result.stages.items():
            note(f"{name}: {int(tokens)} tokens in {seconds:.2f} s")
        if result.first_sound_s is not None:
            note(f"first sound {result.first_sound_s:.2f} s after the start")
    for number, piece in enumerate(result.said, 1):
        _report_takes(number, piece)
    if delivery.verbose and request.settings.takes > 1:
        _note_if_deaf()
    if request.is_seed_drawn:
        note(f"seed {request.seed}; --seed {request.seed} says it the same way again")
    what = {None: "played", "-": "standard output"}.get(delivery.output, delivery.output)
    waited = ""
    if delivery.plays:
        from bark_cli.cli.play.command import underruns

        waited = underruns(result.underruns)
    speed = f", {human_speed(result.real_time_factor)}" if result.speech_s else ""
    note(f"{what}: {result.timeline.duration_s:.1f} s of speech{speed}{waited}")
    _warn_if_cut_off(result, config)


def _report_takes(number: int, piece: dict[str, Any]) -> None:
    """Say which take was kept and why, where there was a choice."""
    takes = {take["seed"]: take["reason"] for take in piece.get("takes", [])}
    if len(takes) > 1:
        kept = takes.pop(piece["seed"])
        others = "; ".join(f"{seed}: {reason}" for seed, reason in takes.items())
        note(f"piece {number}: kept seed {piece['seed']} ({kept}) of {len(takes) + 1}; not {others}")
    if piece["doubt"] is not None:
        note(in_doubt(piece["start"], piece["text"], piece["doubt"]))


def _note_if_deaf() -> None:
    """Say what is missing to choose by the words too."""
    from bark_cli.hearing import why_deaf

    if (reason := why_deaf()) is not None:
        note(f"takes were compared without listening: {reason}")


def _warn_if_cut_off(result: Result, config: SemanticConfig) -> None:
    """Say that the model had no room for more; the user's own --max-duration is no news to them."""
    if not result.cut_off:
        return
    limit_s = config.max_new_tokens / config.rate_hz
    what = "the speech" if len(result.said) == 1 else f"piece {result.cut_off[0]}"
    more = f" and {len(result.cut_off) - 1} more" if len(result.cut_off) > 1 else ""
    note(f"{what}{more} reached this model's limit of {limit_s:.1f} s and may be cut off; shorten the text")
