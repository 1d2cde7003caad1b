"""The machine underneath: files and folders written whole, interrupts held back, units, plots.

files, folders, parts   written whole or not at all
ours                    our own files in a folder that may be anybody's
records, toml, digest   JSON and TOML read with suspicion; values -> a hash
interrupts, complaints  Ctrl-C, at a moment that does no harm; what C libraries print, silenced
variables               switches in the environment
home, runtime           the user's home, and where their programs meet
units, excerpt, plots   what people read
later                   names of a package that are imported when first used
"""
