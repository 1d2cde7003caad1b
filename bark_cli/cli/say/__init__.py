"""`bark say`: text -> a sound file, a pipe, or the loudspeaker."""
