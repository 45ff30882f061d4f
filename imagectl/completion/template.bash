# bash completion for imagectl, written by `imagectl completion bash`. Not for editing.
#
# Starts no program but `imagectl __images`, for image names. Evaluates nothing that was typed or read.
# Works from bash 3.2 on, with and without the bash-completion package, whatever `set` and `shopt` say.
#
# bash keeps what stands before the command to itself: of `AWS_PROFILE=prod imagectl show`, TAB sees no profile.
# shellcheck shell=bash

# What belongs to $command: its options, the kind of its argument and the argument's choices.
_imagectl_command() {
  options=() argument='' argument_choices=() repeated=''
  # @OPTIONS@
  case $command in
    # @ARGUMENTS@
  esac
}

# What stands behind option $1: its kind and choices. Fails where nothing does.
_imagectl_value() {
  kind=words choices=()
  case $1 in
    # @VALUES@
    *) return 1 ;;
  esac
}

# Left of `||` nothing that fails ends a shell that was told `set -e`.
_imagectl() {
  _imagectl_complete "$@" || return 0
}

_imagectl_complete() {
  local -a words starts options choices argument_choices passed
  local rest=${COMP_LINE:0:COMP_POINT} bare word replaced=$2 IFS=$' \t\n'
  local command='' option='' argument='' repeated='' kind='' current='' ended='' unclear='' wrapped='' i last=0 given=0
  COMPREPLY=()
  # What completes the command behind `env` or `sudo` tells nothing of what stands there either.
  case "${FUNCNAME[*]} " in *_command_offset\ *) wrapped=1 unclear=1 ;; esac

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
      command='' passed=() unclear=$wrapped
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
    kind=words choices=(${options[@]+"${options[@]}"})
    [[ $argument == command ]] && choices+=(--)
  elif [[ -z $command ]]; then
    kind=words choices=(@COMMANDS@)
  elif [[ -n $argument ]] && [[ $given == 0 || -n $repeated ]]; then
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
  local config=${AWS_CONFIG_FILE:-${HOME-}/.aws/config}
  local credentials=${AWS_SHARED_CREDENTIALS_FILE:-${HOME-}/.aws/credentials}
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
    \~/*) text=${HOME-\~}/${text:2} ;;
  esac
  case $text in
    *[\'\"\\\$\`*?[\{~]* | '') unclear=1 ;;
    *) passed+=("$1=$text") ;;
  esac
}

_imagectl_images() {
  local name valid='^[A-Za-z0-9]([-.]?[A-Za-z0-9])*$' part='^[A-Za-z0-9.-]*$'
  [[ -z $unclear && $current =~ $part ]] || return
  while IFS= read -r name; do
    [[ $name =~ $valid ]] && _imagectl_offer "$name"
  done <<<"$(\command imagectl __images ${passed[@]+"${passed[@]}"} -- "$current" 2>/dev/null </dev/null)"
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
