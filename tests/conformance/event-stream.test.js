// graphql-sse, distinct connections mode, with the client of the protocol's author.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'graphql-sse';
import { EVENTS, checkEvents, finishedAttempt, guest, url } from './server.js';

function client(token, headers) {
  return createClient({
    url: `${url}/graphql`,
    headers: { ...(token && { authorization: `Bearer ${token}` }), ...headers },
    retryAttempts: 0,
  });
}

async function collect(iterator) {
  const events = [];
  for await (const result of iterator) {
    assert.equal(result.errors, undefined, JSON.stringify(result.errors));
    events.push(result.data.attemptEvents);
  }
  return events;
}

test('a query', async () => {
  const results = [];
  for await (const result of client().iterate({ query: '{ server { version } }' })) results.push(result);
  assert.equal(results.length, 1);
});

test('an invalid document', async () => {
  const results = [];
  for await (const result of client().iterate({ query: '{ nothing }' })) results.push(result);
  assert.equal(results.length, 1);
  assert.equal(results[0].errors[0].extensions.code, 'INVALID_INPUT');
});

test('a subscription, and the same from its middle', async () => {
  const token = await guest();
  const id = await finishedAttempt(token);
  const events = await collect(client(token).iterate({ query: EVENTS, variables: { id } }));
  assert.equal(checkEvents(events, 0), 'line 1\nline 2\nline 3\n');
  const resumed = client(token, { 'last-event-id': events[2].cursor });
  const rest = await collect(resumed.iterate({ query: EVENTS, variables: { id } }));
  assert.deepEqual(rest, events.slice(3));
});

test('the id of an event is its cursor', async () => {
  const token = await guest();
  const variables = JSON.stringify({ id: await finishedAttempt(token) });
  const query = 'subscription ($id: ID!) { attemptEvents(attemptId: $id) { sequence } }';
  const response = await fetch(`${url}/graphql?${new URLSearchParams({ query, variables })}`, {
    headers: { accept: 'text/event-stream', authorization: `Bearer ${token}` },
  });
  assert.equal(response.headers.get('content-type'), 'text/event-stream');
  const events = (await response.text()).split('\n\n').filter((event) => event.startsWith('event: next'));
  assert.ok(events.length >= 5);
  events.forEach((event, index) => assert.match(event, new RegExp(`\nid: e${index.toString(16)}$`)));
});

test('a token that opens nothing', async () => {
  await assert.rejects(async () => {
    for await (const _ of client('ccs_gone').iterate({ query: '{ __typename }' }));
  });
});
