"""What a sound is made of: a sound file, or the tokens of a voice file -> numbers, and a picture of both.

measure     blocks of samples -> loudness, silence, clipping, spectrum; what is drawn of them
codes       the tokens of each stage -> how many, how varied, how repetitive
picture     waveform, mel spectrogram and tokens on one time axis, by matplotlib
mark        blocks of samples -> the comb that a codec leaves
detect      a file -> whether Bark made it: its tag, or such a mark
preview     a voice's own tokens -> their sound
model_file  a GGUF file of any model -> what it holds
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
