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
  case $command in '') options+=(--version) ;; esac
  case $command in ''|update|show|list|wait|apply|sandbox|completion|help) options+=(-h --help) ;; esac
  case $command in update) options+=(--description --description-file --display-name --role-arn --delete-property --if-changed) ;; esac
  case $command in update|apply) options+=(--dry-run --detailed-exitcode --wait --timeout) ;; esac
  case $command in update|show|wait|apply) options+=(--profile --region) ;; esac
  case $command in update|show|list|wait|apply) options+=(
      --endpoint-url --ca-bundle --connect-timeout --read-timeout --max-attempts --allow-http -o --output
      --query -q --quiet --color --debug
    ) ;; esac
  case $command in list) options+=(
      --name-contains --status --sort-by --sort-order --created-after --created-before --modified-after
      --modified-before --limit --profile --region
    ) ;; esac
  case $command in wait) options+=(--timeout) ;; esac
  case $command in apply) options+=(
      -y --yes --rollback-file --record --ignore-expected --concurrency --max-failures --max-unsettled
      --shard
    ) ;; esac
  case $command in sandbox) options+=(--update-seconds) ;; esac
  case $command in
    update) argument='images' ;;
    show) argument='images' ;;
    wait) argument='images' repeated=1 ;;
    apply) argument='files' ;;
    sandbox) argument='command' ;;
    completion) argument='words' argument_choices=(bash zsh fish) ;;
    help) argument='words' argument_choices=(update show list wait apply sandbox completion help exit-codes manifest environment output rate connection) ;;
  esac
}

# What stands behind option $1: its kind and choices. Fails where nothing does.
_imagectl_value() {
  kind=words choices=()
  case $1 in
    --description|--display-name|--name-contains|--role-arn|--timeout|--connect-timeout|--read-timeout|--update-seconds|--endpoint-url|--max-attempts|--limit|--concurrency|--max-failures|--max-unsettled|--query|--created-after|--created-before|--modified-after|--modified-before|--shard) kind=any ;;
    --description-file|--ca-bundle|--rollback-file|--record) kind=files ;;
    --delete-property) choices=(Description DisplayName) ;;
    --profile) kind=profiles ;;
    --region) choices=(
        af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2
        ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6
        ap-southeast-7 ca-central-1 ca-west-1 cn-north-1 cn-northwest-1 eu-central-1 eu-central-2
        eu-isoe-west-1 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1
        il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1
        us-gov-west-1 us-iso-east-1 us-isob-east-1 us-isof-east-1 us-isof-south-1 us-west-1 us-west-2
      ) ;;
    -o|--output) choices=(text json yaml name) ;;
    --color) choices=(auto always never) ;;
    --status) choices=(CREATING CREATED CREATE_FAILED UPDATING UPDATE_FAILED DELETING DELETE_FAILED) ;;
    --sort-by) choices=(creation-time last-modified-time image-name) ;;
    --sort-order) choices=(ascending descending) ;;
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
        case $word in --allow-http) passed+=("$word") ;; esac
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
    kind=words choices=(update show list wait apply sandbox completion help)
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
    --ca-bundle|--connect-timeout|--endpoint-url|--max-attempts|--profile|--read-timeout|--region) ;;
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
