// A run from the press of the button to its verdict: submits, follows, types, stops, reconnects.
import { mutate, query } from '../api/client'
import {
  AttemptEventsDocument,
  CancelDocument,
  QueuePositionDocument,
  SubmitCodeDocument,
  type SubmissionRowFragment,
  type SubmitCodeInput,
} from '../api/generated'
import type { Refusal } from '../api/refusal'
import { follow, type Link } from '../api/follow.svelte'
import { session } from '../app/session.svelte'
import { Frames } from './frames'
import { emptyRun, reduceAll, type RunEvent } from './reduce'
import { Typing } from './typing.svelte'

type Phase =
  | { kind: 'idle' }
  | { kind: 'submitting' }
  | { kind: 'following'; attemptId: string; submissionId: string }
  | { kind: 'finished'; attemptId: string; submissionId: string }
  | { kind: 'refused'; refusal: Refusal }

const queuePollMs = 1_500

class LiveRun {
  phase = $state.raw<Phase>({ kind: 'idle' })
  run = $state.raw(emptyRun)
  link = $state<Link>('connecting')
  /** Whether the connection was lost since the run began. */
  hasReconnected = $state(false)
  queuePosition = $state<number | null>(null)
  isInteractive = $state(false)
  isStopping = $state(false)
  /** When the run was, if it is an earlier one. */
  reviewedAt = $state<string | null>(null)
  typing = $state.raw<Typing | null>(null)

  readonly isBusy = $derived(this.phase.kind === 'submitting' || this.phase.kind === 'following')
  readonly mayType = $derived(
    this.isInteractive && this.phase.kind === 'following' && this.run.isInputOpen,
  )

  #stop = () => {}
  #queueTimer: ReturnType<typeof setInterval> | undefined
  readonly #frames = new Frames<RunEvent>((events) => this.#take(events))

  async start(input: SubmitCodeInput): Promise<void> {
    if (this.isBusy) return
    this.#reset()
    this.phase = { kind: 'submitting' }
    this.isInteractive = input.isInteractive === true
    const entered = await session.enterAsGuest()
    if (entered.kind === 'refused') return this.#refuse(entered.refusal)
    const result = await mutate(SubmitCodeDocument, { input })
    if (result.kind === 'refused') return this.#refuse(result.refusal)
    const { attempt, submission } = result.data.submitCode
    this.#follow(attempt.id, submission.id)
  }

  /** Shows an earlier run; one that still goes on is shown live. */
  review(row: SubmissionRowFragment): void {
    if (this.isBusy) return
    this.#reset()
    this.isInteractive = false
    this.reviewedAt = row.createdAt
    this.#follow(row.attempt.id, row.id)
  }

  /** Stop may be pressed before the service has answered: then it waits for the answer. */
  async cancel(): Promise<void> {
    if (this.phase.kind !== 'following') return
    this.isStopping = true
    const result = await mutate(CancelDocument, { input: { attemptId: this.phase.attemptId } })
    if (result.kind === 'refused') {
      this.isStopping = false
      this.typing?.complain(result.refusal.message)
    }
  }

  #reset(): void {
    this.#stop()
    this.#frames.clear()
    this.run = { ...emptyRun, generation: this.run.generation + 1 }
    this.link = 'connecting'
    this.hasReconnected = false
    this.queuePosition = null
    this.isStopping = false
    this.typing = null
    this.reviewedAt = null
  }

  #refuse(refusal: Refusal): void {
    clearInterval(this.#queueTimer)
    this.phase = { kind: 'refused', refusal }
  }

  #follow(attemptId: string, submissionId: string): void {
    this.phase = { kind: 'following', attemptId, submissionId }
    this.typing = new Typing(attemptId)
    this.#queueTimer = setInterval(() => void this.#askForPosition(attemptId), queuePollMs)
    this.#stop = follow(AttemptEventsDocument, {
      variables: () => {
        this.#frames.flush()
        return { attemptId, after: this.run.cursor }
      },
      next: (data) => this.#frames.add(data.attemptEvents),
      link: (link) => {
        if (link === 'waiting') this.hasReconnected = true
        this.link = link
      },
      end: (refusal) => {
        this.#frames.flush()
        if (refusal) this.#refuse(refusal)
      },
    })
  }

  #take(events: readonly RunEvent[]): void {
    this.run = reduceAll(this.run, events)
    if (this.run.state !== 'QUEUED') this.queuePosition = null
    if (this.run.state !== 'FINISHED' || this.phase.kind !== 'following') return
    const { attemptId, submissionId } = this.phase
    clearInterval(this.#queueTimer)
    this.isStopping = false
    this.phase = { kind: 'finished', attemptId, submissionId }
  }

  async #askForPosition(attemptId: string): Promise<void> {
    if (this.run.state !== 'QUEUED') return clearInterval(this.#queueTimer)
    const result = await query(QueuePositionDocument, { attemptId })
    if (result.kind === 'ok') this.queuePosition = result.data.attempt?.queuePosition ?? null
  }
}

export const liveRun = new LiveRun()
