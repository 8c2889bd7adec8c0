// A school's network between the app and the service: plain HTTP passes, WebSockets do not.
import { createServer, request, type Server } from 'node:http'
import { expect, test as base } from './people'
import { openRunPage, output, run, verdict, write } from './runPage'

interface Network {
  address: string
  /** Cuts everything that is under way. */
  cut: () => void
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
  server.on('upgrade', (_request, socket) => socket.destroy())
  return server
}

const test = base.extend<{ network: Network }>({
  network: async ({ origin }, use) => {
    const server = passOn(new URL(origin))
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error('no address')
    await use({
      address: `http://127.0.0.1:${bound.port}`,
      cut: () => server.closeAllConnections(),
    })
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  },
})

test('where WebSockets are blocked a run comes over plain HTTP, and goes on after a cut', async ({
  student,
  network,
}) => {
  const { page } = student
  // Cookies know no ports: the person is signed in here too.
  await openRunPage(page, 'python3', network.address)
  await write(
    page,
    'import time\nfor i in range(40):\n    print("line", i, flush=True)\n    time.sleep(0.1)',
  )
  await run(page)
  await expect(output(page)).toContainText('line 3')
  await expect(page.getByRole('contentinfo').getByText('Live over plain HTTP')).toBeVisible()
  network.cut()
  await expect(verdict(page)).toContainText('Finished', { timeout: 30_000 })
  await expect(output(page)).toContainText('line 39')
  const text = await output(page).innerText()
  const numbers = [...text.matchAll(/line (\d+)/gu)].map(([, number]) => Number(number))
  expect(new Set(numbers).size).toBe(numbers.length)
  await expect(page.getByText('nothing is missing')).toBeVisible()
})
