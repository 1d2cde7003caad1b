"""Speech from a server of the same user on this machine, as if the model were loaded here; no torch needed.

wire       frames: facts and arrays <-> bytes; SpeechRequest, Speech and Progress as such
identity   what decides a sound beside the request: a server of another is not asked
reach      a server that is there -> RemoteBark, if it would say everything just as we would
client     RemoteBark: requests -> handles, from the server or, when it fails, from a Bark of our own
"""
