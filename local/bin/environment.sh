# Sourced by dbt and psql beside this file. POSTGRES_HOST set: that server. Unset: the embedded
# server of this clone, whose address and password `make up` keeps in .local/server.env.
root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
if [ -z "$POSTGRES_HOST" ]; then
    if [ ! -r "$root/.local/server.env" ]; then
        echo "error: no server: run \`make up\` first, or set POSTGRES_HOST" >&2
        exit 1
    fi
    set -a
    . "$root/.local/server.env"
    set +a
fi
