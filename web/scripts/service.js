// A service that runs already, for the scripts beside this file: CODECANVAS_URL,
// CODECANVAS_ADMIN_USERNAME and CODECANVAS_ADMIN_PASSWORD say where it is and who may make teachers.
import { chromium } from '@playwright/test'

export const origin = process.env['CODECANVAS_URL'] ?? 'http://127.0.0.1:10100'
const password = 'correct horse battery staple'

export function launch() {
  return chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  })
}

/**
 * Sends an operation with the cookies of the page.
 * @param {import('@playwright/test').BrowserContext} context
 * @param {string} query
 * @param {Record<string, unknown>} [input]
 * @returns {Promise<any>}
 */
export async function ask(context, query, input) {
  const response = await context.request.post(`${origin}/graphql`, {
    data: { query, variables: { input } },
    headers: { origin },
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(errors[0].message)
  return data
}

/**
 * @param {import('@playwright/test').BrowserContext} context
 * @param {string} displayName
 * @returns {Promise<string>} the id
 */
export async function register(context, displayName) {
  const username = `${displayName.split(' ')[0]?.toLowerCase() ?? ''}-${Date.now().toString(36)}`
  const { register: made } = await ask(
    context,
    'mutation ($input: RegisterInput!) { register(input: $input) { user { id } } }',
    { username, password, displayName },
  )
  return made.user.id
}

/**
 * @param {import('@playwright/test').BrowserContext} context
 * @param {string} userId
 */
export async function makeTeacher(context, userId) {
  const input = {
    username: process.env['CODECANVAS_ADMIN_USERNAME'],
    password: process.env['CODECANVAS_ADMIN_PASSWORD'],
  }
  await ask(
    context,
    'mutation ($input: SignInInput!) { signIn(input: $input) { user { id } } }',
    input,
  )
  await ask(
    context,
    'mutation ($input: SetUserRoleInput!) { setUserRole(input: $input) { user { id } } }',
    {
      userId,
      role: 'TEACHER',
    },
  )
}
