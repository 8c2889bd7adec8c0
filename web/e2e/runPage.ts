// The Run page as a person uses it.
import { expect, type Locator, type Page } from '@playwright/test'

export const output = (page: Page): Locator =>
  page.getByRole('region', { name: 'Output', exact: true })

export const verdict = (page: Page): Locator =>
  page.getByRole('region', { name: 'Output and input' }).getByRole('status').first()

export async function openRunPage(page: Page, language = 'python3', origin = ''): Promise<void> {
  await page.goto(`${origin}/`)
  await expect(page.getByLabel('Language')).toBeEnabled()
  await page.getByLabel('Language').selectOption(language)
}

/** Writes a program in the place of what is there. */
export async function write(page: Page, source: string): Promise<void> {
  const editor = page.locator('.cm-content')
  await editor.click()
  await page.keyboard.press('ControlOrMeta+a')
  // As a paste: what is typed would be completed and indented on the way.
  await page.keyboard.insertText(source)
}

export async function run(page: Page): Promise<void> {
  await page.keyboard.press('ControlOrMeta+Enter')
}
