# Sourced by the programs beside this file, which `make setup` puts on the virtual environment's
# path. POSTGRES_HOST set: that server. Unset: the embedded one of this clone, started if need be;
# its address and password are kept in .local/server.env.
root=$(cd "$(dirname "$(readlink -f "$0")")/../.." && pwd)
if [ -z "$POSTGRES_HOST" ]; then
    (cd "$root" && exec .venv/bin/python -m local up --quiet) || exit
    set -a
    . "$root/.local/server.env"
    set +a
fi
