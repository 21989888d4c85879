# Writes each of MLflow's databases to a file of pg_dump: sh dump.sh FOLDER. PGHOST and the like say where.
set -eu
for database in mlflow mlflow_auth; do
  pg_dump --format=custom --no-owner --file="$1/$database.dump" "$database"
  pg_restore --list "$1/$database.dump" > /dev/null # a dump that cannot be read is none
done
