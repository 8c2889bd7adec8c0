import { at, expect, type Someone, test } from './people'
import { openRunPage, output, run, write } from './runPage'

async function makeCourse(teacher: Someone, title: string): Promise<{ id: string; code: string }> {
  const { page } = teacher
  await page.goto('/courses')
  await page.getByLabel('Title').fill(title)
  await page.getByRole('button', { name: 'Create course' }).click()
  await expect(page.getByRole('heading', { name: title })).toBeVisible()
  const id = /\/courses\/([^/?]+)/.exec(page.url())?.[1] ?? ''
  const data = await teacher.ask('query ($id: ID!) { course(id: $id) { joinCode } }', { id })
  return { id, code: at(data, 'course', 'joinCode') }
}

async function join(student: Someone, code: string): Promise<void> {
  await student.page.goto(`/join/${code}`)
  await student.page.getByRole('button', { name: 'Join' }).click()
  await expect(student.page.getByLabel('Hand in to course')).not.toHaveValue('')
}

test('a class at work: join, stuck, timeline, changes, remark', async ({ teacher, student }) => {
  const { id, code } = await makeCourse(teacher, 'Intro to programming')
  await join(student, code)
  await teacher.page.goto(`/courses/${id}/live`)
  const row = teacher.page.getByRole('list', { name: 'Students' }).getByRole('listitem')
  await expect(row).toContainText('Has not run anything yet')

  await write(student.page, 'print(nothing)')
  await run(student.page)
  await expect(output(student.page)).toContainText('NameError')
  await expect(row).toContainText('Error in the program')
  await expect(row).toContainText('line 1')
  await student.run('print(nothing)\nprint(2)', { courseId: id })
  await student.run('print(nothing)\nprint(3)', { courseId: id })
  await expect(row).toContainText('Stuck')
  await expect(row).toContainText('3 failures')

  await row.getByRole('link').click()
  const strip = teacher.page.getByRole('list', { name: 'Runs of the student' })
  await expect(strip.getByRole('button')).toHaveCount(3)
  const changes = teacher.page.getByRole('region', { name: 'Changes in main.py' })
  await expect(changes).toContainText('print(2)')
  await expect(changes).toContainText('print(3)')
  await strip.getByRole('button').nth(2).focus()
  await teacher.page.keyboard.press('ArrowLeft')
  await expect(strip.getByRole('button').nth(1)).toHaveAttribute('aria-pressed', 'true')
  await expect(teacher.page.getByRole('region', { name: 'Text of main.py' })).toContainText(
    'print(2)',
  )

  // On a line of the changes, under the pointer, once they are those of this run.
  await expect(changes).not.toContainText('print(3)')
  await changes.getByText('print(2)').hover()
  await teacher.page.keyboard.press('c')
  await expect(
    teacher.page.getByRole('textbox', { name: 'Comment on line 2', exact: true }),
  ).toBeVisible()
  await teacher.page.keyboard.press('Escape')
  // On a line of the program, with the focus.
  await teacher.page.getByRole('button', { name: 'Comment on line 1', exact: true }).focus()
  await teacher.page.keyboard.press('c')
  await teacher.page
    .getByRole('textbox', { name: 'Comment on line 1', exact: true })
    .fill('This name was never given a value.')
  await teacher.page.getByRole('button', { name: 'Comment', exact: true }).click()
  await expect(teacher.page.getByText('This name was never given a value.').first()).toBeVisible()

  await student.page.goto(`/courses/${id}`)
  await student.page.getByRole('list', { name: 'Runs' }).getByRole('link').nth(1).click()
  await expect(student.page.getByText('This name was never given a value.')).toBeVisible()
  await expect(student.page.getByRole('button', { name: 'Comment on line 1' })).toHaveCount(0)

  // What the student runs meanwhile is announced, and shown when the teacher wants it.
  await student.run('print("at last")', { courseId: id })
  await teacher.page.getByRole('button', { name: 'Show 1 new run' }).click()
  await expect(strip.getByRole('button')).toHaveCount(4)
  await expect(strip.getByRole('button').nth(3)).toHaveAttribute('aria-pressed', 'true')
  await expect(output(teacher.page)).toContainText('at last')
})

test('a teacher runs a program once more, apart from the student', async ({ teacher, student }) => {
  const { id, code } = await makeCourse(teacher, 'Reruns')
  await join(student, code)
  const submission = await student.run('print("mine")', { courseId: id })
  await teacher.page.goto(`/submissions/${submission}`)
  await teacher.page.getByRole('button', { name: 'Run again' }).click()
  await expect(
    teacher.page.getByRole('group', { name: 'Attempts' }).getByRole('button'),
  ).toHaveCount(2)
  await expect(output(teacher.page)).toContainText('mine')
  await teacher.page.getByRole('button', { name: 'Run it myself' }).click()
  await expect(teacher.page.locator('.cm-content')).toContainText('mine')
})

