"""What a sound is made of: a sound file, or the tokens of a voice file -> numbers, and a picture of both.

sound    blocks of samples -> loudness, silence, clipping, spectrum; what is drawn of them
tokens   the tokens of each stage -> how many, how varied, how repetitive
mark     blocks of samples -> the comb of a codec; signs of a file: its tag, and such a mark
picture  waveform, mel spectrogram and tokens on one time axis, by matplotlib
"""

from bark_cli.inspection.codes import StageFacts, TokenTrack, place, token_facts
from bark_cli.inspection.measure import Sketch, SoundFacts, SoundMeter
from bark_cli.inspection.picture import draw

__all__ = [
    "Sketch",
    "SoundFacts",
    "SoundMeter",
    "StageFacts",
    "TokenTrack",
    "draw",
    "place",
    "token_facts",
]
