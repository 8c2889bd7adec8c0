// A service for the tests, unless CODECANVAS_URL names one: everything of it is gone afterwards.
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const executable = resolve(process.env['CODECANVAS_BIN'] ?? '../target/debug/codecanvas')
/** The toolchains are tried out before the service is ready. */
const readyWithinMs = 300_000

export default async function service(): Promise<() => Promise<void>> {
  if (process.env['CODECANVAS_URL'] !== undefined) return () => Promise.resolve()
  const directory = mkdtempSync(join(tmpdir(), 'codecanvas-e2e-'))
  // Postgres runs as another user, who has to get through to its files.
  chmodSync(directory, 0o755)
  const environment = {
    ...process.env,
    CODECANVAS_DATA_DIR: join(directory, 'data'),
    CODECANVAS_LISTEN: '127.0.0.1:0',
  }
  const child = spawn(executable, ['serve'], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<void>((done) => child.once('exit', () => done()))
  const said: string[] = []

  process.env['CODECANVAS_URL'] = await new Promise<string>((found, failed) => {
    const timer = setTimeout(
      () => failed(new Error(`the service is not ready:\n${said.slice(-20).join('\n')}`)),
      readyWithinMs,
    )
    const read = (line: string) => {
      said.push(line)
      const address = /codecanvas is ready at (http:\/\/[^\s"]+)/.exec(line)?.[1]
      if (address === undefined) return
      clearTimeout(timer)
      found(address)
    }
    createInterface(child.stdout).on('line', read)
    createInterface(child.stderr).on('line', read)
    child.once('exit', () => failed(new Error(`the service has ended:\n${said.join('\n')}`)))
    child.once('error', failed)
  })

  const username = 'operator'
  const password = 'correct horse battery staple'
  const made = spawnSync(executable, ['admin', 'create-user', '--role', 'admin', username], {
    env: environment,
    input: `${password}\n`,
    encoding: 'utf8',
  })
  if (made.status !== 0) throw new Error(`no administrator: ${made.stderr}`)
  process.env['CODECANVAS_ADMIN_USERNAME'] = username
  process.env['CODECANVAS_ADMIN_PASSWORD'] = password

  return async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(directory, { recursive: true, force: true })
  }
}
