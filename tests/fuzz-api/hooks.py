"""What schemathesis needs to know of this API: who asks, which ids there are, how scalars are written,
and what must never come back.

Everything is asked for by the last admin of a service of its own, by an access token: neither can be lost by
what is tried.
"""

import base64
import json
import os
import urllib.request

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

URL = os.environ["CODECANVAS_URL"] + "/graphql"

CODES = {
    "UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "INVALID_INPUT", "CONFLICT", "RATE_LIMITED", "OVERLOADED",
    "TOO_COMPLEX",
}  # fmt: skip

# What only whoever runs the server may read. In lower case.
TELLTALES = ("postgres", "relation ", "constraint", "sqlx", "select ", "insert into", "panicked", ".rs:", "backtrace")


def ask(query, token=None, **variables):
    request = urllib.request.Request(URL, json.dumps({"query": query, "variables": variables}).encode())
    request.add_header("content-type", "application/json")
    if token:
        request.add_header("authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = json.load(response)
    assert "errors" not in answer, answer
    return answer["data"]


def sign_in():
    credentials = {
        "username": os.environ["CODECANVAS_ADMIN_USERNAME"],
        "password": os.environ["CODECANVAS_ADMIN_PASSWORD"],
    }
    signed_in = ask("mutation($input: SignInInput!) { signIn(input: $input) { token } }", input=credentials)
    create = 'mutation { createAccessToken(input: { name: "fuzzing" }) { secret } }'
    return ask(create, signed_in["signIn"]["token"])["createAccessToken"]["secret"]


def ids(token):
    """One of each thing."""
    course = ask('mutation { createCourse(input: { title: "C" }) { course { id } } }', token)["createCourse"]["course"]
    submit = """mutation($course: ID!) { submitCode(input: {
        language: "bash", source: "echo 1; echo 2 >&2", courseId: $course, waitMs: 60000 }) {
        submission { id } attempt { id } } }"""
    submitted = ask(submit, token, course=course["id"])["submitCode"]
    remark = 'mutation($id: ID!) { addFeedback(input: { submissionId: $id, body: "Good." }) { feedback { id } } }'
    remark = ask(remark, token, id=submitted["submission"]["id"])["addFeedback"]["feedback"]
    rest = ask(
        "{ viewer { id sessions { id } } languages { id } server { workers { id } } }",
        token,
    )
    found = [course, submitted["submission"], submitted["attempt"], remark, rest["viewer"]]
    found += rest["viewer"]["sessions"] + rest["languages"] + rest["server"]["workers"]
    return [thing["id"] for thing in found]


TOKEN = sign_in()
IDS = ids(TOKEN)

schemathesis.graphql.scalar(
    "ID",
    (st.sampled_from(IDS) | st.sampled_from(["sub_", "lng_7a", "crs_" + "0" * 32]) | st.text()).map(nodes.String),
)
schemathesis.graphql.scalar(
    "DateTime",
    (st.datetimes().map(lambda at: at.isoformat() + "Z") | st.sampled_from(["9999-12-31T23:59:60Z", "0", ""])).map(
        nodes.String
    ),
)
schemathesis.graphql.scalar(
    "Base64", (st.binary().map(lambda raw: base64.b64encode(raw).decode()) | st.text()).map(nodes.String)
)
schemathesis.graphql.scalar("Long", st.integers(-(2**64), 2**64).map(nodes.Int))


@schemathesis.hook
def before_call(context, case, kwargs):
    case.headers["Authorization"] = f"Bearer {TOKEN}"


@schemathesis.check
def nothing_of_ours_breaks(context, response, case):
    assert response.status_code < 500, response.status_code
    answer = response.json()
    for error in answer.get("errors", []):
        code = error.get("extensions", {}).get("code")
        assert code in CODES, f"{code}: {error['message']}"
        message = error["message"].lower()
        found = [word for word in TELLTALES if word in message]
        assert not found, f"{found}: {error['message']}"
