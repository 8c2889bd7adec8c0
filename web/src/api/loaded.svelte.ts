// Something that comes from the service: on its way, refused, or there.
import { untrack } from 'svelte'
import type { Refusal, Result } from './refusal'

export type LoadState<Data> =
  { kind: 'loading' } | { kind: 'refused'; refusal: Refusal } | { kind: 'ready'; data: Data }

export class Loaded<Data> {
  state = $state.raw<LoadState<Data>>({ kind: 'loading' })
  readonly data = $derived(this.state.kind === 'ready' ? this.state.data : null)
  #latest = 0

  /** What was there stays until the answer comes; only the latest request counts. */
  async load(request: Promise<Result<Data>>): Promise<void> {
    const own = ++this.#latest
    // An effect that loads depends on what it asks for, not on what came of it: it would ask for ever.
    if (untrack(() => this.state.kind) === 'refused') this.state = { kind: 'loading' }
    const result = await request
    if (own !== this.#latest) return
    this.state =
      result.kind === 'ok'
        ? { kind: 'ready', data: result.data }
        : { kind: 'refused', refusal: result.refusal }
  }

  set(data: Data): void {
    this.#latest += 1
    this.state = { kind: 'ready', data }
  }
}

/** The part of an answer that is asked for; what may not be seen is not there. */
export function pick<Data, Part>(
  result: Result<Data>,
  part: (data: Data) => Part | null | undefined,
): Result<Part> {
  if (result.kind === 'refused') return result
  const found = part(result.data)
  if (found !== null && found !== undefined) return { kind: 'ok', data: found }
  const message = 'This does not exist, or you may not see it.'
  return { kind: 'refused', refusal: { code: 'NOT_FOUND', message } }
}
