#!/bin/sh
# Runs a command with the environment Dagster needs: DAGSTER_HOME and DAGSTER_PG_*, made from LIQ_DATABASE_URL_FILE.
# Health checks begin without it, so they name it themselves.
set -eu
environment=$(liq env)
eval "$environment"
exec "$@"
