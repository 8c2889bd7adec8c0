import { expect, it } from 'vitest'
import type { RosterLineFragment } from '../api/generated'
import { arranged, standingOf } from './ranking'

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

function ran(state: 'RUNNING' | 'FINISHED'): RosterLineFragment['lastSubmission'] {
  return {
    id: 'sub_1',
    language: 'c',
    createdAt: '2026-03-02T10:00:00.000Z',
    attempt: { id: 'att_1', state, verdict: state === 'FINISHED' ? 'OK' : null, startedAt: null },
  }
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
