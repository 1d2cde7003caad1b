"""A text of any length: composed into pieces, spoken in order, laid on a timeline.

recipe    what all pieces of a text share: voice, pauses, sampling, takes
compose   a Script and a Recipe -> a Narration, its pieces; losses says what cannot be read
narrate   the pieces of narrations -> their speech, in order; each asks a Session or a Bark for it
timeline  their sounds, the silence between, and when each is heard
kept      pieces kept on the disk until their text is all spoken
recite    all of it in one call, for Python
"""
