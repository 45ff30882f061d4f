r"""Completion: the command tree -> scripts for bash, zsh and fish.

The scripts are static. A TAB starts one program only, `imagectl __images`, and where the next word is an
image. Nothing that was typed, or came from the service or a file, may ever be evaluated by a shell: no
`eval`, no `compgen -W`, no help texts but our own; names are matched against ImageName's pattern here, and
once more in the script.

`script` reads the tree and knows no command by name: a new option or command completes by being defined.
What a value is, its metavar says (FILE, IMAGE, PROFILE, REGION), its choices, or the table handed in.
Long, because each shell's half is in that shell's language: what is generated stands where `@NAME@` does.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import typer

Shell = Literal["bash", "zsh", "fish"]
IMAGES = "__images"  # the hidden command that a script starts

# Where SageMaker is, by botocore's endpoints.json; a test tells which are missing.
REGIONS = (
    *("af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3"),
    *("ap-south-1", "ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4"),
    *("ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "cn-north-1"),
    *("cn-northwest-1", "eu-central-1", "eu-central-2", "eu-isoe-west-1", "eu-north-1", "eu-south-1"),
    *("eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "eusc-de-east-1", "il-central-1"),
    *("me-central-1", "me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2"),
    *("us-gov-east-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "us-isof-east-1"),
    *("us-isof-south-1", "us-west-1", "us-west-2"),
)


# The scripts.


def script(shell: Shell, root: Any, words: Mapping[str, Sequence[str]]) -> str:
    """The completion script of `root`, a Typer group; `words` are the choices behind a metavar."""
    tree = _Tree(root, {"REGION": REGIONS, **words})
    template, fill = {"bash": (_BASH, _bash), "zsh": (_ZSH, _zsh), "fish": (_FISH, _fish)}[shell]
    text = template
    for name, part in fill(tree).items():
        text = text.replace(f"@{name}@", part)
    return text.lstrip("\n")


class _Value(NamedTuple):
    """What stands behind an option, or as an argument."""

    kind: Literal["words", "files", "profiles", "images", "command", "any"]
    metavar: str
    words: tuple[str, ...] = ()


class _Option(NamedTuple):
    names: tuple[str, ...]
    help: str
    value: _Value | None  # None for a flag
    repeatable: bool


_KINDS: dict[str, Literal["files", "profiles", "images", "command"]] = {
    "FILE": "files",
    "PROFILE": "profiles",
    "IMAGE": "images",
    "-- COMMAND ...": "command",
}


class _Tree:
    """The command tree as the scripts need it. The root's own options are those of the command ''."""

    def __init__(self, root: Any, words: Mapping[str, Sequence[str]]) -> None:
        self._words = words
        context = typer.Context(root, info_name="imagectl")
        named = {name: root.get_command(context, name) for name in root.list_commands(context)}
        named = {name: command for name, command in named.items() if not command.hidden}
        self.summaries = {name: (c.help or "").strip().split("\n", 1)[0] for name, c in named.items()}
        self.arguments: dict[str, _Value] = {}
        owners: dict[_Option, list[str]] = {}
        for name, command in {"": root, **named}.items():
            for param in command.get_params(typer.Context(command, **command.context_settings)):
                if param.param_type_name == "argument":
                    self.arguments[name] = self._value(param)
                elif not param.hidden:
                    owners.setdefault(self._option(param), []).append(name)
        # Options that the same commands have, as one group: the scripts say each once.
        self.groups: dict[tuple[str, ...], list[_Option]] = {}
        for option, commands in owners.items():
            self.groups.setdefault(tuple(commands), []).append(option)
        self.valued: dict[_Value, list[str]] = {}
        for option in owners:
            if option.value:
                names = self.valued.setdefault(option.value, [])
                names += [name for name in option.names if name not in names]
        flags = {name for option in owners if not option.value for name in option.names}
        known = [*flags, *(name for names in self.valued.values() for name in names)]
        if len(known) != len(set(known)):
            raise ValueError("an option takes the same value in all commands, or none in all")
        hidden = root.get_command(context, IMAGES)
        passed = {name for param in hidden.params if param.param_type_name == "option" for name in param.opts}
        self.passed_valued = sorted(passed - flags)
        self.passed_flags = sorted(passed & flags)

    def _option(self, param: Any) -> _Option:
        # "Default: ..." is for the help page, if there is anything else to say.
        text = (param.help or "").partition(" Default: ")[0].removesuffix(".")
        value = None if param.is_flag else self._value(param)
        # By length, as Typer's own --help has its names in no order.
        names = sorted((*param.opts, *param.secondary_opts), key=len)
        return _Option(tuple(names), text, value, param.multiple)

    def _value(self, param: Any) -> _Value:
        metavar = (param.metavar or param.name.upper()).strip("[]")
        words = getattr(param.type, "choices", None) or self._words.get(metavar, ())
        if words:
            return _Value("words", metavar, tuple(words))
        return _Value(_KINDS.get(metavar, "any"), metavar)


