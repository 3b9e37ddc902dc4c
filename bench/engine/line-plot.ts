/** A plot of a few lines as SVG, for results: x in steps of equal width, y from zero. */
export interface LinePlot {
  readonly title: string
  readonly x: { readonly label: string; readonly values: readonly number[] }
  readonly yLabel: string
  /** Each with a value for every x. */
  readonly lines: readonly { readonly label: string; readonly values: readonly number[] }[]
}

const WIDTH = 720
const HEIGHT = 380
const LEFT = 60
const RIGHT = 240
const TOP = 40
const BOTTOM = 50
const COLORS = ['#0b6e99', '#d9730d', '#0f7b6c', '#ad1a72', '#64473a', '#6940a5']
const GRID = '#cccccc'
const INK = '#333333'

export function linePlot({ title, x, yLabel, lines }: LinePlot): string {
  const yEnd = Math.ceil(Math.max(...lines.flatMap(({ values }) => values)))
  const xAt = (index: number): number => LEFT + (index * (WIDTH - LEFT - RIGHT)) / (x.values.length - 1)
  const yAt = (value: number): number => HEIGHT - BOTTOM - (value / yEnd) * (HEIGHT - TOP - BOTTOM)
  const text = (at: readonly [number, number], words: string, anchor = 'middle', fill = INK): string =>
    `<text x="${at[0].toFixed(0)}" y="${at[1].toFixed(0)}" text-anchor="${anchor}" fill="${fill}">${words}</text>`
  const ticks = Array.from({ length: yEnd + 1 }, (_, value) => value)
  const parts = [
    ...ticks.map(
      (value) => `<path d="M${LEFT} ${yAt(value).toFixed(1)}H${WIDTH - RIGHT}" stroke="${GRID}"/>`,
    ),
    ...ticks.map((value) => text([LEFT - 8, yAt(value) + 4], String(value), 'end')),
    ...x.values.map((value, index) => text([xAt(index), HEIGHT - BOTTOM + 18], value.toLocaleString('en'))),
    text([(LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10], x.label),
    text([LEFT - 40, TOP - 14], yLabel, 'start'),
    text([WIDTH / 2, 16], title),
    ...lines.flatMap(({ label, values }, line) => {
      const color = COLORS[line % COLORS.length]!
      const points = values.map((value, index) => `${xAt(index).toFixed(1)},${yAt(value).toFixed(1)}`)
      return [
        `<polyline points="${points.join(' ')}" fill="none" stroke="${color}" stroke-width="2"/>`,
        text([WIDTH - RIGHT + 12, TOP + 14 + 20 * line], label, 'start', color),
      ]
    }),
  ]
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n')
}
