import { expect, it } from 'vitest'
import type { LiveSubmissionFragment, RosterLineFragment, Verdict } from '../api/generated'
import { arranged, inPlace, renewed, standingOf, withRun } from './ranking'

function row(name: string, change: Partial<RosterLineFragment> = {}): RosterLineFragment {
  return {
    submissionCount: 0,
    okCount: 0,
    consecutiveFailures: 0,
    isStuck: false,
    lastSubmission: null,
    member: { role: 'STUDENT', user: { id: name, username: name, displayName: name } },
    ...change,
  }
}

function run(id: number, verdict: Verdict | null): LiveSubmissionFragment {
  const state = verdict === null ? 'RUNNING' : 'FINISHED'
  return {
    id: `sub_${id}`,
    language: 'c',
    createdAt: `2026-03-02T10:00:0${id}.000Z`,
    files: [],
    attempt: { id: `att_${id}`, state, verdict, startedAt: null, steps: [] },
  }
}

function ran(state: 'RUNNING' | 'FINISHED'): LiveSubmissionFragment {
  return run(1, state === 'FINISHED' ? 'OK' : null)
}

it('puts those who need help first', () => {
  const rows = [
    row('fine', { lastSubmission: ran('FINISHED') }),
    row('idle'),
    row('running', { lastSubmission: ran('RUNNING') }),
    row('failing', { consecutiveFailures: 1, lastSubmission: ran('FINISHED') }),
    row('stuck', { consecutiveFailures: 3, isStuck: true }),
    row('worse', { consecutiveFailures: 7, isStuck: true }),
  ]
  expect(arranged(rows).map((each) => each.member.user.id)).toEqual([
    'worse',
    'stuck',
    'failing',
    'running',
    'idle',
    'fine',
  ])
  expect(rows.map(standingOf)).toEqual(['fine', 'idle', 'running', 'failing', 'stuck', 'stuck'])
})

it('counts what comes in as the service does', () => {
  let shown = row('ada')
  const after = (id: number, verdict: Verdict | null) => {
    shown = withRun(shown, run(id, verdict))
    return [shown.submissionCount, shown.okCount, shown.consecutiveFailures, shown.isStuck]
  }
  expect(after(1, null)).toEqual([1, 0, 0, false])
  expect(after(1, 'RUNTIME_ERROR')).toEqual([1, 0, 1, false])
  // Told twice, counted once.
  expect(after(1, 'RUNTIME_ERROR')).toEqual([1, 0, 1, false])
  expect(after(2, 'COMPILE_ERROR')).toEqual([2, 0, 2, false])
  // What was stopped or failed by our fault is no failure.
  expect(after(3, 'CANCELLED')).toEqual([3, 0, 2, false])
  expect(after(4, 'SYSTEM_ERROR')).toEqual([4, 0, 2, false])
  expect(after(5, 'CPU_TIME_LIMIT')).toEqual([5, 0, 3, true])
  // An older run is no news.
  expect(after(2, 'OK')).toEqual([5, 0, 3, true])
  expect(shown.lastSubmission?.id).toBe('sub_5')
  expect(after(6, 'OK')).toEqual([6, 1, 0, false])
})

it('keeps rows in their places, and puts new ones at the end', () => {
  const names = inPlace([row('b'), row('a')], [row('a'), row('new'), row('b')])
  expect(names.map((each) => each.member.user.id)).toEqual(['b', 'a', 'new'])
})

it('leaves rows alone that have not changed', () => {
  const before = [row('ada'), row('bob')]
  const now = renewed(before, [row('bob', { submissionCount: 1 }), row('ada')])
  expect(now[1]).toBe(before[0])
  expect(now[0]?.submissionCount).toBe(1)
})
