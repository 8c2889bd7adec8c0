// The filters of a list of submissions, as the address bar keeps them.
import type { SubmissionFilter, SubmissionRowFragment, Verdict } from '../api/generated'
import { verdictOrder } from '../ui/verdict'

/** What went wrong with the program itself: nobody stopped it, and the service did its part. */
const failures = verdictOrder.filter(
  (verdict) => verdict !== 'OK' && verdict !== 'CANCELLED' && verdict !== 'SYSTEM_ERROR',
)
export type VerdictChoice = Verdict | 'FAILED' | ''

export interface Filters {
  language: string
  verdict: VerdictChoice
  course: string
  author: string
  /**
   * Days, as the person's calendar has them ("2026-03-02", both included), or instants of ISO 8601, the
   * second one excluded.
   */
  from: string
  to: string
  text: string
}

export const noFilters: Filters = {
  language: '',
  verdict: '',
  course: '',
  author: '',
  from: '',
  to: '',
  text: '',
}

const names = ['language', 'course', 'author', 'from', 'to', 'text'] as const

export function filtersOf(query: URLSearchParams): Filters {
  const filters = { ...noFilters }
  for (const name of names) filters[name] = query.get(name) ?? ''
  filters.verdict = verdictChoice(query.get('verdict'))
  return filters
}

export function verdictChoice(text: string | null): VerdictChoice {
  return text === 'FAILED' ? text : (verdictOrder.find((verdict) => verdict === text) ?? '')
}

function verdictsOf(choice: VerdictChoice): Verdict[] | null {
  if (choice === '') return null
  return choice === 'FAILED' ? failures : [choice]
}

export function isDay(text: string): boolean {
  return text === '' || /^\d{4}-\d\d-\d\d$/u.test(text)
}

/** The address of a list with these filters. */
export function addressOf(
  path: string,
  filters: Filters,
  more: Readonly<Record<string, string>> = {},
): string {
  const all = Object.entries({ ...filters, ...more })
  const query = new URLSearchParams(all.filter(([, value]) => value !== ''))
  return query.size === 0 ? path : `${path}?${query.toString()}`
}

function instantOf(text: string, daysLater: number): string | null {
  const date = new Date(isDay(text) ? `${text}T00:00:00` : text)
  if (text === '' || Number.isNaN(date.getTime())) return null
  if (isDay(text)) date.setDate(date.getDate() + daysLater)
  return date.toISOString()
}

/** What the service is asked for. `isWithinCourse`: the course is named elsewhere already. */
export function conditionsOf(filters: Filters, isWithinCourse: boolean): SubmissionFilter {
  const { language, verdict, course, author, from, to, text } = filters
  return {
    languages: language === '' ? null : [language],
    verdicts: verdictsOf(verdict),
    courseId: course === '' || isWithinCourse ? null : course,
    authorIds: author === '' ? null : [author],
    createdAfter: instantOf(from, 0),
    createdBefore: instantOf(to, 1),
    sourceContains: text === '' ? null : text,
  }
}

/** Whether a submission belongs in a list with these filters, as far as can be told from its row. */
export function fits(filters: Filters, row: SubmissionRowFragment): boolean {
  const { languages, verdicts, courseId, authorIds, createdAfter, createdBefore, sourceContains } =
    conditionsOf(filters, false)
  const text = sourceContains?.toLowerCase()
  return (
    (!languages || languages.includes(row.language)) &&
    (!verdicts || (row.attempt.verdict !== null && verdicts.includes(row.attempt.verdict))) &&
    (!courseId || row.course?.id === courseId) &&
    (!authorIds || authorIds.includes(row.author.id)) &&
    (!createdAfter || Date.parse(row.createdAt) >= Date.parse(createdAfter)) &&
    (!createdBefore || Date.parse(row.createdAt) < Date.parse(createdBefore)) &&
    (text === undefined || row.files.some((file) => file.text?.toLowerCase().includes(text)))
  )
}
