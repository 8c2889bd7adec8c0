// What a subscription needs of the wire, whichever wire it is.
import type { Refusal } from './refusal'

export interface Request {
  query: string
  variables: Record<string, unknown>
}

export interface Answer<Data> {
  data?: Data | null
  errors?: readonly { message: string; extensions?: Record<string, unknown> | undefined }[]
}

export interface Sink<Data> {
  /** The wire is open; what comes from now on comes at once. */
  live: () => void
  next: (answer: Answer<Data>) => void
  refused: (refusal: Refusal) => void
  /** The wire broke: whoever still wants the news asks again. */
  broken: () => void
  complete: () => void
}

export interface Transport {
  /** Starts a subscription; the returned function ends it. */
  open: <Data>(request: Request, sink: Sink<Data>) => () => void
  readonly isOpen: () => boolean
  /** How often in a row it could not be opened at all. */
  readonly failures: () => number
  /** Whether it was open at any time since the page was loaded. */
  readonly hasWorked: () => boolean
  /** Breaks what is open, so that it is opened anew by the person who is signed in now. */
  restart: () => void
}
