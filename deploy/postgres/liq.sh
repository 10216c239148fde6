#!/bin/sh
# Run once by the image when the data volume is new: a login for the pipeline that is no superuser, and its databases.
# It may create roles, because the schema makes liq_pipeline, liq_loader and liq_reader.
set -eu
password=$(cat /run/secrets/liq_password)
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres --set password="$password" <<'SQL'
CREATE ROLE liq LOGIN CREATEROLE PASSWORD :'password';
CREATE DATABASE liquidations OWNER liq;
CREATE DATABASE liquidations_dagster OWNER liq;
SQL
