"""Wyoming, by which Home Assistant speaks: events on a TCP connection -> sound of the same Session.

door    a socket that listens -> its clients, and what each of them asks for
events  bytes -> events of bounded size, and what is in them; after github.com/OHF-Voice/wyoming
words   a text that comes bit by bit -> parts that can be said already
"""
