// A run as it was, with its own timing: play, pause, scrub, faster and slower. A run that still goes on
// is shown live, until somebody moves the slider.
import { AttemptEventsDocument } from '../api/generated'
import type { Refusal } from '../api/refusal'
import { follow, type Link } from '../api/follow.svelte'
import { Frames } from '../run/frames'
import { emptyRun, reduceAll, type Run, type RunEvent } from '../run/reduce'

export const speeds = [0.5, 1, 2, 4] as const

/** Where the clock of a replay starts: nobody wants to watch the queue. */
function startOf(events: readonly RunEvent[]): number {
  const started = events.find(
    (event) => event.__typename === 'StateChanged' && event.state !== 'QUEUED',
  )
  return Date.parse((started ?? events[0])?.at ?? '')
}

export class Replay {
  events = $state.raw<RunEvent[]>([])
  run = $state.raw<Run>(emptyRun)
  /** Milliseconds from the start. */
  position = $state(0)
  isPlaying = $state(false)
  speed = $state<(typeof speeds)[number]>(1)
  link = $state<Link>('connecting')
  refusal = $state.raw<Refusal | null>(null)

  readonly #start = $derived(startOf(this.events))
  readonly length = $derived(
    Math.max(0, Date.parse(this.events.at(-1)?.at ?? '') - this.#start) || 0,
  )
  readonly isFinished = $derived(this.events.at(-1)?.__typename === 'AttemptFinished')

  #taken = 0
  #isAtEnd = true
  #frame: number | undefined
  #stop = () => {}
  readonly #frames = new Frames<RunEvent>((events) => {
    this.events = [...this.events, ...events]
    if (this.#isAtEnd) this.#show(Number.POSITIVE_INFINITY)
  })

  open(attemptId: string): void {
    this.close()
    this.events = []
    this.run = { ...emptyRun, generation: this.run.generation + 1 }
    this.#taken = 0
    this.#isAtEnd = true
    this.refusal = null
    let cursor: string | null = null
    this.#stop = follow(AttemptEventsDocument, {
      variables: () => ({ attemptId, after: cursor }),
      next: ({ attemptEvents }) => {
        cursor = attemptEvents.cursor
        this.#frames.add(attemptEvents)
      },
      link: (link) => (this.link = link),
      end: (refusal) => {
        this.#frames.flush()
        this.refusal = refusal
      },
    })
  }

  close(): void {
    this.pause()
    this.#stop()
    this.#frames.clear()
  }

  play(): void {
    if (this.isPlaying || this.length === 0) return
    if (this.position >= this.length) this.seek(0)
    this.isPlaying = true
    let before = performance.now()
    const step = (now: number) => {
      const position = this.position + (now - before) * this.speed
      before = now
      if (position >= this.length) {
        this.pause()
        this.seek(this.length)
      } else {
        this.seek(position)
        this.#frame = requestAnimationFrame(step)
      }
    }
    this.#frame = requestAnimationFrame(step)
  }

  pause(): void {
    this.isPlaying = false
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame)
  }

  seek(position: number): void {
    this.#isAtEnd = position >= this.length
    this.#show(position)
  }

  #show(position: number): void {
    let until = this.#taken
    const isBefore = (index: number) => {
      const event = this.events[index]
      return event !== undefined && Date.parse(event.at) - this.#start <= position
    }
    if (position < this.position) {
      // Backwards there is only one way: from the beginning.
      until = 0
      this.#taken = 0
      this.run = { ...emptyRun, generation: this.run.generation + 1 }
    }
    while (isBefore(until)) until += 1
    this.run = reduceAll(this.run, this.events.slice(this.#taken, until))
    this.#taken = until
    this.position = Math.min(position, this.length)
  }
}
