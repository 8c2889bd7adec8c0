// Who comes first in a live class: stuck, failing, running, idle, fine.
import type { LiveSubmissionFragment, RosterLineFragment, Verdict } from '../api/generated'

export type Standing = 'stuck' | 'failing' | 'running' | 'idle' | 'fine'

const order: Standing[] = ['stuck', 'failing', 'running', 'idle', 'fine']

export function standingOf(row: RosterLineFragment): Standing {
  if (row.isStuck) return 'stuck'
  if (row.consecutiveFailures > 0) return 'failing'
  if (!row.lastSubmission) return 'idle'
  return row.lastSubmission.attempt.state === 'FINISHED' ? 'fine' : 'running'
}

const byName = new Intl.Collator()

/** Within a group those who have waited longest for better days come first. */
export function arranged(rows: readonly RosterLineFragment[]): RosterLineFragment[] {
  return [...rows].sort(
    (one, other) =>
      order.indexOf(standingOf(one)) - order.indexOf(standingOf(other)) ||
      other.consecutiveFailures - one.consecutiveFailures ||
      byName.compare(one.member.user.displayName, other.member.user.displayName),
  )
}

/** What has not changed is the same object as before: the page leaves its row alone. */
export function renewed(
  before: readonly RosterLineFragment[],
  now: readonly RosterLineFragment[],
): RosterLineFragment[] {
  const known = new Map(before.map((row) => [row.member.user.id, row]))
  return now.map((row) => {
    const old = known.get(row.member.user.id)
    return old && JSON.stringify(old) === JSON.stringify(row) ? old : row
  })
}

/** New values in the old order; new students at the end. */
export function inPlace(
  before: readonly RosterLineFragment[],
  now: readonly RosterLineFragment[],
): RosterLineFragment[] {
  const places = new Map(before.map((row, index) => [row.member.user.id, index]))
  const place = (row: RosterLineFragment) => places.get(row.member.user.id) ?? before.length
  return [...now].sort((one, other) => place(one) - place(other))
}

/** As the service counts them: what somebody stopped and what failed by our fault is no failure. */
function isFailure(verdict: Verdict | null): boolean {
  return verdict !== null && !['OK', 'CANCELLED', 'SYSTEM_ERROR'].includes(verdict)
}

const stuckAfter = 3

/** The row once this is known of the newest run of the student; older runs change nothing. */
export function withRun(
  row: RosterLineFragment,
  submission: LiveSubmissionFragment,
): RosterLineFragment {
  const last = row.lastSubmission
  const isSame = last?.id === submission.id
  if (last && !isSame && last.createdAt >= submission.createdAt) return row
  const { state, verdict } = submission.attempt
  const submissionCount = row.submissionCount + (isSame ? 0 : 1)
  const next = { ...row, submissionCount, lastSubmission: submission }
  // What has finished already was counted.
  if (state !== 'FINISHED' || (isSame && last.attempt.state === 'FINISHED')) return next
  if (verdict === 'OK') {
    return { ...next, okCount: row.okCount + 1, consecutiveFailures: 0, isStuck: false }
  }
  if (!isFailure(verdict)) return next
  const consecutiveFailures = row.consecutiveFailures + 1
  return { ...next, consecutiveFailures, isStuck: consecutiveFailures >= stuckAfter }
}
