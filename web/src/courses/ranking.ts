// Who comes first in a live class: stuck, failing, running, idle, fine.
import type { RosterLineFragment } from '../api/generated'

export type Standing = 'stuck' | 'failing' | 'running' | 'idle' | 'fine'

const order: Standing[] = ['stuck', 'failing', 'running', 'idle', 'fine']

export function standingOf(row: RosterLineFragment): Standing {
  if (row.isStuck) return 'stuck'
  if (row.consecutiveFailures > 0) return 'failing'
  if (!row.lastSubmission) return 'idle'
  return row.lastSubmission.attempt.state === 'FINISHED' ? 'fine' : 'running'
}

/** Within a group those who have waited longest for better days come first. */
export function arranged(rows: readonly RosterLineFragment[]): RosterLineFragment[] {
  return [...rows].sort(
    (one, other) =>
      order.indexOf(standingOf(one)) - order.indexOf(standingOf(other)) ||
      other.consecutiveFailures - one.consecutiveFailures ||
      one.member.user.displayName.localeCompare(other.member.user.displayName),
  )
}
