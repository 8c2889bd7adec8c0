// All runs of one student in a course, oldest first, with the size of the change before each.
import { query } from '../api/client'
import { follow } from '../api/follow.svelte'
import {
  CourseHistoryDocument,
  StudentNewsDocument,
  type StudentNewsSubscription,
  type SubmissionRowFragment,
} from '../api/generated'
import { pick } from '../api/loaded.svelte'
import type { Refusal } from '../api/refusal'
import { changeSize } from '../submission/diff'

export interface Point {
  row: SubmissionRowFragment
  changedLines: number
}

type News = StudentNewsSubscription['courseActivity']['submission']

const pageSize = 100

export class Timeline {
  points = $state.raw<Point[]>([])
  refusal = $state.raw<Refusal | null>(null)
  isLoading = $state(true)
  hasEarlier = $state(false)
  /** How many came in since the runs were loaded. */
  news = $state(0)

  readonly #courseId: string
  readonly #userId: string
  #rows: SubmissionRowFragment[] = []
  #cursor: string | null = null
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- only its size is shown
  readonly #new = new Set<string>()

  constructor(courseId: string, userId: string) {
    this.#courseId = courseId
    this.#userId = userId
  }

  /** Hears of what comes in until the returned function is called. It is announced, and moves nothing. */
  follow(): () => void {
    let after: string | null = null
    return follow(StudentNewsDocument, {
      variables: () => ({ courseId: this.#courseId, after }),
      next: ({ courseActivity: { cursor, submission } }) => {
        after = cursor
        if (submission.author.id === this.#userId) this.#take(submission)
      },
      link: () => {},
      end: () => {},
    })
  }

  /** From the newest on. */
  async reload(): Promise<void> {
    this.#rows = []
    this.#cursor = null
    await this.load()
  }

  #take({ id, attempt }: News): void {
    if (this.#rows.some((row) => row.id === id)) {
      this.#rows = this.#rows.map((row) =>
        row.id === id ? { ...row, attempt: { ...row.attempt, ...attempt } } : row,
      )
      this.#show()
    } else {
      this.#new.add(id)
      this.news = this.#new.size
    }
  }

  /** The next older hundred. */
  async load(): Promise<void> {
    this.isLoading = true
    const result = await query(CourseHistoryDocument, {
      courseId: this.#courseId,
      first: pageSize,
      after: this.#cursor,
      filter: { authorIds: [this.#userId] },
    })
    const page = pick(result, (data) => data.course?.submissions)
    this.isLoading = false
    this.refusal = page.kind === 'refused' ? page.refusal : null
    if (page.kind === 'refused') return
    this.#rows = [...page.data.nodes.toReversed(), ...this.#rows]
    this.#cursor = page.data.pageInfo.endCursor
    this.hasEarlier = page.data.pageInfo.hasNextPage
    this.#show()
  }

  #show(): void {
    // What was heard of while it was being loaded.
    for (const { id } of this.#rows) this.#new.delete(id)
    this.news = this.#new.size
    this.points = this.#rows.map((row, index) => ({
      row,
      changedLines: changeSize(this.#rows[index - 1]?.files ?? [], row.files),
    }))
  }
}
