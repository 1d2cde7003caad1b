"""Sound as a notebook shows it: 16 bit samples (N,) -> HTML with a player, its sound inside as data.

What follows the protocols of IPython's display (`_repr_mimebundle_`, `_repr_html_`) needs none of it here.
"""

from __future__ import annotations

import base64
import io
from html import escape

import numpy as np
from numpy.typing import NDArray

from bark_cli.audio.wav import wav_header

LONGEST_S = 300.0  # of sound in a cell: some 3 MB, which are kept with the notebook
_WAV = "audio/wav"
_MP3 = "audio/mpeg"


def player_html(samples: NDArray[np.int16], sample_rate: int, label: str) -> str:
    """A player that starts when it is told to, with its label above it and read out by a screen reader.

    Of what is longer than LONGEST_S it holds the beginning, and says so.
    """
    duration_s = len(samples) / sample_rate
    caption = f"<figcaption>{escape(label)}</figcaption>"
    if not len(samples):
        return f'<figure style="margin: 0">{caption}<p>no sound</p></figure>'
    kind, data = _encoded(samples[: round(LONGEST_S * sample_rate)], sample_rate)
    source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    note = ""
    if duration_s > LONGEST_S:
        note = (
            f"<p>The player holds the first {_clock(LONGEST_S)} of {_clock(duration_s)}; "
            "save it to a file to hear all.</p>"
        )
    return (
        f'<figure style="margin: 0">{caption}'
        f'<audio controls preload="metadata" aria-label="{escape(label)}" src="{source}">'
        f"{escape(label)}: this page cannot play sound.</audio>{note}</figure>"
    )


def _encoded(samples: NDArray[np.int16], sample_rate: int) -> tuple[str, bytes]:
    """Media type and bytes: MP3, a sixth of the size, else WAV where libsndfile has none."""
    import soundfile

    stream = io.BytesIO()
    try:
        soundfile.write(stream, samples, sample_rate, format="MP3", subtype="MPEG_LAYER_III")
    except (soundfile.LibsndfileError, ValueError, TypeError):  # an old library, or a rate that MP3 lacks
        data = samples.astype("<i2").tobytes()
        return _WAV, wav_header(sample_rate, len(data)) + data
    return _MP3, stream.getvalue()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
