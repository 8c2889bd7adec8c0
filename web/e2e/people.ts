// People for the tests: each has an account of their own, made through the API like any other.
import { randomUUID } from 'node:crypto'
import {
  type APIRequestContext,
  type Browser,
  expect,
  type Page,
  test as base,
} from '@playwright/test'

const password = 'correct horse battery staple'

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} must be set`)
  return value
}

async function graphql(
  request: APIRequestContext,
  origin: string,
  query: string,
  variables: Record<string, unknown> = {},
): Promise<Record<string, unknown>> {
  const response = await request.post('/graphql', {
    data: { query, variables },
    headers: { origin },
  })
  const answer: unknown = await response.json()
  expect(answer).not.toHaveProperty('errors')
  expect(answer).toHaveProperty('data')
  return isRecord(answer) && isRecord(answer['data']) ? answer['data'] : {}
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

/** The text at a path of an answer. */
export function at(data: unknown, ...path: string[]): string {
  let value = data
  for (const name of path) value = isRecord(value) ? value[name] : undefined
  expect(typeof value).toBe('string')
  return String(value)
}

export interface Someone {
  page: Page
  id: string
  username: string
  /** Sends an operation as this person. */
  ask: (query: string, variables?: Record<string, unknown>) => Promise<Record<string, unknown>>
  /** Runs a program to its end without looking at it. */
  run: (source: string, change?: Record<string, unknown>) => Promise<string>
}

async function visit(browser: Browser, baseURL: string): Promise<Page> {
  const context = await browser.newContext({ baseURL, viewport: { width: 1280, height: 800 } })
  return context.newPage()
}

async function someone(browser: Browser, origin: string, name: string): Promise<Someone> {
  const page = await visit(browser, origin)
  const username = `${name}-${randomUUID().slice(0, 13)}`
  const ask: Someone['ask'] = (query, variables) => graphql(page.request, origin, query, variables)
  const registered = await ask(
    'mutation ($input: RegisterInput!) { register(input: $input) { user { id } } }',
    { input: { username, password, displayName: name } },
  )
  const run: Someone['run'] = async (source, change = {}) => {
    const input = { language: 'python3', source, waitMs: 30_000, ...change }
    const data = await ask(
      'mutation ($input: SubmitCodeInput!) { submitCode(input: $input) { submission { id } } }',
      { input },
    )
    return at(data, 'submitCode', 'submission', 'id')
  }
  return { page, id: at(registered, 'register', 'user', 'id'), username, ask, run }
}

/** Whoever runs the service, signed in once: more often would be taken for guessing the password. */
interface Shared {
  admin: APIRequestContext
}

interface Fixtures {
  origin: string
  register: (name: string) => Promise<Someone>
  teacher: Someone
  student: Someone
}

export const test = base.extend<Fixtures, Shared>({
  // eslint-disable-next-line no-empty-pattern -- Playwright reads the pattern, and this needs nothing
  baseURL: async ({}, use) => {
    await use(required('CODECANVAS_URL'))
  },
  origin: async ({ baseURL }, use) => {
    await use(baseURL ?? '')
  },
  register: async ({ browser, origin }, use) => {
    const made: Someone[] = []
    await use(async (name) => {
      const person = await someone(browser, origin, name)
      made.push(person)
      return person
    })
    for (const person of made) await person.page.context().close()
  },
  student: async ({ register }, use) => {
    await use(await register('Ada'))
  },
  teacher: async ({ register, admin, origin }, use) => {
    const teacher = await register('Grace')
    await graphql(
      admin,
      origin,
      'mutation ($input: SetUserRoleInput!) { setUserRole(input: $input) { user { id } } }',
      { input: { userId: teacher.id, role: 'TEACHER' } },
    )
    await use(teacher)
  },
  admin: [
    async ({ playwright }, use) => {
      const baseURL = required('CODECANVAS_URL')
      const admin = await playwright.request.newContext({ baseURL })
      await graphql(
        admin,
        baseURL,
        'mutation ($input: SignInInput!) { signIn(input: $input) { user { id } } }',
        {
          input: {
            username: required('CODECANVAS_ADMIN_USERNAME'),
            password: required('CODECANVAS_ADMIN_PASSWORD'),
          },
        },
      )
      await use(admin)
      await admin.dispose()
    },
    { scope: 'worker' },
  ],
})

export { expect, password }
