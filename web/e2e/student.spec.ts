import { expect, password, test } from './people'
import { openRunPage, output, run, verdict, write } from './runPage'

test('a first run, from the empty page to the history', async ({ student }) => {
  const { page } = student
  await openRunPage(page)
  await write(page, 'print("Hello", 6 * 7)')
  await run(page)
  await expect(output(page)).toContainText('Hello 42')
  await expect(verdict(page)).toContainText('Finished')
  await page.getByRole('link', { name: 'History' }).click()
  await expect(page.getByRole('list', { name: 'Runs' }).getByRole('listitem')).toHaveCount(1)
  await page.getByText('print("Hello", 6 * 7)').click()
  await expect(page.getByRole('region', { name: 'Text of main.py' })).toContainText('6 * 7')
  await expect(output(page)).toContainText('Hello 42')
})

test('a guest runs a program at once and keeps it by registering', async ({ page }) => {
  await openRunPage(page)
  const server = await page.request.post('/graphql', {
    data: { query: '{ server { areGuestsAllowed } }' },
  })
  expect(await server.text(), 'this service takes guests').toContain('true')
  await write(page, 'print("as a guest")')
  await run(page)
  await expect(output(page)).toContainText('as a guest')
  await page.getByRole('link', { name: 'Keep my work' }).click()
  await page.getByLabel('User name').fill(`visitor-${Date.now().toString(36)}`)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Create my account' }).click()
  await expect(page.locator('.cm-content')).toContainText('as a guest')
  await page.getByRole('link', { name: 'History' }).click()
  await expect(page.getByRole('list', { name: 'Runs' }).getByRole('listitem')).toHaveCount(1)
})

test('a program is talked to while it runs', async ({ student }) => {
  const { page } = student
  await openRunPage(page)
  await write(page, 'name = input("Name? ")\nprint("Hello", name)\nprint(len(input()), "left")')
  await run(page)
  await expect(output(page)).toContainText('Name?')
  await page.getByLabel('Type to the program').fill('Ada ß')
  await page.keyboard.press('Enter')
  await expect(output(page)).toContainText('Hello Ada ß')
  await page.getByLabel('Type to the program').fill('four')
  await page.keyboard.press('Enter')
  await expect(output(page)).toContainText('4 left')
  await expect(verdict(page)).toContainText('Finished')
})

test('input ends, and a program is stopped', async ({ student }) => {
  const { page } = student
  await openRunPage(page)
  await write(page, 'import sys\nprint(len(sys.stdin.read()))')
  await run(page)
  await page.getByLabel('Type to the program').fill('abc')
  await page.getByRole('button', { name: 'End of input' }).click()
  await expect(output(page)).toContainText('3')
  // It waits instead of computing: no limit ends it before the button does.
  await write(page, 'print("ready", flush=True)\ninput()')
  await run(page)
  await expect(output(page)).toContainText('ready')
  await page.getByRole('button', { name: 'Stop' }).click()
  await expect(verdict(page)).toContainText('Stopped by you')
})

test('a loop that never ends is stopped and explained', async ({ student }) => {
  const { page } = student
  await openRunPage(page)
  await write(page, 'while True:\n    pass')
  await run(page)
  await expect(verdict(page)).toContainText('Too long', { timeout: 60_000 })
})

test('what does not compile is marked at its line', async ({ student }) => {
  const { page } = student
  await openRunPage(page, 'c')
  await write(page, '#include <stdio.h>\nint main(void) {\n  puts("a")\n  return 0;\n}\n')
  await run(page)
  await expect(verdict(page)).toContainText('Did not compile')
  await expect(page.locator('.cm-lintRange-error')).toBeVisible()
  await page.getByRole('list', { name: 'Problems' }).getByRole('button').first().click()
  await expect(page.locator('.cm-activeLine')).toContainText('puts')
})

test('drafts survive a reload, another language and several files', async ({ student }) => {
  const { page } = student
  await openRunPage(page)
  await write(page, 'import util\nprint(util.answer)')
  await page.getByRole('button', { name: 'New file' }).click()
  await page.getByLabel('File name').fill('util.py')
  await page.getByRole('button', { name: 'Add', exact: true }).click()
  await write(page, 'answer = 42')
  await page.getByLabel('Language').selectOption('c')
  await expect(page.locator('.cm-content')).toContainText('main')
  await page.reload()
  await page.getByLabel('Language').selectOption('python3')
  await expect(page.locator('.cm-content')).toContainText('util.answer')
  await run(page)
  await expect(output(page)).toContainText('42')
})

test('everything works by keyboard alone', async ({ student }) => {
  const { page } = student
  await openRunPage(page)
  await page.locator('.cm-content').focus()
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.insertText('print(input())')
  await page.keyboard.press('ControlOrMeta+Enter')
  await expect(page.getByLabel('Type to the program')).toBeVisible()
  // Escape and then Tab leaves the editor; from there on Tab reaches all there is. Where words are offered, or about to
  // be, one Escape more is for these.
  await page.keyboard.press('Escape')
  await page.keyboard.press('Escape')
  const reached = async (name: string) => {
    for (let presses = 0; presses < 40; presses += 1) {
      await page.keyboard.press('Tab')
      const label = await page.evaluate(
        () =>
          document.activeElement?.getAttribute('aria-label') ??
          document.activeElement?.textContent ??
          '',
      )
      if (label.replace(/\s/gu, '').startsWith(name.replace(/\s/gu, ''))) return
    }
    throw new Error(`Tab does not reach ${name}`)
  }
  await reached('Type to the program')
  await page.keyboard.type('by keys')
  await page.keyboard.press('Enter')
  await expect(output(page)).toContainText('by keys')
  await reached('History')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('list', { name: 'Runs' }).getByRole('listitem')).toHaveCount(1)
  await reached('✓Finished')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('region', { name: 'Text of main.py' })).toBeVisible()
})

test('on a phone the output comes up on Run and can be put away', async ({ student }) => {
  const { page } = student
  await page.setViewportSize({ width: 390, height: 844 })
  await openRunPage(page)
  await expect(page.getByRole('region', { name: 'Output', exact: true })).toBeHidden()
  const button = page.getByRole('button', { name: 'Run', exact: true })
  const place = await button.boundingBox()
  expect(place && place.y > 700 && place.x > 195, 'Run is where the thumb is').toBe(true)
  await button.click()
  await expect(output(page)).toContainText('Hello')
  await page.getByRole('button', { name: 'Put the output away' }).click()
  await expect(output(page)).toBeHidden()
  await expect(verdict(page)).toContainText('Finished')
  await expect(page.locator('.cm-content')).toBeVisible()
})
