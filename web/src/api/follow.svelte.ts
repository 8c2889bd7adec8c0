// News from the service until it ends: over a WebSocket, or over plain HTTP where the network lets no
// WebSocket through. A broken subscription goes on behind its last event, and says when it waits.
import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { stringifyDocument } from '@urql/core'
import { eventStreams } from './events'
import { type Refusal, refusalFrom } from './refusal'
import { tryAgain, webSocket } from './socket'
import type { Transport } from './transport'

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
/** After so many failures in a row WebSockets are taken to be blocked. */
const blockedAfter = { never: 2, once: 5 } as const
/** Whether they still are is asked again after so long, and each time after twice as long. */
const firstTrialMs = 60_000
const longestTrialMs = 16 * firstTrialMs

class Connection {
  /** Whether news comes over plain HTTP, because no WebSocket gets through. */
  isFallback = $state(false)

  #trialMs = firstTrialMs
  #isTrying = false

  /** By which way the next attempt goes. */
  choose(): Transport {
    const tried = webSocket.failures() - blockedAfter[webSocket.hasWorked() ? 'once' : 'never']
    if (tried < 0) return webSocket
    // When the service is away both fail: in turn, so that the first one that works is taken.
    return tried < eventStreams.failures() ? webSocket : eventStreams
  }

  worked(transport: Transport): void {
    this.isFallback = transport === eventStreams
    if (!this.isFallback || this.#isTrying) return
    this.#isTrying = true
    setTimeout(() => void this.#tryAgain(), this.#trialMs)
  }

  /** A laptop is carried to another network: what goes over plain HTTP changes over, and loses nothing. */
  async #tryAgain(): Promise<void> {
    const isThrough = await tryAgain()
    this.#isTrying = false
    this.#trialMs = isThrough ? firstTrialMs : Math.min(this.#trialMs * 2, longestTrialMs)
    if (!isThrough) return this.worked(eventStreams)
    this.isFallback = false
    eventStreams.restart()
  }
}

export const connection = new Connection()

/** The session cookie has changed: every subscription connects again as the new person. */
export function reconnect(): void {
  webSocket.restart()
  eventStreams.restart()
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

  function end(refusal: Refusal | null) {
    isStopped = true
    follower.end(refusal)
  }

  function connect() {
    const transport = connection.choose()
    follower.link(transport.isOpen() ? 'live' : 'connecting')
    const unlessStopped = (act: () => void) => {
      if (!isStopped) act()
    }
    stop = transport.open<Data>(
      { query, variables: follower.variables() },
      {
        live: () =>
          unlessStopped(() => {
            connection.worked(transport)
            follower.link('live')
          }),
        next: ({ data, errors }) =>
          unlessStopped(() => {
            const error = errors?.[0]
            if (error) return end(refusalFrom(error.message, error.extensions ?? {}))
            retryMs = firstRetryMs
            if (data) follower.next(data)
          }),
        refused: (refusal) => unlessStopped(() => end(refusal)),
        broken: () =>
          unlessStopped(() => {
            follower.link('waiting')
            timer = setTimeout(connect, retryMs)
            retryMs = Math.min(retryMs * 2, longestRetryMs)
          }),
        complete: () => unlessStopped(() => end(null)),
      },
    )
  }

  connect()
  return () => {
    isStopped = true
    clearTimeout(timer)
    stop()
  }
}
