# Puts what dump.sh wrote back: sh restore.sh FOLDER. Each dump becomes a new database; when all are there,
# they change names with those in use, at once. What was in use stays, as NAME_before_TIME.
set -eu
time=$(date -u +%Y%m%d%H%M%S)
swap=""
for database in mlflow mlflow_auth; do
  new="$database"_"$time" old="$database"_before_"$time"
  createdb "$new"
  pg_restore --no-owner --exit-on-error --single-transaction --dbname="$new" "$1/$database.dump"
  swap="$swap ALTER DATABASE $database RENAME TO $old; ALTER DATABASE $new RENAME TO $database;"
done
psql --dbname=postgres --quiet --set=ON_ERROR_STOP=1 --single-transaction --command="$swap"
echo "restored; before: NAME_before_$time"
