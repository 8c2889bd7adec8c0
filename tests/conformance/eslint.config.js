// The schema by the rules of Relay and of the GraphQL community.
import { readFileSync } from 'node:fs';
import graphql from '@graphql-eslint/eslint-plugin';

const path = '../../schema.graphql';

export default [
  {
    files: ['**/*.graphql'],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: readFileSync(new URL(path, import.meta.url), 'utf8') } },
    },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...graphql.configs['flat/schema-recommended'].rules,
      ...graphql.configs['flat/schema-relay'].rules,
      // Edges may be wrapped by lists of other things as well.
      '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false, withEdgeSuffix: true }],
      // Payloads, counts and events are values: they have no identity of their own.
      '@graphql-eslint/strict-id-in-types': 'off',
      // "Session.sessionId" would be wrong, "TimeBucket.submissions" is right.
      '@graphql-eslint/no-typename-prefix': 'off',
      '@graphql-eslint/require-description': [
        'error',
        { types: true, FieldDefinition: true, InputValueDefinition: true, EnumValueDefinition: true, rootField: true },
      ],
    },
  },
];
