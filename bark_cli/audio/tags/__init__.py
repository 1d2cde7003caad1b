"""What players show of a sound file: Tags and chapters -> the same file with them, in each format's way.

model   the tags there are, and their names in each format
vorbis  comments of Ogg and FLAC, pictures and cue sheets
id3     the frames of MP3
write   a finished file -> the same with tags
mp4     by way of ffmpeg: .m4b and .m4a
"""

from bark_cli.audio.tags.model import ChapterMark, Tags, check_tags_fit, parse_tags, read_cover

__all__ = ["ChapterMark", "Tags", "check_tags_fit", "parse_tags", "read_cover"]
