"""A speech server over HTTP: OpenAI's speech route and a page, requests of many clients -> one Session.

run        a listening socket and what to serve -> the server, until it is stopped
app        the routes, put together
access     who may ask: key, Host, Origin, sizes; accounts: an id, a log line and figures for each request
order      a request's JSON -> SpeechOrder; schema is what it may hold, openapi tells the world
speech     SpeechOrder -> the sound of it, while it is made; recital makes it on a thread of its own
speaker    the model that is served: loaded, let go when idle, and loaded again
caller     one client's requests to the session; channel carries their bytes from a thread to a task
metrics    figures for Prometheus
local      the door for `bark say` on this machine; `remote` is its other side
listing    models and voices, and the names that other programs call them by
problem    errors as OpenAI's clients understand them
wyoming    Home Assistant's door, beside HTTP
mcp        an assistant's: tools on standard input and output
page       the demo page: files that any browser shows, served as they are
"""
