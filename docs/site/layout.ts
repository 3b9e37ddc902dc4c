/** The frame of a page: sidebar by folder, the text, what is on the page, the page before and the one behind. */
import { posix } from 'node:path'
import { type Page, escapeHtml } from './pages.js'

/** Sections of the sidebar in the order in which they are read; the first that matches a path has it. */
const SECTIONS: readonly (readonly [name: string, paths: RegExp])[] = [
  ['Begin', /^(docs\/README|README|ARCHITECTURE)\.md$/],
  ['Guides', /^docs\/guides\//],
  ['Concepts', /^docs\/concepts\//],
  ['Reference', /^(docs\/protocol|sdk\/README|examples\/README|CHANGELOG)\.md$/],
  ['Operating', /^docs\/operating\//],
  ['Internals', /^(docs\/internals\/.*|settlement\/circuits\/README)\.md$/],
  ['Project', /^(CONTRIBUTING|SECURITY|contracts\/SECURITY|bench\/README|THIRD_PARTY)\.md$/],
]

export interface Section {
  readonly name: string
  readonly pages: readonly Page[]
}

/** What the sidebar lists; the other pages (results, source files) are reached by links. */
export const sectionsOf = (pages: readonly Page[]): Section[] =>
  SECTIONS.map(([name, paths]) => ({ name, pages: pages.filter(({ path }) => paths.test(path)) }))

/** `from` is the page that is shown: links are relative, so that the site works wherever it lies. */
const linkTo = (from: Page, to: Page): string => posix.relative(posix.dirname(from.file), to.file)

function sidebar(page: Page, sections: readonly Section[]): string {
  const entry = (each: Page): string =>
    `<li><a href="${linkTo(page, each)}"${each === page ? ' aria-current="page"' : ''}>${each.title}</a></li>`
  return sections
    .map(({ name, pages }) => `<h2>${name}</h2>\n<ul>${pages.map(entry).join('')}</ul>`)
    .join('\n')
}

function onThisPage({ headings }: Page): string {
  const shown = headings.filter(({ depth }) => depth === 2 || depth === 3)
  if (shown.length < 2) return ''
  const entries = shown.map(
    ({ depth, text, anchor }) => `<li class="depth${depth}"><a href="#${anchor}">${text}</a></li>`,
  )
  return `<nav class="contents" aria-label="On this page"><h2>On this page</h2><ul>${entries.join('')}</ul></nav>`
}

function beforeAndBehind(page: Page, sections: readonly Section[]): string {
  const order = sections.flatMap(({ pages }) => pages)
  const at = order.indexOf(page)
  if (at < 0) return ''
  const link = (to: Page | undefined, rel: 'prev' | 'next'): string =>
    to === undefined
      ? '<span></span>'
      : `<a rel="${rel}" href="${linkTo(page, to)}"><small>${rel === 'prev' ? 'Before' : 'Next'}</small>${to.title}</a>`
  return `<nav class="turn" aria-label="Pages">${link(order[at - 1], 'prev')}${link(order[at + 1], 'next')}</nav>`
}

/** A whole HTML document; `style` is its style sheet. */
export function documentOf(page: Page, sections: readonly Section[], style: string): string {
  const home = sections[0]!.pages[0]!
  const title = page === home ? 'Glassbook' : `${page.title} · Glassbook`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title.replace(/&[a-z#0-9]+;/g, ''))}</title>
<link rel="icon" href="data:,">
<style>
${style}</style>
</head>
<body>
<aside>
<input type="checkbox" id="menu" aria-label="Show the list of pages">
<label for="menu">Menu</label>
<a class="name" href="${linkTo(page, home)}">Glassbook</a>
<nav class="pages" aria-label="All pages">
${sidebar(page, sections)}
</nav>
</aside>
<main>
<article>
${page.html}</article>
${beforeAndBehind(page, sections)}
</main>
${onThisPage(page)}
</body>
</html>
`
}
