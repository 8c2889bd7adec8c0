// What is typed into a running program: sent in order, each piece exactly once, also when an answer
// is lost on the way. The service ignores a repeat of an offset that it has taken already.
import { mutate } from '../api/client'
import { WriteStdinDocument } from '../api/generated'
import { encoder } from './reduce'

interface Write {
  text: string
  isEnd: boolean
}

const retryMs = 1_000

export class Typing {
  /** What went wrong with the last write; null when all went well. */
  problem = $state<string | null>(null)
  isEnded = $state(false)

  readonly #attemptId: string
  readonly #queue: Write[] = []
  #offset = 0
  #isSending = false

  constructor(attemptId: string) {
    this.#attemptId = attemptId
  }

  send(text: string): void {
    this.#add({ text, isEnd: false })
  }

  end(): void {
    if (this.isEnded) return
    this.isEnded = true
    this.#add({ text: '', isEnd: true })
  }

  complain(problem: string): void {
    this.problem = problem
  }

  #add(write: Write): void {
    this.#queue.push(write)
    if (!this.#isSending) void this.#send()
  }

  async #send(): Promise<void> {
    this.#isSending = true
    for (let write = this.#queue[0]; write; write = this.#queue[0]) {
      const { text, isEnd } = write
      const result = await mutate(WriteStdinDocument, {
        input: { attemptId: this.#attemptId, offset: this.#offset, text, isEnd },
      })
      if (result.kind === 'refused' && result.refusal.code === 'offline') {
        this.problem = 'Connection lost. What you typed is sent when it is back.'
        await new Promise((resolve) => setTimeout(resolve, retryMs))
        continue
      }
      this.#queue.shift()
      if (result.kind === 'ok') {
        this.problem = null
        this.#offset = Math.max(
          this.#offset + encoder.encode(text).length,
          result.data.writeStdin.nextOffset,
        )
      } else {
        this.problem = result.refusal.message
      }
    }
    this.#isSending = false
  }
}
