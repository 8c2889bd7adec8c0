// graphql-transport-ws, with the client that browsers use.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { EVENTS, checkEvents, finishedAttempt, guest, url } from './server.js';

function client(token, options) {
  return createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: token && { authorization: `Bearer ${token}` },
    lazyCloseTimeout: 0,
    retryAttempts: 0,
    ...options,
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
  assert.match(results[0].data.server.version, /^\d/);
});

test('an invalid document ends the operation, not the connection', async () => {
  const one = client();
  await assert.rejects(
    async () => {
      for await (const _ of one.iterate({ query: '{ nothing }' }));
    },
    (errors) => errors[0].extensions.code === 'INVALID_INPUT',
  );
  for await (const result of one.iterate({ query: '{ __typename }' })) assert.equal(result.data.__typename, 'Query');
});

test('a subscription, and the same from its middle', async () => {
  const token = await guest();
  const id = await finishedAttempt(token);
  const events = await collect(client(token).iterate({ query: EVENTS, variables: { id } }));
  assert.equal(checkEvents(events, 0), 'line 1\nline 2\nline 3\n');
  const after = events[2].cursor;
  const rest = await collect(client(token).iterate({ query: EVENTS, variables: { id, after } }));
  assert.deepEqual(rest, events.slice(3));
});

test('what is not yours is not there', async () => {
  const id = await finishedAttempt(await guest());
  const stranger = client(await guest());
  await assert.rejects(
    () => collect(stranger.iterate({ query: EVENTS, variables: { id } })),
    (errors) => errors[0].extensions.code === 'NOT_FOUND',
  );
});

test('a token that opens nothing', async () => {
  await assert.rejects(
    () => collect(client('ccs_gone').iterate({ query: '{ __typename }' })),
    (event) => event.code === 4403,
  );
});
