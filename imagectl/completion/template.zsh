#compdef imagectl
# zsh completion for imagectl, written by `imagectl completion zsh`. Not for editing.
#
# Starts no program but `imagectl __images`, for image names. Evaluates nothing that was typed or read.

_imagectl() {
  local curcontext=$curcontext command='' argument='' program=$words[1] i
  local -a specs
  for (( i = 2; i < CURRENT; i++ )); do
    [[ $words[i] == -* ]] && continue
    command=$words[i]
    shift $(( i - 1 )) words
    (( CURRENT -= i - 1 ))
    curcontext="${curcontext%:*:*}:imagectl-$command:"
    break
  done

  # @OPTIONS@
  case $command in
    # @ARGUMENTS@
  esac

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
    # @COMMANDS@
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

# What is set before the command, in $settings. Fails where that isn't certain: behind sudo, say.
_imagectl_before() {
  local word unclear=''
  local -a line=(${(z)LBUFFER##*(\$\(|\`|[<>=]\()})
  (( $+aliases[$line[1]] )) && line=(${(z)aliases[$line[1]]} $line[2,-1])
  for word in $line; do
    case $word in
      (';'*|'|'*|'&'*|'{'|'('|'!'|do|then|else|if|while|until|time) settings=() unclear='' ;;
      (AWS_[A-Z_]#=*|HOME=*) _imagectl_certain "${word#*=}" && settings+=("${(Q)word}") || unclear=1 ;;
      ([A-Za-z_][A-Za-z0-9_]#=*|noglob|nocorrect|command|exec|env|nohup) ;;
      ($program|*/imagectl|imagectl) [[ -z $unclear ]]; return ;;
      (*) unclear=1 ;;
    esac
  done
  return 1
}

# Whether what a value means is certain without evaluating it: or it may be another account's names.
_imagectl_certain() {
  [[ $1 != *[\$\`\(\*\?\[\{\~]* ]]
}

_imagectl_images() {
  local word option='' value
  local -a passed names settings
  [[ $PREFIX == [A-Za-z0-9.-]# ]] && _imagectl_before || return 1
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
      [[ -n $value ]] && _imagectl_certain "$value" || return 1
      passed+=("$option=${(Q)value}")
    fi
    option=''
  done
  names=(${(f)"$(
    (( $#settings )) && export "$settings[@]"
    command imagectl __images "$passed[@]" -- "$PREFIX" 2>/dev/null </dev/null
  )"})
  names=(${(M)names:#[A-Za-z0-9]([-.]#[A-Za-z0-9])#})
  (( $#names )) && compadd "$@" -- $names
}

# Loaded through fpath this file is the function itself; read by `source` or `eval` it defines it.
if [[ ${funcstack[1]-} == _imagectl ]]; then
  _imagectl "$@"
else
  compdef _imagectl imagectl
fi
