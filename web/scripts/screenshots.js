// Pictures of the app for the README: a small class works on a service that runs (see service.js).
import { ask, launch, makeTeacher, origin, register } from './service.js'

const folder = '../docs'
const browser = await launch()
const size = { width: 1200, height: 720 }

/** @param {Partial<import('@playwright/test').BrowserContextOptions>} [options] */
const context = (options) => browser.newContext({ baseURL: origin, viewport: size, ...options })

const submit =
  'mutation ($input: SubmitCodeInput!) { submitCode(input: $input) { submission { id } } }'
const mean = 'def mean(numbers):\n    return sum(numbers) / len(numbers)\n\n'

const teacher = await context()
const teacherId = await register(teacher, 'Grace Hopper')
const admin = await context()
await makeTeacher(admin, teacherId)
const { createCourse } = await ask(
  teacher,
  'mutation ($input: CreateCourseInput!) { createCourse(input: $input) { course { id joinCode } } }',
  { title: 'Introduction to programming' },
)
const courseId = createCourse.course.id

/**
 * @param {string} name
 * @param {string[]} sources
 */
async function student(name, sources) {
  const own = await context()
  const id = await register(own, name)
  await ask(
    own,
    'mutation ($input: JoinCourseInput!) { joinCourse(input: $input) { course { id } } }',
    {
      joinCode: createCourse.course.joinCode,
    },
  )
  let last = ''
  for (const source of sources) {
    const { submitCode } = await ask(own, submit, {
      language: 'python3',
      source,
      courseId,
      waitMs: 30_000,
    })
    last = submitCode.submission.id
  }
  return { own, id, last }
}

const ada = await student('Ada Lovelace', [
  `${mean}print(mean([]))\n`,
  `${mean}print(mean([1]))\n`,
  `${mean}print("The mean is", mean([2, 4, 9]))\n`,
])
const alan = await student('Alan Turing', [
  `${mean}print(mean(numbers))\n`,
  `${mean}print(mean(number))\n`,
  `${mean}numbers = []\nprint(mean(numbers))\n`,
  `${mean}numbers = input()\nprint(mean(numbers))\n`,
])
await student('Katherine Johnson', ['while True:\n    pass\n'])
await student('Donald Knuth', ['print("Hello")\n', `${mean}print(mean(range(10)))\n`])
await student('Edsger Dijkstra', [])

/**
 * @param {import('@playwright/test').Page} page
 * @param {string} name
 */
async function picture(page, name) {
  await page.waitForTimeout(600)
  await page.screenshot({ path: `${folder}/${name}.png` })
}

const run = await ada.own.newPage()
await run.goto('/')
await run.locator('.cm-content').click()
await run.keyboard.press('ControlOrMeta+a')
await run.keyboard.insertText(
  'import sys\n\nname = input("Name? ")\nprint(f"\\033[32mHello {name}\\033[0m")\nfor word in name.split():\n    print(len(word), word)\nprint("that was all", file=sys.stderr)\n',
)
await run.keyboard.press('ControlOrMeta+Enter')
await run.getByLabel('Type to the program').fill('Ada Lovelace')
await run.keyboard.press('Enter')
await run.getByText('that was all').last().waitFor()
await picture(run, 'run')
await run.emulateMedia({ colorScheme: 'dark' })
await run.setViewportSize({ width: 390, height: 720 })
await picture(run, 'run-phone')

const page = await teacher.newPage()
await page.goto(`/courses/${courseId}/live`)
await page.getByText('Alan Turing').waitFor()
await picture(page, 'live-class')
await page.goto(`/courses/${courseId}/students/${alan.id}`)
await page.getByRole('region', { name: /^Changes in/ }).waitFor()
await picture(page, 'timeline')
await page.goto(`/courses/${courseId}/statistics`)
await page.getByText('Runs over time').first().waitFor()
await picture(page, 'statistics')
await page.emulateMedia({ colorScheme: 'dark' })
await page.goto(`/submissions/${ada.last}`)
await page.getByText('The mean is').last().waitFor()
await picture(page, 'submission')
await browser.close()
