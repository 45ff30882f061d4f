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
    set -l prefix (commandline -ct | string replace -r '^["\']' '')
    string match -qr '^[A-Za-z0-9.-]*$' -- "$prefix"; or return
    # What completes the command behind `env` or `sudo` doesn't tell what is set there.
    string match -q '*__fish_complete_subcommand*' -- (status stack-trace); and return
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
# @COMPLETE@
