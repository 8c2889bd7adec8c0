import { expect, test } from './people'
import { openRunPage, output, run, write } from './runPage'

test('a replay shows what was printed when it was', async ({ student }) => {
  const { page } = student
  const id = await student.run(
    'import time\nprint("one", flush=True)\ntime.sleep(1)\nprint("two", flush=True)',
  )
  const log = await student.ask(
    `query ($id: ID!) { submission(id: $id) { attempt { events {
       at ... on StateChanged { state } ... on OutputChunk { text } } } } }`,
    { id },
  )
  const times = JSON.stringify(log).matchAll(/"at":"([^"]+)","(?:state":"RUNNING|text)"/gu)
  const [started, one, two] = [...times].map(([, time]) => Date.parse(time ?? ''))
  if (started === undefined || one === undefined || two === undefined) throw new Error('no times')
  await page.goto(`/submissions/${id}`)
  await expect(output(page)).toContainText('two')
  // Half-way between the two, however long the interpreter took to start and to end.
  await page.getByLabel('Time in the run').fill(String(Math.round((one + two) / 2 - started)))
  await expect(output(page)).toContainText('one')
  await expect(output(page)).not.toContainText('two')
  await page.getByRole('button', { name: 'Play the replay' }).click()
  await expect(output(page)).toContainText('two')
  await page.getByRole('button', { name: 'Edit as new' }).click()
  await expect(page.locator('.cm-content')).toContainText('time.sleep')
})

test('two windows see the same run come in', async ({ student }) => {
  const { page } = student
  await student.run('print(1)')
  await page.goto('/history')
  await expect(page.getByRole('list', { name: 'Runs' }).getByRole('listitem')).toHaveCount(1)
  const other = await page.context().newPage()
  await openRunPage(other)
  await write(other, 'print("from elsewhere")')
  await run(other)
  await expect(output(other)).toContainText('from elsewhere')
  await page.getByRole('button', { name: /Show 1 new run/ }).click()
  await expect(page.getByRole('list', { name: 'Runs' })).toContainText('from elsewhere')
})

test('last runs are seen, brought back and compared', async ({ student }) => {
  const { page } = student
  await student.run('print("first")')
  await student.run('print("second")')
  await openRunPage(page)
  await write(page, 'print("a draft")')
  await page.getByRole('button', { name: 'Runs', exact: true }).click()
  const rows = page.getByRole('list', { name: 'Last runs' }).getByRole('listitem')
  await expect(rows).toHaveCount(2)
  await expect(rows.nth(0)).toContainText('“second”')
  await rows.nth(1).getByRole('button').first().click()
  await expect(output(page)).toContainText('first')
  await expect(page.getByText('an earlier run')).toBeVisible()
  await expect(page.locator('.cm-content')).toContainText('a draft')
  await rows.nth(0).getByRole('button').first().dblclick()
  await expect(page.locator('.cm-content')).toContainText('second')
  await page.getByRole('button', { name: 'Undo' }).click()
  await expect(page.locator('.cm-content')).toContainText('a draft')
  // By keys: one is picked, then the other.
  await rows.nth(1).getByRole('button', { name: 'Compare' }).press('Enter')
  await rows.nth(0).getByRole('button', { name: 'With this' }).press('Enter')
  await expect(page.getByRole('region', { name: 'Changes in main.py' })).toContainText('second')
  await page.goBack()
  await page.getByRole('button', { name: 'Runs', exact: true }).click()
  await rows.nth(1).dragTo(rows.nth(0))
  await expect(page.getByRole('region', { name: 'Changes in main.py' })).toContainText('first')
})

test('going back finds a list as it was left', async ({ student }) => {
  const { page } = student
  // One more than a page of the list holds.
  for (let number = 1; number <= 31; number += 1) await student.run(`print(${number})`)
  await page.goto('/history')
  const rows = page.getByRole('list', { name: 'Runs' }).getByRole('listitem')
  await page.getByRole('heading', { name: 'History' }).click()
  await page.keyboard.press('End')
  await expect(rows).toHaveCount(31)
  await rows.nth(30).getByRole('link').click()
  await expect(page.getByRole('region', { name: 'Text of main.py' })).toContainText('print(1)')
  await page.goBack()
  await expect(rows).toHaveCount(31)
  await expect(rows.nth(30)).toBeInViewport()
  await expect(rows.nth(30).getByRole('link')).toBeFocused()
  // What came in meanwhile is announced, and moves nothing.
  await student.run('print(nothing)')
  await expect(page.getByRole('button', { name: 'Show 1 new run' })).toBeAttached()
  await expect(rows.nth(30)).toBeInViewport()
})
