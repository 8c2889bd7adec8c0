"""Runs a file and prints what it writes, as it comes.

    pip install -r requirements.txt
    python run.py LANGUAGE FILE [ARGUMENT…]
"""

import asyncio
import base64
import os
import sys

from gql import Client, GraphQLRequest, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportQueryError

SUBMIT = gql("""
    mutation Submit($input: SubmitCodeInput!) {
      submitCode(input: $input) { attempt { id } }
    }
""")

EVENTS = gql("""
    subscription Events($id: ID!) {
      attemptEvents(attemptId: $id) {
        __typename
        ... on OutputChunk { kind stream bytes }
        ... on AttemptFinished { attempt { verdict steps { exitCode reason } } }
      }
    }
""")


async def run(language, path, arguments):
    url = os.environ.get("CODECANVAS_SERVER", "http://localhost:10100") + "/graphql"
    authorization = "Bearer " + os.environ["CODECANVAS_TOKEN"]
    with open(path, encoding="utf-8") as file:
        submission = {"language": language, "source": file.read(), "arguments": arguments}

    http = AIOHTTPTransport(url=url, headers={"authorization": authorization})
    async with Client(transport=http) as session:
        answer = await session.execute(GraphQLRequest(SUBMIT, variable_values={"input": submission}))
    attempt_id = answer["submitCode"]["attempt"]["id"]

    # On a WebSocket the token goes into the first message.
    socket = AIOHTTPWebsocketsTransport(
        url=url.replace("http", "ws", 1),
        subprotocols=[AIOHTTPWebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
        init_payload={"authorization": authorization},
    )
    async with Client(transport=socket) as session:
        async for message in session.subscribe(GraphQLRequest(EVENTS, variable_values={"id": attempt_id})):
            event = message["attemptEvents"]
            if event["__typename"] == "OutputChunk":
                is_output = (event["kind"], event["stream"]) == ("RUN", "STDOUT")
                stream = (sys.stdout if is_output else sys.stderr).buffer
                stream.write(base64.b64decode(event["bytes"]))
                stream.flush()
            elif event["__typename"] == "AttemptFinished":
                return event["attempt"]
    raise RuntimeError("the stream ended early")


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        attempt = asyncio.run(run(sys.argv[1], sys.argv[2], sys.argv[3:]))
    except TransportQueryError as error:
        # Refusals are meant for people to read.
        sys.exit(error.errors[0]["message"] if error.errors else str(error))
    if attempt["verdict"] == "OK":
        return
    last = attempt["steps"][-1] if attempt["steps"] else {}
    print(attempt["verdict"], last.get("reason") or "", file=sys.stderr)
    sys.exit(last.get("exitCode") or 1)


if __name__ == "__main__":
    main()
