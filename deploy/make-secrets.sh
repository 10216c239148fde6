#!/bin/sh
# Makes deploy/secrets/ with new passwords, once: what is there is kept, since the database was made with it.
set -eu
umask 077
folder=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)/secrets
mkdir -p "$folder"

# Hexadecimal, so that it needs no escaping in a URL.
new() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() {
    [ -s "$folder/$1" ] || { printf '%s' "$2" >"$folder/$1.new" && mv "$folder/$1.new" "$folder/$1"; }
    # Compose mounts files as they are, and the containers' users are not the one who runs this.
    chmod 644 "$folder/$1"
}

keep postgres_password "$(new)"
keep liq_password "$(new)"
keep redis_password "$(new)"
keep database_url "postgresql://liq:$(cat "$folder/liq_password")@postgres:5432/liquidations"
keep redis_url "redis://:$(cat "$folder/redis_password")@redis:6379/1"
printf '%s\n' "secrets are in $folder; keep that folder to yourself (mode 700)"
