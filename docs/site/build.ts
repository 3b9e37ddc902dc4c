/** `npm run docs`: builds the documentation site, plain files that need no server, into dist/docs-site. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { documentOf, sectionsOf } from './layout.js'
import { renderPages } from './pages.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')

/** Writes every page; a page that is no more goes. @returns the files, from `folder`. */
export function buildSite(folder: string): string[] {
  const pages = renderPages(root)
  const sections = sectionsOf(pages)
  const style = readFileSync(join(root, 'docs', 'site', 'style.css'), 'utf8')
  rmSync(folder, { recursive: true, force: true })
  for (const page of pages) {
    const path = join(folder, page.file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, documentOf(page, sections, style))
  }
  return pages.map(({ file }) => file)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const folder = join(root, 'dist', 'docs-site')
  try {
    const files = buildSite(folder)
    console.log(`${files.length} pages; begin with ${join(folder, 'index.html')}`)
  } catch (error) {
    console.error(`docs: ${(error as Error).message}`)
    process.exitCode = 1
  }
}
