/* eslint-disable svelte/prefer-svelte-reactivity -- these maps are made anew and never changed */
// A class at work: one row per student, those in need of help first, moving as news comes in.
import { query } from '../api/client'
import {
  CourseActivityDocument,
  CourseHistoryDocument,
  type LiveSubmissionFragment,
  RosterDocument,
  type RosterLineFragment,
} from '../api/generated'
import type { Refusal } from '../api/refusal'
import { follow, type Link } from '../api/follow.svelte'
import { changeSize } from '../submission/diff'
import { arranged } from './ranking'

/** How many changes the small chart of a row shows. */
const changesShown = 8
const recentRuns = 100
const renewMs = 1_500

export class LiveClass {
  rows = $state.raw<RosterLineFragment[]>([])
  /** Lines changed from run to run, oldest first, by student. */
  changes = $state.raw<ReadonlyMap<string, number[]>>(new Map())
  isLoading = $state(true)
  refusal = $state.raw<Refusal | null>(null)
  link = $state<Link>('connecting')
  /** Rows stay where they are while somebody is about to press one. */
  isHeld = $state(false)

  readonly #courseId: string
  #cursor: string | null = null
  #renewal: ReturnType<typeof setTimeout> | undefined

  constructor(courseId: string) {
    this.#courseId = courseId
  }

  /** Follows the class until the returned function is called. */
  open(): () => void {
    void this.load()
    const stop = follow(CourseActivityDocument, {
      variables: () => ({ courseId: this.#courseId, after: this.#cursor }),
      next: ({ courseActivity: { cursor, submission } }) => {
        this.#cursor = cursor
        this.#show(submission.author.id, submission)
        this.#renewal ??= setTimeout(() => void this.load(), renewMs)
      },
      link: (link) => (this.link = link),
      end: (refusal) => (this.refusal = refusal),
    })
    return () => {
      stop()
      clearTimeout(this.#renewal)
    }
  }

  async load(): Promise<void> {
    this.#renewal = undefined
    const courseId = this.#courseId
    const [roster, recent] = await Promise.all([
      query(RosterDocument, { id: courseId }),
      query(CourseHistoryDocument, { courseId, first: recentRuns }),
    ])
    this.isLoading = false
    if (roster.kind === 'refused') {
      this.refusal = roster.refusal
      return
    }
    this.refusal = null
    const students = roster.data.course?.roster ?? []
    this.rows = this.isHeld ? inPlace(this.rows, students) : arranged(students)
    if (recent.kind === 'ok') {
      this.changes = changesOf(recent.data.course?.submissions.nodes ?? [])
    }
  }

  release(): void {
    this.isHeld = false
    this.rows = arranged(this.rows)
  }

  /** The newest run of a student, at once; the counts follow with the next load. */
  #show(userId: string, submission: LiveSubmissionFragment): void {
    const rows = this.rows.map((row) => {
      if (row.member.user.id !== userId) return row
      const isOlder = row.lastSubmission && row.lastSubmission.createdAt > submission.createdAt
      return isOlder ? row : { ...row, lastSubmission: submission }
    })
    this.rows = this.isHeld ? rows : arranged(rows)
  }
}

/** New values in the old order; new students at the end. */
function inPlace(
  before: readonly RosterLineFragment[],
  now: readonly RosterLineFragment[],
): RosterLineFragment[] {
  const places = new Map(before.map((row, index) => [row.member.user.id, index]))
  const place = (row: RosterLineFragment) => places.get(row.member.user.id) ?? before.length
  return [...now].sort((one, other) => place(one) - place(other))
}

interface RecentRun {
  author: { id: string }
  files: readonly { path: string; text: string | null }[]
}

/** From runs, newest first. */
function changesOf(runs: readonly RecentRun[]): Map<string, number[]> {
  const byStudent = new Map<string, RecentRun[]>()
  for (const run of runs) {
    const own = byStudent.get(run.author.id) ?? []
    byStudent.set(run.author.id, [run, ...own])
  }
  return new Map(
    [...byStudent].map(([id, own]) => [
      id,
      own
        .map((run, index) => changeSize(own[index - 1]?.files ?? [], run.files))
        // The first one is as large as the whole program.
        .slice(1)
        .slice(-changesShown),
    ]),
  )
}
