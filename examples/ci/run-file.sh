#!/bin/sh
# For a job of any CI service: runs one file of the repository in a box and fails when the program does.
#
#   variables of the job: CODECANVAS_SERVER, and CODECANVAS_TOKEN as a secret
#   needs the executable `codecanvas` on PATH, nothing of the server
set -eu
file=${1:?usage: run-file.sh FILE [EXPECTED-OUTPUT-FILE]}

output=$(mktemp)
trap 'rm -f "$output"' EXIT
code=0
codecanvas run "$file" </dev/null >"$output" || code=$?
cat "$output"
case $code in
  0) ;;
  65) echo "$file does not compile" >&2 ;;
  69) echo "the service cannot run it now: not the program's fault" >&2 ;;
  124) echo "$file takes too long" >&2 ;;
  *) echo "$file ended with $code" >&2 ;;
esac
[ "$code" = 0 ] || exit "$code"
if [ $# -gt 1 ]; then
  diff -u "$2" "$output"
fi
