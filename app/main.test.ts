import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

test('a build can be run by its name, as npx does', () => {
  const program = fileURLToPath(new URL('./main.js', import.meta.url))
  expect(execFileSync(program, ['config', 'names'], { encoding: 'utf8' })).toContain('--gateway-port')
})
