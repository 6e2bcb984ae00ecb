#!/usr/bin/env bash
# Sends one request to each function that serves requests. The argument is the URL of the server. No request needs a token or changes
# anything. Fails if a response is missing or has status 5xx.
set -euo pipefail
url=$1
failed=0
for path in /fhir/metadata '/fhir/$export' /jobs/none/customize /jobs/none/status /jobs/none/download/none /my /staff /patient-login; do
  status=$(curl --silent --show-error --max-time 30 --output /dev/null --write-out '%{http_code}' "$url$path") || true
  case $status in
    [234]??) ;;
    *)
      echo "GET $path: $status" >&2
      failed=1
      ;;
  esac
done
exit "$failed"
