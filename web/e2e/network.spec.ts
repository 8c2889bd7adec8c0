// A school's network between the app and the service: plain HTTP passes, WebSockets do not.
import type { Page, Request } from '@playwright/test'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { expect, test as base } from './people'
import { openRunPage, output, run, verdict, write } from './runPage'

interface Network {
  address: string
  /** Cuts everything that is under way. */
  cut: () => void
  /** From now on WebSockets pass. */
  open: () => void
}

function passOn(target: URL): Server {
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming
    const forwarded = request(
      { host: target.hostname, port: target.port, method, path: url, headers },
      (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
        answer.pipe(outgoing)
      },
    )
    forwarded.on('error', () => outgoing.destroy())
    outgoing.on('close', () => forwarded.destroy())
    incoming.pipe(forwarded)
  })
  return server
}

/** A WebSocket is passed on as the bytes that it is. */
function tunnel(target: URL, asked: IncomingMessage, socket: Duplex): void {
  const server = connect(Number(target.port), target.hostname, () => {
    const lines = Object.entries(asked.headers).map(([name, value]) => `${name}: ${String(value)}`)
    server.write(`GET ${asked.url ?? '/'} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    server.pipe(socket).pipe(server)
  })
  server.on('error', () => socket.destroy())
  socket.on('error', () => server.destroy())
  socket.on('close', () => server.destroy())
}

const test = base.extend<{ network: Network }>({
  network: async ({ origin }, use) => {
    const target = new URL(origin)
    const server = passOn(target)
    let isOpen = false
    const tunnels = new Set<Duplex>()
    server.on('upgrade', (asked, socket) => {
      tunnels.add(socket)
      if (isOpen) tunnel(target, asked, socket)
      else socket.destroy()
    })
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error('no address')
    await use({
      address: `http://127.0.0.1:${bound.port}`,
      cut: () => server.closeAllConnections(),
      open: () => (isOpen = true),
    })
    // No new ones first: the page still tries.
    const closed = new Promise((done) => server.close(done))
    server.closeAllConnections()
    for (const socket of tunnels) socket.destroy()
    await closed
  },
})

/** Half of what it prints comes once it is talked to. */
const lines = (from: number) =>
  `for i in range(${from}, ${from + 10}):\n    print("line", i, flush=True)`
const program = `${lines(0)}\ninput()\n${lines(10)}`

const isStream = (request: Request) => request.headers()['accept'] === 'text/event-stream'

/** Lets the program end: each of its lines is there, once and in order. */
async function endsWhole(page: Page): Promise<void> {
  await page.getByLabel('Type to the program').press('Enter')
  await expect(verdict(page)).toContainText('Finished')
  await expect(output(page)).toContainText('line 19')
  const text = await output(page).innerText()
  const numbers = [...text.matchAll(/line (\d+)/gu)].map(([, number]) => Number(number))
  expect(numbers).toEqual(Array.from({ length: 20 }, (_, line) => line))
}

test('where WebSockets are blocked a run comes over plain HTTP, and goes on after a cut', async ({
  student,
  network,
}) => {
  const { page } = student
  // Cookies know no ports: the person is signed in here too.
  await openRunPage(page, 'python3', network.address)
  await write(page, program)
  await run(page)
  await expect(output(page)).toContainText('line 9')
  await expect(page.getByRole('contentinfo').getByText('Live over plain HTTP')).toBeVisible()
  const again = page.waitForRequest(isStream)
  network.cut()
  await again
  await endsWhole(page)
  await expect(page.getByText('nothing is missing')).toBeVisible()
})

test('where WebSockets come to pass, a run changes over to one and loses nothing', async ({
  student,
  network,
}) => {
  const { page } = student
  await page.clock.install()
  await openRunPage(page, 'python3', network.address)
  await write(page, program)
  await run(page)
  await expect(output(page)).toContainText('line 9')
  const notice = page.getByRole('contentinfo').getByText('Live over plain HTTP')
  await expect(notice).toBeVisible()
  // It is tried again after a minute; still blocked, after two more.
  const refused = page
    .waitForEvent('websocket')
    .then((socket) => socket.waitForEvent('socketerror'))
  await page.clock.fastForward('01:01')
  await refused
  await expect(notice).toBeVisible()
  network.open()
  await expect(async () => {
    await page.clock.fastForward('02:01')
    await expect(notice).toBeHidden({ timeout: 1_000 })
  }).toPass()
  await endsWhole(page)
})
