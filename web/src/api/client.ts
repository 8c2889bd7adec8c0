// The one way to the service: queries and mutations over HTTP, subscriptions over a WebSocket.
import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { type AnyVariables, Client, type CombinedError, fetchExchange } from '@urql/core'
import { refusalOf, type Result } from './refusal'

const client = new Client({
  url: '/graphql',
  exchanges: [fetchExchange],
  preferGetMethod: false,
  fetchOptions: { credentials: 'same-origin' },
})

function result<Data>(answer: {
  data?: Data | undefined
  error?: CombinedError | undefined
}): Result<Data> {
  if (answer.error) return { kind: 'refused', refusal: refusalOf(answer.error) }
  if (answer.data === undefined) return { kind: 'refused', refusal: refusalOf(undefined) }
  return { kind: 'ok', data: answer.data }
}

/** Reads. Never throws: what went wrong is in the result. */
export async function query<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Result<Data>> {
  return result(await client.query(document, variables).toPromise())
}

/** Changes something. Never throws: what went wrong is in the result. */
export async function mutate<Data, Variables extends AnyVariables>(
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Result<Data>> {
  return result(await client.mutation(document, variables).toPromise())
}
