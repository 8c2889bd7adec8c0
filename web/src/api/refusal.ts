// What the service says when it does not do what it was asked for, in words for people.
import type { CombinedError } from '@urql/core'

/** `offline` is ours; the others are the contract's. */
type RefusalCode =
  | 'offline'
  | 'UNAUTHENTICATED'
  | 'FORBIDDEN'
  | 'NOT_FOUND'
  | 'INVALID_INPUT'
  | 'CONFLICT'
  | 'RATE_LIMITED'
  | 'OVERLOADED'
  | 'TOO_COMPLEX'
  | 'INTERNAL'

export interface Refusal {
  code: RefusalCode
  /** A sentence that says what happened and what to do. */
  message: string
}

export type Result<Data> = { kind: 'ok'; data: Data } | { kind: 'refused'; refusal: Refusal }

const codes = {
  UNAUTHENTICATED: null,
  FORBIDDEN: 'Your account may not do this. Ask a teacher or an administrator.',
  NOT_FOUND: 'This does not exist, or you may not see it.',
  INVALID_INPUT: null,
  CONFLICT: null,
  RATE_LIMITED: 'That was too much at once.',
  OVERLOADED: 'The service has too much to do.',
  TOO_COMPLEX: 'That asked for too much at once. Narrow the filters and try again.',
  INTERNAL: 'Something broke on our side. Try again; if it stays, tell whoever runs this service.',
} as const

function isCode(code: unknown): code is keyof typeof codes {
  return typeof code === 'string' && code in codes
}

function inSeconds(retryAfterMs: unknown): string {
  if (typeof retryAfterMs !== 'number') return 'Try again in a moment.'
  const seconds = Math.max(1, Math.ceil(retryAfterMs / 1000))
  return seconds === 1 ? 'Try again in a second.' : `Try again in ${seconds} seconds.`
}

export function refusalFrom(message: string, extensions: Record<string, unknown>): Refusal {
  const code = isCode(extensions['code']) ? extensions['code'] : 'INTERNAL'
  if (code === 'RATE_LIMITED' || code === 'OVERLOADED') {
    return { code, message: `${codes[code]} ${inSeconds(extensions['retryAfterMs'])}` }
  }
  return { code, message: codes[code] ?? message }
}

export function refusalOf(error: CombinedError | undefined): Refusal {
  const first = error?.graphQLErrors[0]
  if (first) return refusalFrom(first.message, first.extensions)
  return {
    code: 'offline',
    message: 'The service cannot be reached. Check your connection and try again.',
  }
}
