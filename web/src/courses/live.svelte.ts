/* eslint-disable svelte/prefer-svelte-reactivity -- these maps are made anew and never changed */
// A class at work: one row per student, those in need of help first, moving as news comes in.
import { query } from '../api/client'
import {
  CourseActivityDocument,
  type CourseActivitySubscription,
  CourseChangesDocument,
  RosterDocument,
  type RosterLineFragment,
  type SubmissionFilter,
} from '../api/generated'
import type { Refusal } from '../api/refusal'
import { follow, type Link } from '../api/follow.svelte'
import { Frames } from '../run/frames'
import { Changes, type KnownRun } from './changes'
import { arranged, inPlace, renewed, withRun } from './ranking'

type News = CourseActivitySubscription['courseActivity']

/** Of so many students at a time the last runs are asked for: some ten of each. */
const studentsAtOnce = 10
const runsAtOnce = 100
/** What the service counts is asked for so long after news, for all the news that came since. */
const renewMs = 5_000
/** So long after a connection was made its subscriptions are in force. */
const settleMs = 300

export class LiveClass {
  rows = $state.raw<RosterLineFragment[]>([])
  changes = $state.raw<ReadonlyMap<string, readonly number[]>>(new Map())
  isLoading = $state(true)
  refusal = $state.raw<Refusal | null>(null)
  link = $state<Link>('connecting')
  /** Rows stay where they are while somebody is about to press one. */
  isHeld = $state(false)

  readonly #courseId: string
  readonly #known = new Changes()
  /** Students whose rows came into view; those in the queue wait for their charts. */
  readonly #seen = new Set<string>()
  readonly #queue: string[] = []
  #isCharting = false
  /** Up to when later runs of all students are known. */
  #knownUntil: string | null = null
  #cursor: string | null = null
  #renewal: ReturnType<typeof setTimeout> | undefined
  // A whole class that runs at once costs one change of the page.
  readonly #frames = new Frames<News>((news) => this.#show(news))

  constructor(courseId: string) {
    this.#courseId = courseId
  }

  /** Follows the class until the returned function is called. */
  open(): () => void {
    void this.load()
    const stop = follow(CourseActivityDocument, {
      variables: () => ({ courseId: this.#courseId, after: this.#cursor }),
      next: ({ courseActivity }) => {
        this.#cursor = courseActivity.cursor
        this.#frames.add(courseActivity)
        this.#renewal ??= setTimeout(() => void this.load(), renewMs)
      },
      link: (link) => {
        this.link = link
        // What happened before the news was heard of.
        if (link === 'live') this.#renewal ??= setTimeout(() => void this.load(), settleMs)
      },
      end: (refusal) => (this.refusal = refusal),
    })
    return () => {
      stop()
      this.#frames.clear()
      clearTimeout(this.#renewal)
    }
  }

  async load(): Promise<void> {
    clearTimeout(this.#renewal)
    this.#renewal = undefined
    const roster = await query(RosterDocument, { id: this.#courseId })
    this.isLoading = false
    this.refusal = roster.kind === 'refused' ? roster.refusal : null
    if (roster.kind === 'refused') return
    this.#arrange(renewed(this.rows, roster.data.course?.roster ?? []))
    await this.#renewChanges()
  }

  release(): void {
    this.isHeld = false
    this.rows = arranged(this.rows)
  }

  #arrange(rows: readonly RosterLineFragment[]): void {
    this.rows = this.isHeld ? inPlace(this.rows, rows) : arranged(rows)
  }

  /** What the news says, at once; what the service counts follows. */
  #show(news: readonly News[]): void {
    const rows = new Map(this.rows.map((row) => [row.member.user.id, row]))
    for (const { submission, attempt } of news) {
      const row = rows.get(submission.author.id)
      // A teacher who runs it once more changes nothing for the student.
      if (row && attempt.id === submission.attempt.id) {
        rows.set(submission.author.id, withRun(row, submission))
      }
    }
    this.#arrange([...rows.values()])
  }

  /** The row of a student came into view. */
  see(student: string): void {
    if (this.#seen.has(student)) return
    this.#seen.add(student)
    this.#queue.push(student)
    if (!this.#isCharting) void this.#chart()
  }

  async #chart(): Promise<void> {
    this.#isCharting = true
    // All rows that came into view at once.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const students = this.#queue.splice(0, studentsAtOnce)
      const runs = await this.#runs({ authorIds: students })
      this.#known.begin(students, runs)
      this.changes = new Map(this.#known.sizes)
    }
    this.#isCharting = false
  }

  /** What came in since the last time. */
  async #renewChanges(): Promise<void> {
    const times = this.rows.flatMap((row) => row.lastSubmission?.createdAt ?? [])
    const newest = times.reduce((one, other) => (one > other ? one : other), '')
    const createdAfter = this.#knownUntil
    this.#knownUntil = newest === '' ? null : newest
    if (createdAfter === null || createdAfter === this.#knownUntil) return
    this.#known.add(await this.#runs({ createdAfter }))
    this.changes = new Map(this.#known.sizes)
  }

  /** Oldest first; none where they cannot be had: the charts are no reason to complain. */
  async #runs(filter: SubmissionFilter): Promise<KnownRun[]> {
    const variables = { courseId: this.#courseId, first: runsAtOnce, filter }
    const result = await query(CourseChangesDocument, variables)
    return result.kind === 'ok' ? (result.data.course?.submissions.nodes ?? []).toReversed() : []
  }
}
