// Figures and times as people read them.

const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' })
const dayTime = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })
const dayMonth = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' })
const dayMonthTime = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
})
const dayMonthYear = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium' })

export function exactTime(instant: string): string {
  return dateTime.format(new Date(instant))
}

/** "now", "5 min ago", "14:03", "3 Mar", "3 Mar 2025". */
export function relativeTime(instant: string, now: number): string {
  const then = new Date(instant)
  const seconds = Math.round((now - then.getTime()) / 1000)
  if (seconds < 5) return 'now'
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  const today = new Date(now)
  if (then.toDateString() === today.toDateString()) return dayTime.format(then)
  if (then.getFullYear() === today.getFullYear()) return dayMonth.format(then)
  return dayMonthYear.format(then)
}

/** "0.02 s", "12.3 s", "2 min 5 s". */
export function duration(ms: number): string {
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
}

/** A limit: "2 s", "500 ms". */
export function roundDuration(ms: number): string {
  return ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`
}

/** "11 MB": whole numbers from ten on, in steps of 1024. */
export function size(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = unit > 0 && value < 10 ? 1 : 0
  return `${value.toFixed(digits).replace(/\.0$/, '')} ${units[unit] ?? ''}`
}

export function count(amount: number, one: string, many: string): string {
  return `${amount.toLocaleString()} ${amount === 1 ? one : many}`
}

const dayMs = 86_400_000

/** "23 Nov, 17:05 – 17:10", "23 Nov". */
export function periodWords(from: Date, to: Date): string {
  const lengthMs = to.getTime() - from.getTime()
  // Around a change of the clocks a day is an hour shorter.
  if (lengthMs > 1.5 * dayMs)
    return `${dayMonth.format(from)} – ${dayMonth.format(new Date(to.getTime() - 1))}`
  if (lengthMs > 0.9 * dayMs) return dayMonthTime.format(from)
  const isSameDay = from.toDateString() === to.toDateString()
  return `${dayMonthTime.format(from)} – ${isSameDay ? dayTime.format(to) : dayMonthTime.format(to)}`
}
