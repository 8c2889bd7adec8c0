// GraphQL over HTTP, as the npm package graphql-http audits it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { serverAudits } from 'graphql-http';
import { url } from './server.js';

const audits = serverAudits({ url: `${url}/graphql`, fetchFn: fetch });

test('there are as many audits as ever', () => {
  assert.ok(audits.length >= 61, `${audits.length} audits`);
});

describe('GraphQL over HTTP', () => {
  for (const audit of audits) {
    test(`${audit.id} ${audit.name}`, async () => {
      const result = await audit.fn();
      assert.equal(result.status, 'ok', result.reason);
    });
  }
});
