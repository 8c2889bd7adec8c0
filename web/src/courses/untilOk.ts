// How many runs students needed until the first one that finished, as a distribution.

export interface StudentRuns {
  /** From 1; null while none has finished. */
  untilOk: number | null
}

export const untilOkClasses = ['1', '2', '3', '4', '5', '6-10', '11+', 'none'] as const
export type UntilOk = (typeof untilOkClasses)[number]

export function untilOkClass({ untilOk }: StudentRuns): UntilOk {
  if (untilOk === null) return 'none'
  if (untilOk > 10) return '11+'
  if (untilOk > 5) return '6-10'
  return untilOkClasses[Math.max(1, untilOk) - 1] ?? '1'
}

/** So many students in each class, all classes in order. */
export function untilOkCounts(
  students: readonly StudentRuns[],
): { name: UntilOk; count: number }[] {
  return untilOkClasses.map((name) => ({
    name,
    count: students.filter((student) => untilOkClass(student) === name).length,
  }))
}

export function untilOkLabel(name: UntilOk): string {
  if (name === 'none') return 'none finished yet'
  if (name === '1') return '1 run'
  return `${name.replace('-', '–')} runs`
}
