// Subscriptions over graphql-transport-ws: one WebSocket for all of them.
import { createClient, GRAPHQL_TRANSPORT_WS_PROTOCOL, MessageType } from 'graphql-ws'
import { type Refusal, refusalFrom } from './refusal'
import type { Request, Sink, Transport } from './transport'

const pongWithinMs = 5_000
/** A network may swallow the attempt without a word. */
const openWithinMs = 6_000

let socket: WebSocket | undefined
const connected = new Set<() => void>()
let isOpen = false
let hasWorked = false
let failures = 0
let pongTimer: ReturnType<typeof setTimeout> | undefined
let openTimer: ReturnType<typeof setTimeout> | undefined

function address(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/graphql`
}

const client = createClient({
  url: address,
  lazy: true,
  retryAttempts: 0,
  // A connection that died without a word is noticed by a ping that nobody answers.
  keepAlive: 10_000,
  on: {
    connecting: () => {
      openTimer = setTimeout(() => client.terminate(), openWithinMs)
    },
    opened: (opened) => {
      socket = opened instanceof WebSocket ? opened : undefined
    },
    connected: () => {
      clearTimeout(openTimer)
      isOpen = true
      hasWorked = true
      failures = 0
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
      if (!isOpen) failures += 1
      isOpen = false
      clearTimeout(pongTimer)
      clearTimeout(openTimer)
    },
  },
})

/** Tries whether a WebSocket gets through now. If so, the next subscriptions go that way. */
export async function tryAgain(): Promise<boolean> {
  const attempt = new WebSocket(address(), GRAPHQL_TRANSPORT_WS_PROTOCOL)
  const timer = setTimeout(() => attempt.close(), openWithinMs)
  const isThrough = await new Promise<boolean>((done) => {
    attempt.onopen = () => attempt.send(JSON.stringify({ type: MessageType.ConnectionInit }))
    // The first message acknowledges the connection: data has passed in both directions.
    attempt.onmessage = () => done(true)
    attempt.onclose = () => done(false)
  })
  clearTimeout(timer)
  attempt.close()
  if (isThrough) failures = 0
  return isThrough
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

export const webSocket: Transport = {
  open: <Data>(request: Request, sink: Sink<Data>) => {
    connected.add(sink.live)
    const stop = client.subscribe<Data>(
      { ...request },
      {
        next: ({ data, errors }) =>
          sink.next({ data: data ?? null, ...(errors ? { errors } : {}) }),
        error: (cause) => {
          connected.delete(sink.live)
          const refusal = refusalIn(cause)
          if (refusal) sink.refused(refusal)
          else sink.broken()
        },
        complete: () => {
          connected.delete(sink.live)
          sink.complete()
        },
      },
    )
    return () => {
      connected.delete(sink.live)
      stop()
    }
  },
  isOpen: () => isOpen,
  failures: () => failures,
  hasWorked: () => hasWorked,
  restart: () => client.terminate(),
}