def _plain(text: str) -> str:
    """A word as every shell takes it for itself."""
    return text if re.fullmatch(r"[A-Za-z0-9_./=-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def _list(words: Iterable[str]) -> str:
    return " ".join(map(_plain, words))


def _case(words: Iterable[str]) -> str:
    return "|".join(word or "''" for word in words)


def _wrapped(words: Iterable[str], indent: str) -> str:
    """A list over several lines, none too long to be read."""
    from textwrap import wrap

    lines = wrap(_list(words), 100, break_long_words=False, break_on_hyphens=False)
    return lines[0] if len(lines) == 1 else "".join(f"\n{indent}  {line}" for line in lines) + f"\n{indent}"


_BASH = r"""
# bash completion for imagectl, written by `imagectl completion bash`. Not for editing.
#
# Starts no program but `imagectl __images`, for image names. Evaluates nothing that was typed or read.
# Works from bash 3.2 on, with and without the bash-completion package.

# What belongs to $command: its options, the kind of its argument and the argument's choices.
_imagectl_command() {
  options=() argument='' argument_choices=()
@OPTIONS@
@ARGUMENTS@
}

# What stands behind option $1: its kind and choices. Fails where nothing does.
_imagectl_value() {
  kind=words choices=()
  case $1 in
@VALUES@
    *) return 1 ;;
  esac
}

_imagectl() {
  local -a words starts options choices argument_choices passed
  local rest=${COMP_LINE:0:COMP_POINT} bare word replaced=$2
  local command='' option='' argument='' kind='' current='' ended='' unclear='' i last=0 given=0
  COMPREPLY=()

  # bash splits words at COMP_WORDBREAKS, = and : among them. Here they are whole again.
  words=("${COMP_WORDS[0]}") starts=(0)
  rest=${rest#*"${COMP_WORDS[0]}"}
  for ((i = 1; i <= COMP_CWORD; i++)); do
    bare=${rest#"${rest%%[![:space:]]*}"}
    word=${COMP_WORDS[i]}
    ((i == COMP_CWORD)) && word=$bare
    if [[ $bare == "$rest" && -n $word ]]; then
      words[last]+=$word
    else
      words[++last]=$word starts[last]=$i
    fi
    rest=${bare#"$word"}
  done

  _imagectl_command
  for ((i = 1; i < last; i++)); do
    word=${words[i]}
    if [[ -n $option ]]; then
      _imagectl_pass "$option" "$word"
      option=''
    elif [[ $argument == command && ($word == -- || $word != -*) ]]; then
      [[ $word == -- ]] && ((i++))
      if ((i == last)) || [[ ${words[i]##*/} != imagectl ]]; then
        _imagectl_wrapped "$i"
        return
      fi
      command='' passed=() unclear=''
      _imagectl_command
    elif [[ $word == -- ]]; then
      ended=1
    elif [[ $word == -* && -z $ended ]]; then
      if [[ $word == --*=* ]]; then
        _imagectl_pass "${word%%=*}" "${word#*=}"
      elif _imagectl_value "$word"; then
        option=$word
      else
        case $word in @PASSED_FLAGS@) passed+=("$word") ;; esac
      fi
    elif [[ -z $command ]]; then
      command=$word
      _imagectl_command
    else
      ((given++))
    fi
  done

  current=${words[last]}
  if [[ -n $option ]]; then
    _imagectl_value "$option"
  elif [[ $current == --*=* && -z $ended ]] && _imagectl_value "${current%%=*}"; then
    current=${current#*=}
  elif [[ $current == -* && -z $ended ]]; then
    kind=words choices=("${options[@]}")
    [[ $argument == command ]] && choices+=(--)
  elif [[ -z $command ]]; then
    kind=words choices=(@COMMANDS@)
  elif [[ -n $argument ]] && ((given == 0)); then
    kind=$argument choices=(${argument_choices[@]+"${argument_choices[@]}"})
  elif ((${#options[@]})) && [[ -z $current$ended ]]; then
    kind=words choices=("${options[@]}")
  else
    return
  fi
  current=${current#[\"\']}

  case $kind in
    words) _imagectl_offer ${choices[@]+"${choices[@]}"} ;;
    files) _imagectl_files ;;
    profiles) _imagectl_profiles ;;
    images) _imagectl_images ;;
    command) _imagectl_wrapped "$last" ;;
  esac
}

# Offer those of the words that begin with $current, less what readline doesn't replace of them.
_imagectl_offer() {
  local word head='' skip=$((${#current} - ${#replaced}))
  ((skip < 0)) && head=${replaced%"$current"} skip=0
  for word; do
    [[ $word == "$current"* ]] && COMPREPLY+=("$head${word:skip}")
  done
}

_imagectl_files() {
  local file
  compopt -o default 2>/dev/null && return
  while IFS= read -r file; do
    [[ -n $file ]] && _imagectl_offer "$file"
  done <<<"$(compgen -f -- "$current")"
}

# Without touching what else is in a line of the credentials file: `set -x` would show it.
_imagectl_profiles() {
  local before section rest name='^[A-Za-z0-9_.-]+$' file
  local config=${AWS_CONFIG_FILE:-$HOME/.aws/config}
  local credentials=${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}
  for file in "$config" "$credentials"; do
    [[ -f $file && -r $file ]] || continue
    while IFS='[]' read -r before section rest || [[ -n ${section:+x} ]]; do
      [[ -z ${before:+x} && -n ${section:+x} ]] || continue
      section=${section#profile }
      [[ $section =~ $name ]] && _imagectl_offer "$section"
    done <"$file"
  done
}

# What a value means must be certain without evaluating it, or it may be another account's names.
_imagectl_pass() {
  local text=$2
  case $1 in
    @PASSED_VALUED@) ;;
    *) return ;;
  esac
  case $text in
    \'*\' | \"*\") text=${text:1:${#text}-2} ;;
    \~/*) text=$HOME/${text:2} ;;
  esac
  case $text in
    *[\'\"\\\$\`*?[{~]* | '') unclear=1 ;;
    *) passed+=("$1=$text") ;;
  esac
}

_imagectl_images() {
  local name valid='^[A-Za-z0-9]([-.]?[A-Za-z0-9])*$' part='^[A-Za-z0-9.-]*$'
  [[ -z $unclear && $current =~ $part ]] || return
  while IFS= read -r name; do
    [[ $name =~ $valid ]] && _imagectl_offer "$name"
  done <<<"$(command imagectl __images ${passed[@]+"${passed[@]}"} -- "$current" 2>/dev/null </dev/null)"
}

# Word $1 begins another command: complete that as the shell does.
_imagectl_wrapped() {
  local word
  if declare -F _comp_command_offset >/dev/null; then
    _comp_command_offset "${starts[$1]}"
  elif declare -F _command_offset >/dev/null; then
    _command_offset "${starts[$1]}"
  elif (($1 == last)); then
    current=${words[last]}
    while IFS= read -r word; do
      [[ -n $word ]] && _imagectl_offer "$word"
    done <<<"$(compgen -c -- "$current")"
  else
    current=${words[last]}
    _imagectl_files
  fi
}

complete -F _imagectl imagectl
"""


def _bash(tree: _Tree) -> dict[str, str]:
    options = (
        f"  case $command in {_case(commands)})"
        f" options+=({_wrapped((name for o in group for name in o.names), '    ')}) ;; esac"
        for commands, group in tree.groups.items()
    )
    arguments = (
        f"    {command}) argument={value.kind}"
        + (f" argument_choices=({_list(value.words)})" if value.words else "")
        + " ;;"
        for command, value in tree.arguments.items()
    )
    merged: dict[str, list[str]] = {}
    for value, names in tree.valued.items():
        merged.setdefault(_bash_value(value), []).extend(names)
    values = (f"    {_case(names)}) {what} ;;" for what, names in merged.items())
    return {
        "OPTIONS": "\n".join(options),
        "ARGUMENTS": "\n".join(("  case $command in", *arguments, "  esac")),
        "VALUES": "\n".join(values),
        "COMMANDS": _list(tree.summaries),
        **_passed(tree),
    }


def _bash_value(value: _Value) -> str:
    return f"choices=({_wrapped(value.words, '      ')})" if value.words else f"kind={value.kind}"


def _passed(tree: _Tree) -> dict[str, str]:
    return {"PASSED_VALUED": _case(tree.passed_valued), "PASSED_FLAGS": _case(tree.passed_flags)}


_ZSH = r"""
#compdef imagectl
# zsh completion for imagectl, written by `imagectl completion zsh`. Not for editing.
#
# Starts no program but `imagectl __images`, for image names. Evaluates nothing that was typed or read.

_imagectl() {
  local curcontext=$curcontext command='' argument='' i
  local -a specs
  for (( i = 2; i < CURRENT; i++ )); do
    [[ $words[i] == -* ]] && continue
    command=$words[i]
    shift $(( i - 1 )) words
    (( CURRENT -= i - 1 ))
    curcontext="${curcontext%:*:*}:imagectl-$command:"
    break
  done

@OPTIONS@
@ARGUMENTS@

  # Where another command begins, that is completed as the shell does.
  [[ $argument == command ]] && for (( i = 2; i <= CURRENT; i++ )); do
    case $words[i] in
      (--) (( i < CURRENT )) || break ;;
      (@VALUED@) (( i++ )); continue ;;
      (-*) continue ;;
      (*) (( i-- )) ;;
    esac
    shift $i words
    (( CURRENT -= i ))
    _normal
    return
  done
  _arguments -s -S $specs
}

_imagectl_commands() {
  local -a commands=(
@COMMANDS@
  )
  _describe -t commands command commands
}

# Without touching what else is in a line of the credentials file: `set -x` would show it.
_imagectl_profiles() {
  local before section rest file
  local -aU profiles
  for file in ${AWS_CONFIG_FILE:-$HOME/.aws/config} ${AWS_SHARED_CREDENTIALS_FILE:-$HOME/.aws/credentials}; do
    [[ -f $file && -r $file ]] || continue
    while IFS='[]' read -r before section rest || [[ -n ${section:+x} ]]; do
      [[ -z ${before:+x} && -n ${section:+x} ]] || continue
      section=${section#profile }
      [[ $section == [A-Za-z0-9_.-]## ]] && profiles+=($section)
    done <$file
  done
  (( $#profiles )) && compadd "$@" -- $profiles
}

_imagectl_images() {
  local word option='' value
  local -a passed names
  [[ $PREFIX == [A-Za-z0-9.-]# ]] || return 1
  for word in "${(@)words[2,CURRENT-1]}"; do
    value=$word
    if [[ -n $option ]]; then
      [[ $value == '~/'* ]] && value=$HOME/${value#'~/'}
    elif [[ $word == (@PASSED_FLAGS@) ]]; then
      passed+=($word)
      continue
    elif [[ $word == --*=* ]]; then
      option=${word%%=*} value=${word#*=}
    elif [[ $word == (@VALUED@) ]]; then
      option=$word
      continue
    fi
    if [[ $option == (@PASSED_VALUED@) ]]; then
      # What it means must be certain without evaluating it, or it may be another account's names.
      [[ $value == *[\$\`\(\*\?\[\{\~]* || -z $value ]] && return 1
      passed+=("$option=${(Q)value}")
    fi
    option=''
  done
  names=(${(f)"$(command imagectl __images "$passed[@]" -- "$PREFIX" 2>/dev/null </dev/null)"})
  names=(${(M)names:#[A-Za-z0-9]([-.]#[A-Za-z0-9])#})
  (( $#names )) && compadd "$@" -- $names
}

# Loaded through fpath this file is the function itself; read by `source` or `eval` it defines it.
if [[ $funcstack[1] == _imagectl ]]; then
  _imagectl "$@"
else
  compdef _imagectl imagectl
fi
"""


def _zsh(tree: _Tree) -> dict[str, str]:
    options = (
        "\n".join((f"  case $command in ({_case(commands)}) specs+=(", *map(_zsh_spec, group), "  ) ;; esac"))
        for commands, group in tree.groups.items()
    )
    # The command itself is the root's argument.
    arguments = [
        "  case $command in",
        "    ('') specs+=(':command:_imagectl_commands') ;;",
        *(
            f"    ({command}) argument={value.kind}"
            + (f" specs+=({_quoted(f':{_zsh_value(value)}')})" if value.kind != "command" else "")
            + " ;;"
            for command, value in tree.arguments.items()
        ),
        "  esac",
    ]
    commands = (f"    {_quoted(f'{name}:{_zsh_text(summary)}')}" for name, summary in tree.summaries.items())
    return {
        "OPTIONS": "\n".join(options),
        "ARGUMENTS": "\n".join(arguments),
        "COMMANDS": "\n".join(commands),
        "VALUED": _case(name for names in tree.valued.values() for name in names),
        **_passed(tree),
    }


def _zsh_spec(option: _Option) -> str:
    lines = []
    for name in option.names:
        others = f"({' '.join(option.names)})" if len(option.names) > 1 else ""
        more = "*" if option.repeatable else others
        glue = "" if option.value is None else "=" if name.startswith("--") else "+"
        text = f"[{_zsh_text(option.help)}]"
        value = f":{_zsh_value(option.value)}" if option.value else ""
        lines.append(f"    {_quoted(f'{more}{name}{glue}{text}{value}')}")
    return "\n".join(lines)


def _zsh_value(value: _Value) -> str:
    action = {
        "words": f"({' '.join(value.words)})",
        "files": "_files",
        "profiles": "_imagectl_profiles",
        "images": "_imagectl_images",
        "command": " ",
        "any": " ",
    }[value.kind]
    return f"{_zsh_text(value.metavar)}:{action}"


def _zsh_text(text: str) -> str:
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_FISH = r"""
# fish completion for imagectl, written by `imagectl completion fish`. Not for editing.
#
# Starts no program but `imagectl __images`, for image names. Evaluates nothing that was typed or read.

# The words between imagectl and the cursor, without the one that is being typed.
function __imagectl_words
    set -l words (commandline -opc)
    while string match -q -- '*=*' "$words[1]"
        set -e words[1]
    end
    set -e words[1]
    set -q words[1]; and printf '%s\n' $words
end

# The command, and how many arguments it has so far. Where another command has begun: --, 0, its words.
function __imagectl_line
    set -l words (__imagectl_words)
    set -l command ''
    set -l given 0
    set -l option ''
    while set -q words[1]
        set -l word $words[1]
        set -e words[1]
        if test -n "$option"
            set option ''
        else if test "$word" = --; and contains -- "$command" @WRAPPING@
            printf '%s\n' -- 0 $words
            return
        else if contains -- $word @VALUED@
            set option $word
        else if string match -q -- '-*' $word
            continue
        else if test -z "$command"
            set command $word
        else if contains -- "$command" @WRAPPING@
            printf '%s\n' -- 0 $word $words
            return
        else
            set given (math $given + 1)
        end
    end
    printf '%s\n' "$command" $given
end

function __imagectl_in
    set -l line (__imagectl_line)
    contains -- $line[1] $argv
end

function __imagectl_first_of
    set -l line (__imagectl_line)
    contains -- $line[1] $argv; and test $line[2] = 0
end

function __imagectl_profiles
    set -l config $HOME/.aws/config
    set -l credentials $HOME/.aws/credentials
    set -q AWS_CONFIG_FILE; and set config $AWS_CONFIG_FILE
    set -q AWS_SHARED_CREDENTIALS_FILE; and set credentials $AWS_SHARED_CREDENTIALS_FILE
    for file in $config $credentials
        test -f "$file" -a -r "$file"; or continue
        set -l names (string replace -rf '^\[(?:profile )?([A-Za-z0-9_.-]+)\].*' '$1' <$file)
        and printf '%s\n' $names
    end
end

function __imagectl_images
    set -l option ''
    set -l passed
    set -l prefix (commandline -ct)
    string match -qr '^[A-Za-z0-9.-]*$' -- "$prefix"; or return
    for word in (__imagectl_words)
        set -l value $word
        if test -n "$option"
            set value (string replace -r '^~/' "$HOME/" -- $value)
        else if contains -- $word @PASSED_FLAGS@
            set -a passed $word
            continue
        else if string match -q -- '--*=*' $word
            set option (string replace -r '=.*' '' -- $word)
            set value (string replace -r '^[^=]*=' '' -- $word)
        else if contains -- $word @VALUED@
            set option $word
            continue
        end
        if contains -- $option @PASSED_VALUED@
            # What it means must be certain without evaluating it, or it may be another account's names.
            string match -qr '[$(*?{~]|^$' -- "$value"; and return
            set -a passed "$option=$value"
        end
        set option ''
    end
    command imagectl __images $passed -- "$prefix" 2>/dev/null </dev/null |
        string match -r '^[A-Za-z0-9](?:[-.]?[A-Za-z0-9])*$'
end

# Another command: completed as the shell does.
function __imagectl_wrapped
    set -l line (__imagectl_line)
    set -l current (commandline -ct)
    complete -C (string join -- ' ' (string escape -- $line[3..]) "$current")
end

complete -c imagectl -f
@COMPLETE@
"""


def _fish(tree: _Tree) -> dict[str, str]:
    lines = [
        f"complete -c imagectl -n '__imagectl_in \"\"' -a {name} -d {_fish_text(summary)}"
        for name, summary in tree.summaries.items()
    ]
    for command, value in tree.arguments.items():
        where = f"{command} --" if value.kind == "command" else command
        words = _fish_words(value)
        offer = "-F" if value.kind == "files" else f"-a {_fish_text(words)}" if words else "-f"
        lines.append(f"complete -c imagectl -n '__imagectl_first_of {where}' {offer}")
    for commands, group in tree.groups.items():
        where = " ".join(command or '""' for command in commands)
        lines += [f"complete -c imagectl -n '__imagectl_in {where}' {_fish_option(o)}" for o in group]
    return {
        "COMPLETE": "\n".join(lines),
        "VALUED": _list(name for names in tree.valued.values() for name in names),
        "WRAPPING": _list(command for command, value in tree.arguments.items() if value.kind == "command"),
        "PASSED_VALUED": _list(tree.passed_valued),
        "PASSED_FLAGS": _list(tree.passed_flags),
    }


def _fish_option(option: _Option) -> str:
    parts = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    if option.value is not None:
        words = _fish_words(option.value)
        parts.append("-r -F" if option.value.kind == "files" else "-x")
        parts += [f"-a {_fish_text(words)}"] if words else []
    return " ".join([*parts, f"-d {_fish_text(option.help)}"])


def _fish_words(value: _Value) -> str:
    own = {
        "profiles": "(__imagectl_profiles)",
        "images": "(__imagectl_images)",
        "command": "(__imagectl_wrapped)",
    }
    return own.get(value.kind) or " ".join(value.words)


def _fish_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
