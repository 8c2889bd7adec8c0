// The filters of a list of submissions, as the address bar keeps them.
import type { SubmissionFilter, Verdict } from '../api/generated'
import { verdictOrder } from '../ui/verdict'

export interface Filters {
  language: string
  verdict: Verdict | ''
  course: string
  author: string
  /** Days, as the person's calendar has them: "2026-03-02". */
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
  filters.verdict = verdictOrder.find((verdict) => verdict === query.get('verdict')) ?? ''
  return filters
}

/** The address of a list with these filters. */
export function addressOf(path: string, filters: Filters): string {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value !== ''))
  return query.size === 0 ? path : `${path}?${query.toString()}`
}

function startOf(day: string, daysLater: number): string | null {
  const date = new Date(`${day}T00:00:00`)
  if (Number.isNaN(date.getTime())) return null
  date.setDate(date.getDate() + daysLater)
  return date.toISOString()
}

/** What the service is asked for. `isWithinCourse`: the course is named elsewhere already. */
export function conditionsOf(filters: Filters, isWithinCourse: boolean): SubmissionFilter {
  const { language, verdict, course, author, from, to, text } = filters
  return {
    languages: language === '' ? null : [language],
    verdicts: verdict === '' ? null : [verdict],
    courseId: course === '' || isWithinCourse ? null : course,
    authorIds: author === '' ? null : [author],
    createdAfter: startOf(from, 0),
    createdBefore: startOf(to, 1),
    sourceContains: text === '' ? null : text,
  }
}
