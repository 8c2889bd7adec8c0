// The server under test, and an account on it. `run` starts the server and says where it is.
import assert from 'node:assert/strict';

export const url = process.env.CODECANVAS_SERVER;
assert.ok(url, 'CODECANVAS_SERVER must say where the server is; ./run does all of it');

// The data of an operation that succeeds.
export async function ask(query, variables, token) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });
  const answer = await response.json();
  assert.equal(answer.errors, undefined, JSON.stringify(answer.errors));
  return answer.data;
}

// The token of a new throw-away account.
export async function guest() {
  const data = await ask('mutation { signInAsGuest { token } }');
  return data.signInAsGuest.token;
}

// Hands in a program that writes three lines, and waits for its end.
export async function finishedAttempt(token) {
  const data = await ask(
    `mutation ($input: SubmitCodeInput!) { submitCode(input: $input) { attempt { id state verdict } } }`,
    { input: { language: 'bash', source: 'for n in 1 2 3; do echo line $n; sleep 0.05; done', waitMs: 30000 } },
    token,
  );
  assert.equal(data.submitCode.attempt.verdict, 'OK');
  return data.submitCode.attempt.id;
}

export const EVENTS = `subscription ($id: ID!, $after: String) {
  attemptEvents(attemptId: $id, after: $after) {
    __typename cursor sequence
    ... on OutputChunk { text }
    ... on AttemptFinished { attempt { verdict } }
  }
}`;

// What a subscription is worth: dense from `first`, the text as it was written, the verdict at the end.
export function checkEvents(events, first) {
  assert.deepEqual(
    events.map((event) => event.sequence),
    events.map((_, index) => first + index),
  );
  assert.equal(events.at(-1).__typename, 'AttemptFinished');
  assert.equal(events.at(-1).attempt.verdict, 'OK');
  return events.map((event) => event.text ?? '').join('');
}
