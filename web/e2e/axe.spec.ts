import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { at, expect, test } from './people'
import { openRunPage, output, run, write } from './runPage'

/** Themes differ in their colours and in nothing else: what does not look at these is asked once. */
const aboutColours = ['color-contrast', 'link-in-text-block']

/** What axe finds on the page as it is, in both themes. */
async function check(page: Page): Promise<void> {
  await expect(page.getByRole('heading', { level: 1 })).toBeAttached()
  await expect(page.locator('[aria-busy="true"], .skeleton')).toHaveCount(0)
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    await expect(page.locator('html')).toHaveAttribute('data-theme', theme)
    await findNothing(page, theme === 'light' ? [] : aboutColours)
  }
}

/** By all rules, or by those that are named. */
async function findNothing(page: Page, rules: string[]): Promise<void> {
  // The app has no frames: axe needs no page of its own to put together what it found in them.
  const axe = new AxeBuilder({ page }).setLegacyMode()
  if (rules.length > 0) axe.withRules(rules)
  const { violations } = await axe.analyze()
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' | ')}`,
  )
  expect(found, page.url()).toEqual([])
}

// Many pages, each in both themes.
test.setTimeout(600_000)

test('pages for nobody in particular', async ({ page }) => {
  for (const address of [
    '/',
    '/sign-in',
    '/register',
    '/history',
    '/join/ABC-DEF',
    '/no/such/page',
  ]) {
    await page.goto(address)
    await check(page)
  }
})

test('pages on a phone', async ({ student }) => {
  const { page } = student
  await page.setViewportSize({ width: 390, height: 844 })
  await openRunPage(page)
  await check(page)
  await page.getByRole('button', { name: 'Run', exact: true }).click()
  await expect(output(page)).toContainText('Hello')
  await check(page)
  for (const address of ['/history', '/account', '/courses']) {
    await page.goto(address)
    await check(page)
  }
})

test('the Run page with output, errors and input', async ({ student }) => {
  const { page } = student
  await openRunPage(page)
  await write(page, 'import sys\nprint("\\x1b[31mred\\x1b[0m")\nprint(nothing)')
  await run(page)
  await expect(output(page)).toContainText('NameError')
  for (const theme of ['Light', 'Dark', 'High contrast']) {
    await page.getByRole('button', { name: 'Settings' }).click()
    await page.getByLabel('Theme').selectOption(theme)
    await page.keyboard.press('Escape')
    await findNothing(page, theme === 'Light' ? [] : aboutColours)
  }
})

test('pages of a student and of a teacher', async ({ student, teacher }) => {
  const made = await teacher.ask(
    'mutation { createCourse(input: { title: "Axe" }) { course { id joinCode } } }',
  )
  const courseId = at(made, 'createCourse', 'course', 'id')
  await student.ask(
    'mutation ($input: JoinCourseInput!) { joinCourse(input: $input) { course { id } } }',
    {
      input: { joinCode: at(made, 'createCourse', 'course', 'joinCode') },
    },
  )
  const first = await student.run('print(1)', { courseId })
  const id = await student.run('print(1)\nprint(nothing)', { courseId })
  for (const address of [
    '/',
    '/history',
    '/history?verdict=FAILED&from=2026-01-01T10:00:00Z&to=2026-01-01T10:05:00Z',
    `/submissions/${id}`,
    `/submissions/${id}?diff=${first}`,
    '/courses',
    `/courses/${courseId}`,
    '/account',
  ]) {
    await student.page.goto(address)
    await check(student.page)
  }
  const course = `/courses/${courseId}`
  for (const address of [
    course,
    `${course}/live`,
    `${course}/students`,
    `${course}/statistics`,
    `${course}/settings`,
    `${course}/students/${student.id}`,
    '/courses',
  ]) {
    await teacher.page.goto(address)
    await check(teacher.page)
  }
})

test('the pages of an administrator', async ({ page, origin }) => {
  await page.goto('/sign-in')
  await page.getByLabel('User name').fill(process.env['CODECANVAS_ADMIN_USERNAME'] ?? '')
  await page.getByLabel('Password').fill(process.env['CODECANVAS_ADMIN_PASSWORD'] ?? '')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page).toHaveURL(`${origin}/`)
  await page.goto('/admin')
  await expect(page.getByRole('heading', { name: 'Workers' })).toBeVisible()
  await check(page)
})
