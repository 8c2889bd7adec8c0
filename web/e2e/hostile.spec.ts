import { expect, test } from './people'
import { openRunPage, output, run, verdict, write } from './runPage'

test('hostile output is text and nothing else', async ({ student }) => {
  const { page } = student
  let hasSpoken = false
  page.on('dialog', (dialog) => {
    hasSpoken = true
    void dialog.dismiss()
  })
  await openRunPage(page)
  await write(
    page,
    [
      'import sys',
      'print("<script>alert(1)</script><img src=x onerror=alert(2)>")',
      'print("\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07\\x1b[2J kept")',
      'print("a\\u202eb\\0c")',
      'sys.stdout.flush()',
      'sys.stdout.buffer.write(b"\\xff\\xfe broken\\n")',
      'print("long" + "x" * 1000000)',
      'sys.stdout.flush()',
      'print("end", file=sys.stderr)',
    ].join('\n'),
  )
  await run(page)
  await expect(verdict(page)).toContainText('Finished')
  await expect(output(page)).toContainText('end')
  await output(page).evaluate((box) => box.scrollTo(0, 0))
  await expect(output(page)).toContainText('<script>alert(1)</script><img src=x onerror=alert(2)>')
  await expect(output(page)).toContainText('red')
  await expect(output(page)).toContainText('kept')
  await expect(output(page)).toContainText('a⟨U+202E⟩b␀c')
  await expect(output(page)).toContainText('broken')
  expect(await page.title()).not.toBe('title')
  expect(hasSpoken).toBe(false)
})

test('ten megabytes of output do not freeze the page', async ({ student }) => {
  const { page } = student
  await openRunPage(page)
  await write(
    page,
    'print("the beginning")\nline = "y" * 99\nfor i in range(100000):\n    print(line)\nprint("the end")',
  )
  await run(page)
  await expect(verdict(page)).toContainText(/Finished|Too much output/, { timeout: 60_000 })
  await expect(output(page)).toContainText('y'.repeat(90))
  await expect(output(page).locator('.row-line')).not.toHaveCount(0)
  expect(await output(page).locator('.row-line').count()).toBeLessThan(200)
  // The whole of it can be scrolled through, and is there when it is wanted.
  await output(page).evaluate((box) => box.scrollTo(0, 0))
  await expect(output(page)).toContainText('the beginning')
})

const half = 'for i in range(10):\n    print("line", i, flush=True)'

test('a run goes on behind the last event when the connection is cut', async ({ student }) => {
  const { page } = student
  const cuts: (() => void)[] = []
  const cursors: (string | null)[] = []
  await page.routeWebSocket(/\/graphql$/, (socket) => {
    const server = socket.connectToServer()
    socket.onMessage((message) => {
      const after = /"after":("[^"]*"|null)/.exec(String(message))
      if (after) cursors.push(after[1] ?? null)
      server.send(message)
    })
    cuts.push(() => {
      void server.close()
      void socket.close({ code: 1012, reason: 'restart' })
    })
  })
  await openRunPage(page)
  // Half of it comes before the cut, and half of it once there is a connection again.
  await write(page, half + '\ninput()\n' + half.replace('range(10)', 'range(10, 20)'))
  await run(page)
  await expect(output(page)).toContainText('line 9')
  const tried = cursors.length
  cuts.at(-1)?.()
  await expect.poll(() => cursors.length).toBeGreaterThan(tried)
  await page.getByLabel('Type to the program').press('Enter')
  await expect(verdict(page)).toContainText('Finished')
  await expect(output(page)).toContainText('line 19')
  await expect(page.getByText('reconnected on the way')).toBeVisible()
  const text = await output(page).innerText()
  expect(text.match(/line \d+/gu)).toEqual(Array.from({ length: 20 }, (_, line) => `line ${line}`))
  expect(cursors[0]).toBe('null')
  expect(cursors.at(-1)).not.toBe('null')
})
