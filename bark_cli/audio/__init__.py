"""Sound and where it goes: samples (N,) -> a file of any known format, a pipe, or the loudspeaker; and back.

sound       Audio, silence, pieces joined
formats     which there are; encoders, wav, ogg and aac make their bytes, piece by piece
sink        pieces of sound into a file or a pipe; source reads a file again
tags        what players show: title, author, cover, chapters
provenance  what made a sound, in the tags of its file
loudness    measured after ITU-R BS.1770, and normalised; level, of sound that comes in pieces
tempo       faster or slower at the same pitch; quiet, how much is silence
subtitles   what is said when, as .srt or .vtt
player      the loudspeaker; devices are what there is to choose from
notebook    a player in a cell

Formats are libsndfile's, through soundfile; playback is PortAudio's, through sounddevice. Both are imported
when first needed, because PortAudio may be missing altogether. So are these modules: a WAV needs few of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bark_cli.system.later import imported_later

if TYPE_CHECKING:
    from bark_cli.audio.devices import AudioDevice as AudioDevice
    from bark_cli.audio.devices import check_player as check_player
    from bark_cli.audio.devices import list_devices as list_devices
    from bark_cli.audio.formats import FORMAT_NAMES as FORMAT_NAMES
    from bark_cli.audio.formats import FORMATS as FORMATS
    from bark_cli.audio.formats import check_sound_file as check_sound_file
    from bark_cli.audio.formats import find_format as find_format
    from bark_cli.audio.level import Level as Level
    from bark_cli.audio.level import LevelledSink as LevelledSink
    from bark_cli.audio.loudness import LoudnessMeter as LoudnessMeter
    from bark_cli.audio.loudness import scaled as scaled
    from bark_cli.audio.notebook import player_html as player_html
    from bark_cli.audio.player import Player as Player
    from bark_cli.audio.player import play as play
    from bark_cli.audio.provenance import Provenance as Provenance
    from bark_cli.audio.provenance import hash_text as hash_text
    from bark_cli.audio.sink import Sink as Sink
    from bark_cli.audio.sink import encode as encode
    from bark_cli.audio.sink import open_sink as open_sink
    from bark_cli.audio.sink import save as save
    from bark_cli.audio.sound import Audio as Audio
    from bark_cli.audio.sound import faded as faded
    from bark_cli.audio.sound import join as join
    from bark_cli.audio.sound import pcm16 as pcm16
    from bark_cli.audio.sound import silence as silence
    from bark_cli.audio.source import SoundSource as SoundSource
    from bark_cli.audio.source import open_sound as open_sound
    from bark_cli.audio.source import read_provenance as read_provenance
    from bark_cli.audio.subtitles import Cue as Cue
    from bark_cli.audio.tags import Tags as Tags
    from bark_cli.audio.tags import check_tags_fit as check_tags_fit
    from bark_cli.audio.tags import parse_tags as parse_tags
    from bark_cli.audio.tags import read_cover as read_cover
    from bark_cli.audio.tempo import Tempo as Tempo

__getattr__ = imported_later(
    __name__,
    {
        "devices": ("AudioDevice", "check_player", "list_devices"),
        "formats": ("FORMAT_NAMES", "FORMATS", "check_sound_file", "find_format"),
        "level": ("Level", "LevelledSink"),
        "loudness": (
            "LoudnessMeter",
            "scaled",
        ),
        "notebook": ("player_html",),
        "player": ("Player", "play"),
        "provenance": ("Provenance", "hash_text"),
        "sink": ("Sink", "encode", "open_sink", "save"),
        "sound": ("Audio", "faded", "join", "pcm16", "silence"),
        "source": ("SoundSource", "open_sound", "read_provenance"),
        "subtitles": ("Cue",),
        "tags": ("Tags", "check_tags_fit", "parse_tags", "read_cover"),
        "tempo": ("Tempo",),
    },
)
