// An endless list of submissions, newest first; what comes in while it is read is announced, not pushed.
import { query } from '../api/client'
import { follow } from '../api/follow.svelte'
import {
  CourseHistoryDocument,
  CourseNewsDocument,
  HistoryDocument,
  type SubmissionPageFragment,
  type SubmissionRowFragment,
  ViewerActivityDocument,
} from '../api/generated'
import { pick } from '../api/loaded.svelte'
import type { Refusal, Result } from '../api/refusal'
import { conditionsOf, type Filters, fits } from './filters'

/** Whose submissions: the viewer's own, or all of a course that the viewer may see. */
export type Scope = { kind: 'own' } | { kind: 'course'; id: string }

const pageSize = 30

export class Listing {
  rows = $state.raw<SubmissionRowFragment[]>([])
  isLoading = $state(true)
  hasMore = $state(false)
  refusal = $state.raw<Refusal | null>(null)
  /** How many came in since the list was loaded. */
  news = $state(0)

  readonly #scope: Scope
  #filters: Filters | null = null
  #cursor: string | null = null
  #latest = 0
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- only its size is shown
  readonly #new = new Set<string>()

  constructor(scope: Scope) {
    this.#scope = scope
  }

  async load(filters: Filters): Promise<void> {
    this.#filters = filters
    this.#cursor = null
    await this.#read([])
  }

  async reload(): Promise<void> {
    if (this.#filters) await this.load(this.#filters)
  }

  async more(): Promise<void> {
    if (this.hasMore && !this.isLoading) await this.#read(this.rows)
  }

  /** Hears of what comes in until the returned function is called. `isOfAll`: not only the viewer's own. */
  follow(isOfAll: boolean): () => void {
    const scope = this.#scope
    let after: string | null = null
    const link = () => {}
    const end = () => {}
    if (scope.kind === 'course' && isOfAll) {
      return follow(CourseNewsDocument, {
        variables: () => ({ courseId: scope.id, after }),
        next: ({ courseActivity: { cursor, submission } }) => {
          after = cursor
          this.#update(submission)
        },
        link,
        end,
      })
    }
    return follow(ViewerActivityDocument, {
      variables: () => ({ after }),
      next: ({ viewerActivity: { cursor, submission } }) => {
        after = cursor
        this.#update(submission)
      },
      link,
      end,
    })
  }

  /** A row that is shown is renewed in its place; one that is not is counted. */
  #update(row: SubmissionRowFragment): void {
    if (this.rows.some((shown) => shown.id === row.id)) {
      this.rows = this.rows.map((shown) => (shown.id === row.id ? row : shown))
    } else if (this.#isNews(row)) {
      this.#new.add(row.id)
      this.news = this.#new.size
    }
  }

  #isNews(row: SubmissionRowFragment): boolean {
    const isNewer = row.createdAt > (this.rows[0]?.createdAt ?? '')
    const isInScope = this.#scope.kind === 'own' || row.course?.id === this.#scope.id
    return isNewer && isInScope && this.#filters !== null && fits(this.#filters, row)
  }

  async #read(before: SubmissionRowFragment[]): Promise<void> {
    if (!this.#filters) return
    const own = ++this.#latest
    this.isLoading = true
    const result = await this.#page(this.#filters)
    if (own !== this.#latest) return
    this.isLoading = false
    this.refusal = result.kind === 'refused' ? result.refusal : null
    if (result.kind === 'refused') return
    this.rows = [...before, ...result.data.nodes]
    this.hasMore = result.data.pageInfo.hasNextPage
    this.#cursor = result.data.pageInfo.endCursor
    if (before.length === 0) {
      this.#new.clear()
      this.news = 0
    }
  }

  async #page(filters: Filters): Promise<Result<SubmissionPageFragment>> {
    const scope = this.#scope
    const filter = conditionsOf(filters, scope.kind === 'course')
    const page = { first: pageSize, after: this.#cursor, filter }
    if (scope.kind === 'own') {
      return pick(await query(HistoryDocument, page), (data) => data.viewer?.submissions)
    }
    const result = await query(CourseHistoryDocument, { courseId: scope.id, ...page })
    return pick(result, (data) => data.course?.submissions)
  }
}
