// Subscriptions as server-sent events (graphql-sse, distinct connections), for networks that let no
// WebSocket through: one response that does not end for each of them.
import { isRecord } from '../app/storage'
import { EventStream, type ServerEvent } from './eventStream'
import { type Refusal, refusalFrom } from './refusal'
import type { Answer, Request, Sink, Transport } from './transport'

/** The service sends a comment every 20 seconds: three missed ones, and the connection has died. */
const silenceMs = 60_000

const running = new Set<AbortController>()
let hasWorked = false
let failures = 0

/** What the service says fits the schema that the types come from. */
function isAnswer<Data>(value: unknown): value is Answer<Data> {
  return isRecord(value) && ('data' in value || 'errors' in value)
}

/** What is wrong with the request is answered in JSON, before any stream. */
async function refusalOf(response: Response): Promise<Refusal | null> {
  if (response.status >= 500) return null
  const answer: unknown = await response.json()
  const error = isAnswer<null>(answer) ? answer.errors?.[0] : undefined
  return error ? refusalFrom(error.message, error.extensions ?? {}) : null
}

/** True when the stream has come to its end. */
function handOn<Data>({ name, data }: ServerEvent, sink: Sink<Data>): boolean {
  if (name === 'complete') return true
  const answer: unknown = name === 'next' ? JSON.parse(data) : null
  if (isAnswer<Data>(answer)) sink.next(answer)
  return false
}

async function read<Data>(
  request: Request,
  sink: Sink<Data>,
  abort: AbortController,
): Promise<void> {
  let silence = setTimeout(() => abort.abort(), silenceMs)
  let isOpen = false
  try {
    const response = await fetch('/graphql', {
      method: 'POST',
      headers: { accept: 'text/event-stream', 'content-type': 'application/json' },
      body: JSON.stringify(request),
      signal: abort.signal,
    })
    if (!response.ok || !response.body) {
      const refusal = await refusalOf(response)
      if (refusal) return sink.refused(refusal)
      throw new Error(`The event stream was answered with ${response.status}.`)
    }
    isOpen = true
    hasWorked = true
    failures = 0
    sink.live()
    const stream = new EventStream()
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(silence)
      silence = setTimeout(() => abort.abort(), silenceMs)
      for (const event of stream.feed(part.value)) {
        if (handOn(event, sink)) return sink.complete()
      }
    }
    // Without "complete" it was cut.
    sink.broken()
  } catch {
    if (!isOpen) failures += 1
    sink.broken()
  } finally {
    clearTimeout(silence)
    running.delete(abort)
  }
}

export const eventStreams: Transport = {
  open: (request, sink) => {
    const abort = new AbortController()
    running.add(abort)
    void read(request, sink, abort)
    return () => abort.abort()
  },
  // Each has a connection of its own, which says itself when it is open.
  isOpen: () => false,
  failures: () => failures,
  hasWorked: () => hasWorked,
  restart: () => {
    for (const abort of running) abort.abort()
  },
}
