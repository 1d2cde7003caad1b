"""Many texts in, many sound files out: paths -> files in a folder or at a URL, and a ledger of what is done.

gather      what is asked for: folders, files, patterns, lists -> Items
items       the rows of a list -> Items; lists that are packed, or Parquet: `lists`
outputs     where each goes: below the folder, and no two to one place
identity    what decides how a sound comes out -> its key
ledger      what has been made -> `.bark-batch.jsonl`, one line each
index       where in the ledger a line is
destination where files lie: a folder of this machine
url         the same at a URL that many machines reach; and its `listing`
room        a name -> whether a file may take it
place       a finished file -> its name, and its line in the ledger before
begin       orders of workers that place files themselves -> their lines in the ledger before
shards/     finished files -> a data set in a few large files
plan        items and the ledger -> what is left to do; `outlook` remembers it in few bytes
order       a task and its text -> all that it takes to make it, on any machine
manner      how items are spoken: plain data that travels to where the model is
make        orders -> files without their names, all of them sharing the engine
run         what is left to do -> files with theirs
join        all files in one

A file appears whole, and what the ledger says of it is on the disk before it appears; so a batch can be
killed at any moment, and the same command goes on where it was.
"""
