// Which page an address names.
export type Route =
  | { page: 'run' }
  | { page: 'history' }
  | { page: 'submission'; id: string }
  | { page: 'courses' }
  | { page: 'course'; id: string; view: CourseView }
  | { page: 'student'; id: string; userId: string }
  | { page: 'join'; code: string }
  | { page: 'account' }
  | { page: 'admin' }
  | { page: 'sign-in' }
  | { page: 'register' }
  | { page: 'unknown' }

export type CourseView = 'submissions' | 'live' | 'statistics' | 'students' | 'settings'

const courseViews = ['live', 'statistics', 'students', 'settings'] as const
const simple = ['history', 'courses', 'account', 'admin', 'sign-in', 'register'] as const

function courseRoute(id: string, view: string | undefined, userId: string | undefined): Route {
  if (view === undefined) return { page: 'course', id, view: 'submissions' }
  if (view === 'students' && userId !== undefined) return { page: 'student', id, userId }
  const known = courseViews.find((name) => name === view)
  return known ? { page: 'course', id, view: known } : { page: 'unknown' }
}

export function routeOf(path: string): Route {
  const [first, second, third, fourth, ...rest] = path.split('/').filter((part) => part !== '')
  if (rest.length > 0) return { page: 'unknown' }
  if (first === undefined) return { page: 'run' }
  if (first === 'courses' && second !== undefined) return courseRoute(second, third, fourth)
  if (third !== undefined) return { page: 'unknown' }
  if (first === 'submissions' && second !== undefined) return { page: 'submission', id: second }
  if (first === 'join' && second !== undefined) return { page: 'join', code: second }
  const page = simple.find((name) => name === first)
  return page && second === undefined ? { page } : { page: 'unknown' }
}
