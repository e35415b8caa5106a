"""Makes the signing keys of a stopped server older, as if it had made them earlier: age_keys.py DATABASE MADE_AT_MS

Keys change after hours at the soonest, and no test waits that long. Tokens name their key by the time it was made: what the key
signed before does not fit it any more.
"""

import contextlib
import sqlite3
import sys


def age_keys(database, made_at):
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        changed = connection.execute("UPDATE keys SET created_at = ? WHERE kind LIKE 'dynamic-%'", (made_at,))
        if changed.rowcount < 1:
            raise ValueError(f"there are no keys in {database}")


if __name__ == "__main__":
    age_keys(sys.argv[1], int(sys.argv[2]))
