// Something that a person asked for by a button: in progress, refused, or done.
import type { Refusal, Result } from './refusal'

export class Action {
  isBusy = $state(false)
  refusal = $state.raw<Refusal | null>(null)

  /** Null when it was refused; the reason is in `refusal`. One at a time. */
  async run<Data>(request: () => Promise<Result<Data>>): Promise<Data | null> {
    if (this.isBusy) return null
    this.isBusy = true
    const result = await request()
    this.isBusy = false
    this.refusal = result.kind === 'refused' ? result.refusal : null
    return result.kind === 'ok' ? result.data : null
  }
}
