// All runs of one student in a course, oldest first, with the size of the change before each.
import { query } from '../api/client'
import { CourseHistoryDocument, type SubmissionRowFragment } from '../api/generated'
import { pick } from '../api/loaded.svelte'
import type { Refusal } from '../api/refusal'
import { changeSize } from '../submission/diff'

export interface Point {
  row: SubmissionRowFragment
  changedLines: number
}

const pageSize = 100

export class Timeline {
  points = $state.raw<Point[]>([])
  refusal = $state.raw<Refusal | null>(null)
  isLoading = $state(true)
  hasEarlier = $state(false)

  readonly #courseId: string
  readonly #userId: string
  #rows: SubmissionRowFragment[] = []
  #cursor: string | null = null

  constructor(courseId: string, userId: string) {
    this.#courseId = courseId
    this.#userId = userId
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
    this.points = this.#rows.map((row, index) => ({
      row,
      changedLines: changeSize(this.#rows[index - 1]?.files ?? [], row.files),
    }))
  }
}
