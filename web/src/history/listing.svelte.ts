// An endless list of submissions, newest first; what comes in while it is read is announced, not pushed.
import { query } from '../api/client'
import { follow, type Link } from '../api/follow.svelte'
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
import { router } from '../app/router.svelte'
import { session } from '../app/session.svelte'
import { conditionsOf, type Filters, fits, noFilters } from './filters'

/** Whose submissions: the viewer's own, or all of a course that the viewer may see. */
export type Scope = { kind: 'own' } | { kind: 'course'; id: string }

const pageSize = 30
/** So long after a connection was made its subscriptions are in force. */
const settleMs = 300

/** A list as it was left. */
interface Left {
  /** Whose list of what: another person finds nothing. */
  name: string
  rows: SubmissionRowFragment[]
  hasMore: boolean
  cursor: string | null
}

/** By entry of the browser's history, so that going back finds the pages that were read. */
// eslint-disable-next-line svelte/prefer-svelte-reactivity -- it is read once, when a list begins
const left = new Map<string, Left>()
const mostLeft = 8

export class Listing {
  rows = $state.raw<SubmissionRowFragment[]>([])
  isLoading = $state(true)
  hasMore = $state(false)
  refusal = $state.raw<Refusal | null>(null)
  /** How many came in since the list was loaded. */
  news = $state(0)

  readonly #scope: Scope
  readonly #entry = router.entry
  #filters: Filters | null = null
  #cursor: string | null = null
  #latest = 0
  #settling: ReturnType<typeof setTimeout> | undefined
  // eslint-disable-next-line svelte/prefer-svelte-reactivity -- only its size is shown
  readonly #new = new Set<string>()

  constructor(scope: Scope) {
    this.#scope = scope
  }

  async load(filters: Filters): Promise<void> {
    this.#filters = filters
    const before = left.get(this.#entry)
    left.delete(this.#entry)
    if (before?.name === this.#name()) return this.#goOn(before)
    await this.reload()
  }

  async reload(): Promise<void> {
    this.#cursor = null
    await this.#read([])
  }

  async more(): Promise<void> {
    if (this.hasMore && !this.isLoading) await this.#read(this.rows)
  }

  /**
   * Hears of what comes in until the returned function is called, which leaves the list for whoever comes
   * back. `isOfAll`: not only the viewer's own.
   */
  follow(isOfAll: boolean): () => void {
    const stop = this.#hear(isOfAll)
    return () => {
      stop()
      clearTimeout(this.#settling)
      this.#leave()
    }
  }

  #leave(): void {
    if (this.rows.length === 0) return
    const { rows, hasMore } = this
    left.set(this.#entry, { name: this.#name(), rows, hasMore, cursor: this.#cursor })
    const [oldest] = left.keys()
    if (oldest !== undefined && left.size > mostLeft) left.delete(oldest)
  }

  #name(): string {
    return JSON.stringify([session.me?.id, this.#scope, this.#filters])
  }

  /** As it was left; what has changed at its top since is renewed, what is new is announced. */
  async #goOn({ rows, hasMore, cursor }: Left): Promise<void> {
    this.#latest += 1
    this.rows = rows
    this.hasMore = hasMore
    this.#cursor = cursor
    this.isLoading = false
    await this.#lookAgain()
  }

  /** At the top of the list, without moving it. */
  async #lookAgain(): Promise<void> {
    const own = this.#latest
    const result = await this.#page(null)
    if (own !== this.#latest || result.kind === 'refused') return
    for (const row of result.data.nodes.toReversed()) this.#update(row)
  }

  /** What came in after the list was read and before the news was heard of. */
  #settle(): void {
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => {
      if (this.isLoading) this.#settle()
      else void this.#lookAgain()
    }, settleMs)
  }

  #hear(isOfAll: boolean): () => void {
    const scope = this.#scope
    let after: string | null = null
    const link = (now: Link) => {
      if (now === 'live') this.#settle()
    }
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
    const result = await this.#page(this.#cursor)
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

  async #page(after: string | null): Promise<Result<SubmissionPageFragment>> {
    const scope = this.#scope
    const filter = conditionsOf(this.#filters ?? noFilters, scope.kind === 'course')
    const page = { first: pageSize, after, filter }
    if (scope.kind === 'own') {
      return pick(await query(HistoryDocument, page), (data) => data.viewer?.submissions)
    }
    const result = await query(CourseHistoryDocument, { courseId: scope.id, ...page })
    return pick(result, (data) => data.course?.submissions)
  }
}
