# shellcheck shell=sh
set -eu
data=/var/lib/postgresql/data
if [ ! -d "$data" ]; then
  password=$(mktemp)
  echo "$POSTGRES_PASSWORD" > "$password"
  initdb --pgdata "$data" --username "$POSTGRES_USER" --pwfile "$password" --auth scram-sha-256 >/dev/null
  echo "host all all all scram-sha-256" >> "$data/pg_hba.conf"
  pg_ctl --pgdata "$data" --wait start >/dev/null
  PGPASSWORD="$POSTGRES_PASSWORD" createdb --username "$POSTGRES_USER" --host 127.0.0.1 "$POSTGRES_DB" 2>/dev/null || true
  pg_ctl --pgdata "$data" --wait stop >/dev/null
fi
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp
