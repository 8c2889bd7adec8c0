import { expect, it } from 'vitest'
import { routeOf } from './route'

it.each([
  ['/', { page: 'run' }],
  ['/history', { page: 'history' }],
  ['/submissions/sub_1', { page: 'submission', id: 'sub_1' }],
  ['/courses', { page: 'courses' }],
  ['/courses/crs_1', { page: 'course', id: 'crs_1', view: 'submissions' }],
  ['/courses/crs_1/live', { page: 'course', id: 'crs_1', view: 'live' }],
  ['/courses/crs_1/students', { page: 'course', id: 'crs_1', view: 'students' }],
  ['/courses/crs_1/students/usr_1', { page: 'student', id: 'crs_1', userId: 'usr_1' }],
  ['/join/7KX-94Q', { page: 'join', code: '7KX-94Q' }],
  ['/sign-in', { page: 'sign-in' }],
  ['/submissions', { page: 'unknown' }],
  ['/history/more', { page: 'unknown' }],
  ['/courses/crs_1/nothing', { page: 'unknown' }],
])('%s', (path, route) => {
  expect(routeOf(path)).toEqual(route)
})
