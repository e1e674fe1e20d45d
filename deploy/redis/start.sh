#!/bin/sh
# Starts Redis with the users of users.acl, for docker-compose.yml: sh start.sh [OPTION…], options as redis-server takes them.
#
#   REDIS_PASSWORD        of the user delivery_worker, for workers and senders
#   REDIS_ADMIN_PASSWORD  of the user delivery_admin; without it there is no such user
#   QUEUE_PREFIX          of the keys that delivery_worker may use (default: bull)
set -eu
: "${REDIS_PASSWORD:?is not set: the password of delivery_worker}"
folder=$(cd "$(dirname "$0")" && pwd)
users=${TMPDIR:-/tmp}/users.acl

sha256() { printf %s "$1" | sha256sum | cut -d ' ' -f 1; }

sed \
  -e "s|SHA256_OF_THE_PASSWORD_OF_THE_WORKER|$(sha256 "$REDIS_PASSWORD")|" \
  -e "s|~bull:\*|~${QUEUE_PREFIX:-bull}:*|" \
  -e "$(if [ -n "${REDIS_ADMIN_PASSWORD:-}" ]; then
    echo "s|SHA256_OF_THE_PASSWORD_OF_THE_ADMIN|$(sha256 "$REDIS_ADMIN_PASSWORD")|"
  else
    echo '/SHA256_OF_THE_PASSWORD_OF_THE_ADMIN/d'
  fi)" \
  "$folder/users.acl" >"$users"
# The script of the image gives /data to the user `redis`, and starts the server as that user.
exec docker-entrypoint.sh redis-server --aclfile "$users" "$@"
