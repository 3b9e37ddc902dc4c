/**
 * Completion in a shell, which runs `glassbook complete -- WORDS` at each TAB: what may stand where the last of the
 * words is, read from the command line itself. No script here hands the words to `eval`, and none needs another
 * package. Where nothing is known, as for a file or folder, the shell completes the names of files.
 */
import type { Argument, CommandUnknownOpts, Option } from '@commander-js/extra-typings'

const BASH = `# Completion of glassbook for bash: source <(glassbook complete bash)
_glassbook_complete() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        COMPREPLY+=("\${line%%$'\\t'*}")
    done < <(glassbook complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _glassbook_complete glassbook
`

const ZSH = `#compdef glassbook
# Completion of glassbook for zsh, behind compinit: source <(glassbook complete zsh)
_glassbook() {
    local line
    local -a found
    while IFS= read -r line; do
        found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    done < <(glassbook complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( $#found )); then
        _describe glassbook found
    else
        compset -P '--*='
        _files
    fi
}
if [[ \${funcstack[1]} == _glassbook ]]; then
    _glassbook
else
    compdef _glassbook glassbook
fi
`

const FISH = `# Completion of glassbook for fish: glassbook complete fish | source
function __glassbook_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l found (glassbook complete -- $words[2..-1] "$last" 2>/dev/null)
    if set -q found[1]
        printf '%s\\n' $found
    else
        __fish_complete_path "$last"
    end
end
complete -c glassbook -f -a '(__glassbook_complete)'
`

export const COMPLETION_SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const
export type Shell = keyof typeof COMPLETION_SCRIPTS

interface Candidate {
  readonly word: string
  readonly about: string
}

/** What may stand in place of the last of `words`, which is begun or empty: a line each, its words behind a tab. */
export function completions(program: CommandUnknownOpts, words: readonly string[]): string[] {
  const [given, last] = withoutEqualsSigns(words)
  let command = program
  let flag: Option | undefined
  let places = 0
  for (const word of given) {
    if (flag !== undefined) {
      flag = undefined
      continue
    }
    const inner = command.commands.find((each) => each.name() === word)
    if (inner !== undefined) {
      command = inner
      places = 0
    } else if (word.startsWith('-')) flag = takingValue(command, word)
    else places++
  }
  return candidatesFor(command, flag, places, last)
    .filter(({ word }) => word.startsWith(last))
    .map(({ word, about }) => `${word}\t${about.replace(/\s+/g, ' ')}`)
}

function candidatesFor(
  command: CommandUnknownOpts,
  flag: Option | undefined,
  places: number,
  last: string,
): Candidate[] {
  if (flag !== undefined) return choicesOf(flag)
  const equals = last.indexOf('=')
  if (last.startsWith('--') && equals !== -1) {
    const name = last.slice(0, equals)
    return choicesOf(takingValue(command, name)).map(({ word, about }) => ({
      word: `${name}=${word}`,
      about,
    }))
  }
  const help = command.createHelp()
  if (last.startsWith('-'))
    return help.visibleOptions(command).map(({ long, description }) => ({ word: long!, about: description }))
  if (command.commands.length > 0)
    return help.visibleCommands(command).map((each) => ({ word: each.name(), about: each.description() }))
  return choicesOf(command.registeredArguments[places])
}

const takingValue = (command: CommandUnknownOpts, word: string): Option | undefined =>
  command.options.find(({ long, required }) => long === word && required)

const choicesOf = (taken: Pick<Option | Argument, 'argChoices'> | undefined): Candidate[] =>
  (taken?.argChoices ?? []).map((word) => ({ word, about: '' }))

/** Bash makes three words of `--flag=value`: a flag with its value, as if there were no sign between them. */
function withoutEqualsSigns(words: readonly string[]): [given: string[], last: string] {
  const given = words.slice(0, -1).filter((word) => word !== '=')
  const last = words.at(-1) ?? ''
  return [given, last === '=' ? '' : last]
}
