"""Several tries at one piece, and the verdict on each.

attempt     says a piece as often as asked for, and keeps the best
take        how often that is, and what became of each try
expected    what a take of a text should be like, by `usual`: how the voice spoke before
verdict     how good a take is; repetition finds what is said twice
"""
