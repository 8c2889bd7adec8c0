// How much students change from run to run, from what is known of their runs.
import { changeSize } from '../submission/diff'

/** How many changes the small chart of a row shows. */
const changesShown = 8

export interface KnownRun {
  createdAt: string
  author: { id: string }
  files: readonly { path: string; text: string | null }[]
}

export class Changes {
  /** Lines changed from run to run, oldest first, by student. */
  readonly sizes = new Map<string, readonly number[]>()
  readonly #last = new Map<string, KnownRun>()

  /** The last runs of these students, oldest first. Only of them later runs are taken in. */
  begin(students: readonly string[], runs: readonly KnownRun[]): void {
    for (const student of students) this.sizes.set(student, [])
    this.add(runs)
  }

  /** Takes runs in, oldest first; those that are known are skipped. */
  add(runs: readonly KnownRun[]): void {
    for (const run of runs) {
      const student = run.author.id
      const sizes = this.sizes.get(student)
      const before = this.#last.get(student)
      if (!sizes || (before && before.createdAt >= run.createdAt)) continue
      this.#last.set(student, run)
      // The first one is as large as the whole program.
      if (!before) continue
      this.sizes.set(student, [...sizes, changeSize(before.files, run.files)].slice(-changesShown))
    }
  }
}
