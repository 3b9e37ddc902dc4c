/**
 * Which files of the repository are pages of the documentation site, and what they are made into. It begins with all
 * of docs/ and follows links: a linked Markdown file is a page, any other linked file is shown as text.
 *
 * Invariant: every link and anchor of the site leads to something that the site has, or elsewhere on the web; else
 * `renderPages` throws, with each page and link that does not.
 */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { dirname, join, posix, relative } from 'node:path'
import { Marked, type Tokens } from 'marked'

/** A file as a page; paths are from the root of the repository, `file` is where it stands in the site. */
export interface Page {
  readonly path: string
  readonly file: string
  readonly title: string
  readonly html: string
  readonly headings: readonly { readonly depth: number; readonly text: string; readonly anchor: string }[]
}

/** Anchor of a heading as GitHub makes it; `text` without markup. The second of a page gets "-1" behind it. */
export const anchorOf = (text: string): string =>
  text
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replace(/ /g, '-')

/** docs/ is the site's root, and the list of documents its first page. */
export function fileOf(path: string): string {
  if (path === 'docs/README.md') return 'index.html'
  return `${path.replace(/^docs\//, '').replace(/\.md$/, '')}.html`
}

export const escapeHtml = (text: string): string =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;')

const markdownBelow = (root: string, folder: string): string[] =>
  readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = posix.join(folder, entry.name)
    if (entry.isDirectory()) return markdownBelow(root, path)
    return path.endsWith('.md') ? [path] : []
  })

/** The file that a link of `page` means; a folder means its README. undefined = there is none in the repository. */
function targetOf(root: string, page: string, link: string): string | undefined {
  const path = link === '' ? page : posix.join(posix.dirname(page), link)
  if (path.startsWith('..') || !existsSync(join(root, path))) return undefined
  if (!statSync(join(root, path)).isDirectory()) return path
  const readme = posix.join(path, 'README.md')
  return existsSync(join(root, readme)) ? readme : undefined
}

interface Rendered extends Page {
  /** Links to other places of the site. */
  readonly links: readonly {
    readonly href: string
    readonly path: string | undefined
    readonly anchor: string
  }[]
}

function renderMarkdown(root: string, path: string): Rendered {
  const headings: Page['headings'][number][] = []
  const links: Rendered['links'][number][] = []
  const seen = new Map<string, number>()
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth }: Tokens.Heading) {
        const html = this.parser.parseInline(tokens)
        const text = this.parser.parseInline(tokens, this.parser.textRenderer)
        const base = anchorOf(text.replace(/&[a-z0-9#]+;/g, ''))
        const count = seen.get(base) ?? 0
        seen.set(base, count + 1)
        const anchor = count === 0 ? base : `${base}-${count}`
        headings.push({ depth, text: html.replace(/<\/?a[^>]*>/g, ''), anchor })
        return `<h${depth} id="${anchor}"><a class="anchor" href="#${anchor}">${html}</a></h${depth}>\n`
      },
      link({ href, tokens }: Tokens.Link) {
        const html = this.parser.parseInline(tokens)
        if (/^[a-z]+:/.test(href)) return `<a href="${escapeHtml(href)}" rel="noopener">${html}</a>`
        const [link, anchor = ''] = href.split('#') as [string, string?]
        const target = targetOf(root, path, link)
        links.push({ href, path: target, anchor })
        const to = relative(dirname(fileOf(path)), fileOf(target ?? path))
        return `<a href="${escapeHtml(to)}${anchor === '' ? '' : `#${anchor}`}">${html}</a>`
      },
      table(token: Tokens.Table) {
        const row = (cells: readonly Tokens.TableCell[], tag: 'td' | 'th'): string =>
          `<tr>${cells.map(({ tokens }) => `<${tag}>${this.parser.parseInline(tokens)}</${tag}>`).join('')}</tr>\n`
        const body = token.rows.map((cells) => row(cells, 'td')).join('')
        return `<div class="wide"><table><thead>${row(token.header, 'th')}</thead><tbody>${body}</tbody></table></div>\n`
      },
    },
  })
  const html = marked.parse(readFileSync(join(root, path), 'utf8'), { async: false })
  const title = (headings.find(({ depth }) => depth === 1)?.text ?? path).replace(/<[^>]+>/g, '')
  return { path, file: fileOf(path), title, html, headings, links }
}

function renderText(root: string, path: string): Rendered {
  const text = escapeHtml(readFileSync(join(root, path), 'utf8'))
  const html = `<h1>${escapeHtml(path)}</h1>\n<pre><code>${text}</code></pre>\n`
  return { path, file: fileOf(path), title: path, html, headings: [], links: [] }
}

/**
 * All pages: what the list of documents leads to, in its order, then what else docs/ has and leads to.
 * @throws Error that names every link which leads nowhere.
 */
export function renderPages(root: string): Page[] {
  const pages = new Map<string, Rendered>()
  const waiting = ['docs/README.md', ...markdownBelow(root, 'docs')]
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    if (pages.has(path)) continue
    const page = path.endsWith('.md') ? renderMarkdown(root, path) : renderText(root, path)
    pages.set(path, page)
    const linked = page.links.flatMap((link) => link.path ?? [])
    if (pages.size === 1) waiting.unshift(...linked)
    else waiting.push(...linked)
  }
  const isThere = ({ path, anchor }: Rendered['links'][number]): boolean =>
    path !== undefined &&
    (anchor === '' || pages.get(path)!.headings.some((heading) => heading.anchor === anchor))
  const dead = [...pages.values()].flatMap(({ path, links }) =>
    links.filter((link) => !isThere(link)).map(({ href }) => `${path}: ${href}`),
  )
  if (dead.length > 0) throw new Error(`links that lead nowhere:\n${dead.join('\n')}`)
  return [...pages.values()]
}
