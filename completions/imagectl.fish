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
        else if test "$word" = --; and contains -- "$command" sandbox
            printf '%s\n' -- 0 $words
            return
        else if contains -- $word --description --display-name --name-contains --description-file --ca-bundle --rollback-file --record --role-arn --delete-property --timeout --connect-timeout --read-timeout --update-seconds --profile --region --endpoint-url --max-attempts --limit --concurrency --max-failures --max-unsettled -o --output --query --color --status --sort-by --sort-order --created-after --created-before --modified-after --modified-before --shard
            set option $word
        else if string match -q -- '-*' $word
            continue
        else if test -z "$command"
            set command $word
        else if contains -- "$command" sandbox
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
        else if contains -- $word --allow-http
            set -a passed $word
            continue
        else if string match -q -- '--*=*' $word
            set option (string replace -r '=.*' '' -- $word)
            set value (string replace -r '^[^=]*=' '' -- $word)
        else if contains -- $word --description --display-name --name-contains --description-file --ca-bundle --rollback-file --record --role-arn --delete-property --timeout --connect-timeout --read-timeout --update-seconds --profile --region --endpoint-url --max-attempts --limit --concurrency --max-failures --max-unsettled -o --output --query --color --status --sort-by --sort-order --created-after --created-before --modified-after --modified-before --shard
            set option $word
            continue
        end
        if contains -- $option --ca-bundle --connect-timeout --endpoint-url --max-attempts --profile --read-timeout --region
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
complete -c imagectl -n '__imagectl_in ""' -a update -d 'Change an image\'s description, display name or role.'
complete -c imagectl -n '__imagectl_in ""' -a show -d 'Show one image: all that DescribeImage returns.'
complete -c imagectl -n '__imagectl_in ""' -a list -d 'List the images of a region.'
complete -c imagectl -n '__imagectl_in ""' -a wait -d 'Wait until images are settled.'
complete -c imagectl -n '__imagectl_in ""' -a apply -d 'Bring many images to the state that a manifest declares.'
complete -c imagectl -n '__imagectl_in ""' -a sandbox -d 'Serve SageMaker images on loopback, no AWS account needed.'
complete -c imagectl -n '__imagectl_in ""' -a completion -d 'Print the completion script for bash, zsh or fish.'
complete -c imagectl -n '__imagectl_in ""' -a help -d 'Show the help of a command, or of a topic: exit-codes, manifest, environment, output, rate, connection.'
complete -c imagectl -n '__imagectl_first_of update' -a '(__imagectl_images)'
complete -c imagectl -n '__imagectl_first_of show' -a '(__imagectl_images)'
complete -c imagectl -n '__imagectl_in wait' -a '(__imagectl_images)'
complete -c imagectl -n '__imagectl_first_of apply' -F
complete -c imagectl -n '__imagectl_first_of sandbox --' -a '(__imagectl_wrapped)'
complete -c imagectl -n '__imagectl_first_of completion' -a 'bash zsh fish'
complete -c imagectl -n '__imagectl_first_of help' -a 'update show list wait apply sandbox completion help exit-codes manifest environment output rate connection'
complete -c imagectl -n '__imagectl_in ""' -l version -d 'Show the version'
complete -c imagectl -n '__imagectl_in "" update show list wait apply sandbox completion help' -s h -l help -d 'Show this message and exit'
complete -c imagectl -n '__imagectl_in update' -l description -x -d 'The new description'
complete -c imagectl -n '__imagectl_in update' -l description-file -r -F -d 'A file that holds the new description; - is standard input'
complete -c imagectl -n '__imagectl_in update' -l display-name -x -d 'The new display name'
complete -c imagectl -n '__imagectl_in update' -l role-arn -x -d 'The new IAM role'
complete -c imagectl -n '__imagectl_in update' -l delete-property -x -a 'Description DisplayName' -d 'Delete Description or DisplayName; repeatable'
complete -c imagectl -n '__imagectl_in update' -l if-changed -d 'Look first; send nothing if nothing would change'
complete -c imagectl -n '__imagectl_in update apply' -l dry-run -d 'Show what would change, as a diff; change nothing'
complete -c imagectl -n '__imagectl_in update apply' -l detailed-exitcode -d 'With --dry-run: exit 10 if something would change'
complete -c imagectl -n '__imagectl_in update apply' -l wait -d 'Return when all is as asked for'
complete -c imagectl -n '__imagectl_in update apply' -l timeout -x -d 'How long --wait waits: 90, 90s, 10m, 1h'
complete -c imagectl -n '__imagectl_in update show wait apply' -l profile -x -a '(__imagectl_profiles)' -d 'The profile of the AWS configuration'
complete -c imagectl -n '__imagectl_in update show wait apply' -l region -x -a 'af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 eu-isoe-west-1 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1 il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-iso-east-1 us-isob-east-1 us-isof-east-1 us-isof-south-1 us-west-1 us-west-2' -d 'The AWS region'
complete -c imagectl -n '__imagectl_in update show list wait apply' -l endpoint-url -x -d 'Where SageMaker is called'
complete -c imagectl -n '__imagectl_in update show list wait apply' -l ca-bundle -r -F -d 'Certificates of a private CA, as PEM'
complete -c imagectl -n '__imagectl_in update show list wait apply' -l connect-timeout -x -d 'How long to wait for a connection, up to the end of TLS'
complete -c imagectl -n '__imagectl_in update show list wait apply' -l read-timeout -x -d 'How long to wait for a reply, and for each part of it; the whole may take twice that'
complete -c imagectl -n '__imagectl_in update show list wait apply' -l max-attempts -x -d 'How often a call is tried in all'
complete -c imagectl -n '__imagectl_in update show list wait apply' -l allow-http -d 'Allow a plain http:// endpoint that is not loopback'
complete -c imagectl -n '__imagectl_in update show list wait apply' -s o -l output -x -a 'text json yaml name' -d 'The format of the result'
complete -c imagectl -n '__imagectl_in update show list wait apply' -l query -x -d 'Select from the result, as JSON; with -o text as bare values'
complete -c imagectl -n '__imagectl_in update show list wait apply' -s q -l quiet -d 'Nothing on stderr but errors'
complete -c imagectl -n '__imagectl_in update show list wait apply' -l color -x -a 'auto always never' -d 'Whether there is colour; auto: by NO_COLOR, FORCE_COLOR, TERM and the stream'
complete -c imagectl -n '__imagectl_in update show list wait apply' -l debug -d 'Show requests and replies on stderr, credentials left out'
complete -c imagectl -n '__imagectl_in list' -l name-contains -x -d 'Only names that contain TEXT'
complete -c imagectl -n '__imagectl_in list' -l status -x -a 'CREATING CREATED CREATE_FAILED UPDATING UPDATE_FAILED DELETING DELETE_FAILED' -d 'Only images in STATUS (CREATED, UPDATE_FAILED, ...); repeatable'
complete -c imagectl -n '__imagectl_in list' -l sort-by -x -a 'creation-time last-modified-time image-name' -d 'What the images are in the order of: creation-time, last-modified-time, image-name'
complete -c imagectl -n '__imagectl_in list' -l sort-order -x -a 'ascending descending' -d 'ascending or descending'
complete -c imagectl -n '__imagectl_in list' -l created-after -x -d 'Only images made after TIME: 2026-11-26T08:00:00Z, 2026-11-26, or ago: 30d, 12h'
complete -c imagectl -n '__imagectl_in list' -l created-before -x -d 'Only images made before TIME'
complete -c imagectl -n '__imagectl_in list' -l modified-after -x -d 'Only images changed after TIME'
complete -c imagectl -n '__imagectl_in list' -l modified-before -x -d 'Only images changed before TIME'
complete -c imagectl -n '__imagectl_in list' -l limit -x -d 'At most N images'
complete -c imagectl -n '__imagectl_in list' -l profile -x -a '(__imagectl_profiles)' -d 'The profile of the AWS configuration'
complete -c imagectl -n '__imagectl_in list' -l region -x -a 'af-south-1 ap-east-1 ap-east-2 ap-northeast-1 ap-northeast-2 ap-northeast-3 ap-south-1 ap-south-2 ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7 ca-central-1 ca-west-1 cn-north-1 cn-northwest-1 eu-central-1 eu-central-2 eu-isoe-west-1 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3 eusc-de-east-1 il-central-1 me-central-1 me-south-1 mx-central-1 sa-east-1 us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-iso-east-1 us-isob-east-1 us-isof-east-1 us-isof-south-1 us-west-1 us-west-2' -d 'The AWS region'
complete -c imagectl -n '__imagectl_in wait' -l timeout -x -d 'How long to wait: 90, 90s, 10m, 1h'
complete -c imagectl -n '__imagectl_in apply' -s y -l yes -d 'Don\'t ask'
complete -c imagectl -n '__imagectl_in apply' -l rollback-file -r -F -d 'A new file, to undo the run by applying it'
complete -c imagectl -n '__imagectl_in apply' -l record -r -F -d 'A new file, for what came of each image'
complete -c imagectl -n '__imagectl_in apply' -l ignore-expected -d 'Apply entries whose image is not as Expected, too'
complete -c imagectl -n '__imagectl_in apply' -l concurrency -x -d 'API calls at a time'
complete -c imagectl -n '__imagectl_in apply' -l max-failures -x -d 'Send nothing new after N failures'
complete -c imagectl -n '__imagectl_in apply' -l max-unsettled -x -d 'With --wait: at most N images are unsettled at any moment'
complete -c imagectl -n '__imagectl_in apply' -l shard -x -d 'Only the K-th of N parts, from 1 on'
complete -c imagectl -n '__imagectl_in sandbox' -l update-seconds -x -d 'How long an update takes'
