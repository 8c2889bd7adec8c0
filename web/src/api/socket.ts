// Subscriptions over graphql-transport-ws. The library would start a broken subscription again from
// where it began; `follow` starts it behind the last cursor instead, and says when it is waiting.
import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { stringifyDocument } from '@urql/core'
import { createClient } from 'graphql-ws'
import { type Refusal, refusalFrom } from './refusal'

/** `waiting`: the connection is lost and will be tried again. */
export type Link = 'connecting' | 'live' | 'waiting'

export interface Follower<Data, Variables> {
  /** Asked before each attempt to connect, so that a new one goes on behind the last event. */
  variables: () => Variables
  next: (data: Data) => void
  link: (link: Link) => void
  /** The stream has ended: as it should, or by a refusal. */
  end: (refusal: Refusal | null) => void
}

const firstRetryMs = 250
const longestRetryMs = 5_000
const pongWithinMs = 5_000

let socket: WebSocket | undefined
const connected = new Set<() => void>()
let isOpen = false
let pongTimer: ReturnType<typeof setTimeout> | undefined

const client = createClient({
  url: () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`,
  lazy: true,
  retryAttempts: 0,
  // A connection that died without a word is noticed by a ping that nobody answers.
  keepAlive: 10_000,
  on: {
    opened: (opened) => {
      socket = opened instanceof WebSocket ? opened : undefined
    },
    connected: () => {
      isOpen = true
      for (const tell of connected) tell()
    },
    ping: (isReceived) => {
      if (isReceived) return
      pongTimer = setTimeout(() => socket?.close(4408, 'No answer to a ping'), pongWithinMs)
    },
    pong: (isReceived) => {
      if (isReceived) clearTimeout(pongTimer)
    },
    closed: () => {
      isOpen = false
      clearTimeout(pongTimer)
    },
  },
})

/** The session cookie has changed: every subscription connects again as the new person. */
export function reconnect(): void {
  client.terminate()
}

/** The errors of an `error` message; null where the connection is what broke. */
function refusalIn(cause: unknown): Refusal | null {
  if (!Array.isArray(cause)) return null
  const first: unknown = cause[0]
  if (typeof first !== 'object' || first === null || !('message' in first)) return null
  const extensions = 'extensions' in first ? first.extensions : undefined
  return refusalFrom(
    String(first.message),
    typeof extensions === 'object' && extensions !== null ? { ...extensions } : {},
  )
}

/** Follows a subscription until it ends; the returned function stops it. */
export function follow<Data, Variables extends Record<string, unknown>>(
  document: TypedDocumentNode<Data, Variables>,
  follower: Follower<Data, Variables>,
): () => void {
  const query = stringifyDocument(document)
  let stop = () => {}
  let timer: ReturnType<typeof setTimeout> | undefined
  let retryMs = firstRetryMs
  let isStopped = false

  const live = () => follower.link('live')

  function end(refusal: Refusal | null) {
    isStopped = true
    connected.delete(live)
    follower.end(refusal)
  }

  function connect() {
    follower.link(isOpen ? 'live' : 'connecting')
    stop = client.subscribe<Data>(
      { query, variables: follower.variables() },
      {
        next: (message) => {
          if (isStopped) return
          const error = message.errors?.[0]
          if (error) return end(refusalFrom(error.message, error.extensions ?? {}))
          retryMs = firstRetryMs
          if (message.data) follower.next(message.data)
        },
        error: (cause) => {
          if (isStopped) return
          const refusal = refusalIn(cause)
          if (refusal) return end(refusal)
          follower.link('waiting')
          timer = setTimeout(connect, retryMs)
          retryMs = Math.min(retryMs * 2, longestRetryMs)
        },
        complete: () => {
          if (!isStopped) end(null)
        },
      },
    )
  }

  connected.add(live)
  connect()
  return () => {
    isStopped = true
    connected.delete(live)
    clearTimeout(timer)
    stop()
  }
}
