"""Sound and where it goes: samples (N,) -> a file of any known format, a pipe, or the loudspeaker; and back.

sound       Audio, silence, pieces joined
formats     which there are; encoders, wav and ogg make their bytes, piece by piece
sink        pieces of sound into a file or a pipe; source reads a file again
tags        what players show: title, author, cover, chapters
provenance  what made a sound, in the tags of its file
loudness    measured after ITU-R BS.1770, and normalised; level, of sound that comes in pieces
tempo       faster or slower at the same pitch
subtitles   what is said when, as .srt or .vtt
player      the loudspeaker; devices are what there is to choose from
cell        a player in a notebook

Formats are libsndfile's, through soundfile; playback is PortAudio's, through sounddevice. Both are imported
when first needed, because PortAudio may be missing altogether.
"""

from bark_cli.audio.cell import player_html
from bark_cli.audio.devices import AudioDevice, check_player, list_devices
from bark_cli.audio.formats import FORMAT_NAMES, FORMATS, check_sound_file, find_format
from bark_cli.audio.level import Level, LevelledSink
from bark_cli.audio.loudness import (
    LoudnessMeter,
    loudness_gain,
    measure_loudness,
    normalise_loudness,
    normalise_peak,
    peak_gain,
    scaled,
)
from bark_cli.audio.player import Player, play
from bark_cli.audio.provenance import Provenance, hash_text
from bark_cli.audio.sink import Sink, WavPipe, encode, open_sink, save
from bark_cli.audio.sound import Audio, faded, join, pcm16, silence
from bark_cli.audio.source import SoundSource, open_sound, read_provenance
from bark_cli.audio.subtitles import Cue, subtitles
from bark_cli.audio.tags import FIELDS as TAG_NAMES
from bark_cli.audio.tags import ChapterMark, Tags, check_tags_fit, parse_tags, read_cover
from bark_cli.audio.tempo import Tempo
from bark_cli.audio.wav import wav_header

__all__ = [
    "FORMATS",
    "FORMAT_NAMES",
    "TAG_NAMES",
    "Audio",
    "AudioDevice",
    "ChapterMark",
    "Cue",
    "Level",
    "LevelledSink",
    "LoudnessMeter",
    "Player",
    "Provenance",
    "Sink",
    "SoundSource",
    "Tags",
    "Tempo",
    "WavPipe",
    "check_player",
    "check_sound_file",
    "check_tags_fit",
    "encode",
    "faded",
    "find_format",
    "hash_text",
    "join",
    "list_devices",
    "loudness_gain",
    "measure_loudness",
    "normalise_loudness",
    "normalise_peak",
    "open_sink",
    "open_sound",
    "parse_tags",
    "pcm16",
    "peak_gain",
    "play",
    "player_html",
    "read_cover",
    "read_provenance",
    "save",
    "scaled",
    "silence",
    "subtitles",
    "wav_header",
]
