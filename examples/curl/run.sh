#!/bin/sh
# Runs a file and prints what it writes, as it comes: curl and python3, nothing else.
#
#   ./run.sh LANGUAGE FILE
set -eu
language=$1 file=$2
url=${CODECANVAS_SERVER:-http://localhost:10100}/graphql
: "${CODECANVAS_TOKEN:?an access token}"

post() {
  # The token goes in by a file descriptor: arguments can be read by other users of the machine.
  curl --silent --show-error --fail-with-body --no-buffer --header 'content-type: application/json' --header @- \
    --data-binary @"$1" ${2:+--header "$2"} "$url" <<HEADER
authorization: Bearer $CODECANVAS_TOKEN
HEADER
}

body=$(mktemp)
trap 'rm -f "$body"' EXIT

# 1. Hand in. A source becomes JSON by a JSON library, never by pasting strings together.
python3 - "$language" "$file" >"$body" <<'PY'
import json, sys
print(json.dumps({
    "query": """mutation ($input: SubmitCodeInput!) {
        submitCode(input: $input) { attempt { id } }
    }""",
    "variables": {"input": {"language": sys.argv[1], "source": open(sys.argv[2]).read()}},
}))
PY
attempt=$(post "$body" | python3 -c '
import json, sys
answer = json.load(sys.stdin)
if answer.get("errors"):
    sys.exit(answer["errors"][0]["message"])
print(answer["data"]["submitCode"]["attempt"]["id"])')

# 2. Follow. With `accept: text/event-stream` a subscription is a stream of server-sent events.
python3 - "$attempt" >"$body" <<'PY'
import json, sys
print(json.dumps({
    "query": """subscription ($id: ID!) {
        attemptEvents(attemptId: $id) {
            __typename
            ... on OutputChunk { kind stream bytes }
            ... on AttemptFinished { attempt { verdict steps { exitCode reason } } }
        }
    }""",
    "variables": {"id": sys.argv[1]},
}))
PY
post "$body" 'accept: text/event-stream' | python3 -c '
import base64, json, sys
for line in sys.stdin:
    if not line.startswith("data:") or not line[5:].strip():
        continue
    message = json.loads(line[5:])
    if message.get("errors"):
        sys.exit(message["errors"][0]["message"])
    event = message["data"]["attemptEvents"]
    if event["__typename"] == "OutputChunk":
        is_output = (event["kind"], event["stream"]) == ("RUN", "STDOUT")
        stream = (sys.stdout if is_output else sys.stderr).buffer
        stream.write(base64.b64decode(event["bytes"]))
        stream.flush()
    elif event["__typename"] == "AttemptFinished":
        attempt = event["attempt"]
        last = attempt["steps"][-1] if attempt["steps"] else {}
        if attempt["verdict"] != "OK":
            print(attempt["verdict"], last.get("reason") or "", file=sys.stderr)
        sys.exit(0 if attempt["verdict"] == "OK" else last.get("exitCode") or 1)
sys.exit("the stream ended early")'
