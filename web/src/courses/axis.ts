// Where the axes of a chart end, and what stands below them.

/** The next 1, 2 or 5 times a power of ten, and at least 2: half of it is a whole number or easy to read. */
export function niceTop(most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most)))
  const top = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= most)
  return Math.max(2, top ?? 2)
}

const dayMs = 86_400_000
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const weekdayTime = new Intl.DateTimeFormat(undefined, {
  weekday: 'short',
  hour: '2-digit',
  minute: '2-digit',
})
const day = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })

/** How a chart names the starts of its periods: no more than tells them apart. */
export function tickFormat(first: Date, last: Date, periodMs: number): Intl.DateTimeFormat {
  if (periodMs >= dayMs) return day
  return first.toDateString() === last.toDateString() ? time : weekdayTime
}
