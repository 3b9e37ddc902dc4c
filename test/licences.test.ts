/** Packages under the GPL: all named in THIRD_PARTY.md, and needed by nothing but the prover. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

interface Locked {
  readonly license?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

describe('licences', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> }
  const nameOf = (path: string): string => path.slice(path.lastIndexOf('node_modules/') + 13)
  const copyleft = Object.entries(packages)
    .filter(([path, { license }]) => path.includes('node_modules/') && /GPL/.test(license ?? ''))
    .map(([path]) => nameOf(path))
  test('every package under the GPL is named', () => {
    expect(copyleft).toContain('snarkjs')
    const text = read('THIRD_PARTY.md')
    expect(copyleft.filter((name) => !text.includes(`| ${name} | GPL-3.0 |`))).toEqual([])
  })

  /** Names of the packages that `path` needs, its own needs among them. */
  const reached = (path: string): Set<string> => {
    const names = new Set<string>()
    const visit = ({ dependencies, devDependencies, optionalDependencies }: Locked): void => {
      for (const name of Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies })) {
        if (names.has(name)) continue
        names.add(name)
        const found = packages[`node_modules/${name}`]
        if (found !== undefined) visit({ ...found, devDependencies: {} })
      }
    }
    visit(packages[path]!)
    return names
  }

  test('only the prover needs them', () => {
    const needed = (path: string): string[] => copyleft.filter((name) => reached(path).has(name))
    expect(needed('settlement/prover')).toContain('circomlib')
    expect(needed('')).toEqual([])
    expect(needed('sdk')).toEqual([])
  })
})
