"""TOML (str) -> its tables, by the standard library or, before Python 3.11, the package it was made of."""

import sys

if sys.version_info >= (3, 11):
    from tomllib import loads as loads
else:
    from tomli import loads as loads
