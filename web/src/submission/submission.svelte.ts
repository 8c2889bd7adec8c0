// One submission with its attempts and remarks.
import { mutate, query } from '../api/client'
import {
  AddFeedbackDocument,
  type AddFeedbackInput,
  type AttemptHeadFragment,
  type RemarkFragment,
  RerunDocument,
  type SubmissionDetailFragment,
  SubmissionDetailsDocument,
} from '../api/generated'
import { Loaded, pick } from '../api/loaded.svelte'
import type { Result } from '../api/refusal'
import { session } from '../app/session.svelte'

export class SubmissionView {
  readonly loaded = new Loaded<SubmissionDetailFragment>()
  /** The attempt that was chosen; the one that counts until then. */
  chosenId = $state<string | null>(null)
  /** Begins a comment on the line under the pointer; null where there is none. */
  commentThere: (() => void) | null = null
  #id = ''

  readonly attempt = $derived.by((): AttemptHeadFragment | null => {
    const data = this.loaded.data
    if (!data) return null
    const wanted = this.chosenId ?? data.attempt.id
    return data.attempts.find((attempt) => attempt.id === wanted) ?? data.attempts[0] ?? null
  })
  readonly isOwn = $derived(this.loaded.data?.author.id === session.me?.id)
  /** Teachers and assistants of its course may comment. */
  readonly mayComment = $derived.by(() => {
    const role = this.loaded.data?.course?.viewerRole
    return role === 'TEACHER' || role === 'ASSISTANT'
  })

  async open(id: string): Promise<void> {
    if (id !== this.#id) this.chosenId = null
    this.commentThere = null
    this.#id = id
    await this.load()
  }

  async load(): Promise<void> {
    const request = query(SubmissionDetailsDocument, { id: this.#id })
    await this.loaded.load(request.then((result) => pick(result, (data) => data.submission)))
  }

  /** The new attempt is shown live. */
  async rerun(): Promise<Result<unknown>> {
    const result = await mutate(RerunDocument, { input: { submissionId: this.#id } })
    if (result.kind === 'ok') {
      await this.load()
      this.chosenId = result.data.rerunSubmission.attempt.id
    }
    return result
  }

  async comment(input: Omit<AddFeedbackInput, 'submissionId'>): Promise<Result<RemarkFragment>> {
    const answer = await mutate(AddFeedbackDocument, {
      input: { submissionId: this.#id, ...input },
    })
    const result = pick(answer, (data) => data.addFeedback.feedback)
    const data = this.loaded.data
    if (result.kind === 'ok' && data) {
      this.loaded.set({ ...data, feedback: [...data.feedback, result.data] })
    }
    return result
  }
}
