# Puts what dump.sh wrote back: sh restore.sh FOLDER. What a database has now is replaced, all or nothing.
set -eu
for database in mlflow mlflow_auth; do
  pg_restore --list "$1/$database.dump" > /dev/null
done
for database in mlflow mlflow_auth; do
  pg_restore --clean --if-exists --no-owner --exit-on-error --single-transaction \
    --dbname="$database" "$1/$database.dump"
  echo "$database is restored"
done
