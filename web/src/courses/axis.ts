/** The next 1, 2 or 5 times a power of ten: where an axis ends. */
export function niceTop(most: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most)))
  return [1, 2, 5, 10].map((factor) => factor * power).find((top) => top >= most) ?? 1
}

/** The day of an instant in the calendar of the person: "2026-03-02". */
export function dayOf(instant: string): string {
  const date = new Date(instant)
  const two = (part: number) => String(part).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}