test('names vanish at one click, the code is shown large, everything is exported', async ({
  teacher,
  student,
}) => {
  const { id, code } = await makeCourse(teacher, 'Projector')
  await join(student, code)
  await student.run('print(1)', { courseId: id })
  const { page } = teacher
  await page.goto(`/courses/${id}/live`)
  await expect(page.getByRole('list', { name: 'Students' })).toContainText('Ada')
  await page.getByRole('button', { name: 'Hide names' }).click()
  await expect(page.getByRole('list', { name: 'Students' })).not.toContainText('Ada')
  await page.getByRole('button', { name: 'Show names' }).click()
  await page.getByRole('button', { name: /^Code/ }).click()
  await expect(page.getByRole('dialog', { name: 'Code of the course' })).toContainText(code)
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Export' }).click()
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'All runs (csv)' }).click()
  expect((await download).suggestedFilename()).toContain('.csv')
})

test('a list of runs says what comes in, if it belongs there', async ({ teacher, student }) => {
  const { id, code } = await makeCourse(teacher, 'News')
  await join(student, code)
  const { page } = teacher
  await page.goto(`/courses/${id}?verdict=FAILED`)
  await expect(page.getByText('nothing that fits these filters')).toBeVisible()
  await student.run('print(1)', { courseId: id })
  await student.run('print(nothing)', { courseId: id })
  await page.getByRole('button', { name: 'Show 1 new run' }).click()
  await expect(page.getByRole('list', { name: 'Runs' }).getByRole('listitem')).toHaveCount(1)
})

test('figures lead to the runs behind them', async ({ teacher, student }) => {
  const { id, code } = await makeCourse(teacher, 'Figures')
  await join(student, code)
  await student.run('print(1)', { courseId: id })
  await student.run('print(nothing)', { courseId: id })
  const { page } = teacher
  await page.goto(`/courses/${id}/statistics`)
  await expect(page.getByRole('table').first()).toBeVisible()
  await page.getByRole('link', { name: /Error in the program/ }).click()
  await expect(page).toHaveURL(/verdict=RUNTIME_ERROR/)
  const rows = page.getByRole('list', { name: 'Runs' }).getByRole('listitem')
  await expect(rows).toHaveCount(1)

  // One part of one bar of the chart, and the same figure in its table.
  await page.goBack()
  await page.locator('.plot a').first().click()
  await expect(page).toHaveURL(/verdict=OK&from=.*T/)
  await expect(rows).toHaveCount(1)
  await page.goBack()
  await page.getByText('As a table').click()
  const table = page.getByRole('region', { name: 'Runs over time as a table' })
  // The two runs are in one period, unless it ended between them.
  const total = table.getByRole('row').nth(1).getByRole('link').first()
  const inPeriod = Number(await total.textContent())
  await total.click()
  await expect(rows).toHaveCount(inPeriod)

  await page.goBack()
  await page.getByRole('link', { name: '1 run', exact: true }).click()
  await expect(page.getByText('Students who needed 1 run to their first ✓')).toBeVisible()
  await expect(page.getByRole('row', { name: /Ada/ })).toHaveCount(1)
  await expect(page.getByRole('row', { name: /Grace/ })).toHaveCount(0)
})

test('a course is renamed, gets another code, and loses a member', async ({ teacher, student }) => {
  const { id, code } = await makeCourse(teacher, 'Before')
  await join(student, code)
  const { page } = teacher
  await page.goto(`/courses/${id}/settings`)
  await page.getByLabel('Title', { exact: true }).fill('After')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('heading', { name: 'After' })).toBeVisible()
  await page.getByRole('button', { name: 'Renew the code' }).click()
  await page.getByRole('button', { name: 'The old code stops working. Renew?' }).click()
  await expect(page.getByRole('button', { name: /^Code/ })).not.toContainText(code)
  await page.goto(`/courses/${id}/students`)
  await page.getByLabel('Search').fill('ada')
  await expect(page.getByRole('row', { name: /Grace/ })).toHaveCount(0)
  await page.getByRole('button', { name: 'Remove' }).click()
  await page.getByRole('button', { name: 'Remove from the course?' }).click()
  await expect(page.getByRole('row', { name: /Ada/ })).toHaveCount(0)
  // The button is gone; whoever pressed it by keyboard goes on from the page.
  await expect(page.getByRole('main')).toBeFocused()
  await openRunPage(student.page)
  await expect(student.page.getByLabel('Hand in to course')).toHaveCount(0)
})
