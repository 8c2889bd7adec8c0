// Where the axes of a chart end, and what stands below them.

/** An even number of the highest power of ten, or that power: half of it is whole and easy to read. */
export function niceTop(most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most)))
  const top = [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((value) => value >= most)
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

interface Tick {
  /** Of the period that it stands below. */
  index: number
  text: string
}

/** What stands below the starts of periods, no more than `most` of them and no more words than tell them apart. */
export function ticksFor(starts: readonly number[], periodMs: number, most: number): Tick[] {
  const [first, last] = [new Date(starts[0] ?? 0), new Date(starts.at(-1) ?? 0)]
  const dateOf = (index: number) => new Date(starts[index] ?? 0).toDateString()
  // In more than a week a weekday comes twice: there days have names, at their first period.
  const isByDay = periodMs >= dayMs || last.getTime() - first.getTime() > 6 * dayMs
  const format = isByDay ? day : first.toDateString() === last.toDateString() ? time : weekdayTime
  const places = starts
    .map((_, index) => index)
    .filter((index) => !isByDay || index === 0 || dateOf(index) !== dateOf(index - 1))
  const every = Math.ceil(places.length / Math.max(1, most))
  return places
    .filter((_, place) => place % every === 0)
    .map((index) => ({ index, text: format.format(new Date(starts[index] ?? 0)) }))
}
