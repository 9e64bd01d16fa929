#!/usr/bin/env bash
# flashctl at its daily work against a running node: every command once for real, bytes compared.
#
#   flashctl_test.sh [--full]                    starts flashstor-s3d of FLASHSTOR_BUILD (build/release) for itself
#   flashctl_test.sh --endpoint URL KEY SECRET   uses a running S3; what only Flashstor has is skipped
set -uo pipefail
bin=${FLASHSTOR_BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build/release}/bin
own=1 url= key= secret=
if [ "${1:-}" = --endpoint ] && [ $# = 4 ]; then own=0 url=$2 key=$3 secret=$4; fi
work=$(mktemp -d)
node=
export FLASHSTORE_CONFIG_DIR=$work/config XDG_STATE_HOME=$work/state

cleanup() {
  if [ -n "$node" ]; then kill -TERM "$node" 2>/dev/null; wait "$node" 2>/dev/null; fi
  mountpoint -q "$work/mount" 2>/dev/null && umount -l "$work/mount"
  rm -rf "$work"
}
trap cleanup EXIT

failed=0
check() {  # NAME COMMAND…
  local name=$1
  shift
  if "$@" > "$work/out" 2>&1; then
    echo "ok - flashctl: $name"
  else
    failed=$((failed + 1))
    echo "not ok - flashctl: $name"
    sed 's/^/      /' "$work/out" | tail -n 20
  fi
}
skip() { echo "skip - flashctl: $1: $2"; }
ctl() { "$bin/flashctl" --quiet "$@"; }
not() { ! "$@"; }
status_is() { local want=$1 got=0; shift; "$@" || got=$?; [ $got = "$want" ]; }
prints() { local want=$1; shift; "$@" | tee /dev/stderr | grep -qF -- "$want"; }

start_node() {  # PORT DRIVES_FOLDER ARGUMENTS…; sets `node`
  local port=$1 folder=$2
  shift 2
  mkdir -p "$folder"/drive{1..4}
  FLASHSTORE_ROOT_USER=$key FLASHSTORE_ROOT_PASSWORD=$secret \
    "$bin/flashstor-s3d" --address "127.0.0.1:$port" "$@" "$folder"/drive{1..4} > "$folder/out" 2> "$folder/log" &
  node=$!
  for _ in $(seq 600); do grep -q '^ready' "$folder/out" && return; kill -0 $node 2>/dev/null || break; sleep 0.1; done
  echo "not ok - flashctl: the node gets ready"
  tail -n 20 "$folder/log"
  exit 1
}
stop_node() { kill -TERM "$node" && wait "$node"; local status=$?; node=; return $status; }
free_port() { local port=$1; while (exec 3<> "/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done; echo "$port"; }

if [ "$own" = 1 ]; then
  key=test-root secret=$(od -An -tx1 -N20 /dev/urandom | tr -d ' \n')
  port=$(free_port 9300)
  url=http://127.0.0.1:$port
  start_node "$port" "$work/node"
fi

# Sources.
mkdir -p "$work/tree/sub/deep" "$work/tree/sp ace"
echo one > "$work/tree/one.txt"
: > "$work/tree/sub/empty"
head -c 5242880 /dev/urandom > "$work/tree/sub/five"
echo ü > "$work/tree/sp ace/ünï+%&.txt"
seq 5000 > "$work/tree/sub/deep/lines"
head -c 150000000 /dev/urandom > "$work/large"
b=flashctl-test-$$
r=t/$b

check "alias set" ctl alias set t "$url" "$key" "$secret"
check "alias list shows no secret" not prints "$secret" ctl alias list
check "config file is private" [ "$(stat -c %a "$work/config/config.json")" = 600 ]
check "alias from the environment" env "FLASHSTORE_HOST_e=${url/:\/\//://$key:$secret@}" "$bin/flashctl" ls e
check "mb" ctl mb "$r"
check "mb -p of a bucket that exists" prints "there already" ctl mb -p "$r"
check "mb of a bucket that exists says so" status_is 1 ctl mb "$r"
check "ls shows the bucket" prints "$b/" ctl ls t
check "wrong secret is refused" eval 'ctl alias set --unchecked bad "$url" "$key" wrong-secret >/dev/null && status_is 1 ctl ls bad'
check "alias set asks whether the secret is right" eval \
  'status_is 1 ctl alias set wrong "$url" "$key" wrong-secret && ! ctl alias ls wrong'
check "alias set keeps an endpoint that does not answer" eval \
  'ctl alias set away http://127.0.0.1:9 k s-e-c-r-e-t && ctl alias list away && ctl alias remove away'
check "rm of nothing announces nothing" eval \
  '! ctl rm "$r/never-there" 2> "$work/words" && ! grep -q "Will delete" "$work/words"'

check "cp one file" ctl cp "$work/tree/one.txt" "$r/"
check "cat" eval 'ctl cat "$r/one.txt" | cmp - "$work/tree/one.txt"'
check "cp to a name, metadata kept" eval \
  'ctl cp --attr color=blue --content-type text/x-odd "$work/tree/one.txt" "$r/named" && ctl stat --json "$r/named" | grep -q "\"color\":\"blue\"" &&
   ctl stat "$r/named" | grep -q text/x-odd'
check "cp -r up" ctl cp -r "$work/tree/" "$r/tree/"
check "cp -r down, same tree" eval 'ctl cp -r "$r/tree/" "$work/back" && diff -r "$work/tree" "$work/back"'
check "cp -r keeps the folder's name without a slash" eval 'ctl cp -r "$work/tree" "$r/named-tree/" && ctl ls "$r/named-tree/tree/one.txt"'
check "diff of equal trees" ctl diff "$work/tree" "$r/tree"
check "cp large in parts" eval 'ctl cp "$work/large" "$r/large" && ctl cp "$r/large" "$work/large.back" && cmp "$work/large" "$work/large.back"'
check "a large object's ETag says its parts" eval 'ctl stat --json "$r/large" | grep -q "\"etag\":\"[0-9a-f]*-9\""'
check "server-side copy" eval 'ctl cp "$r/large" "$r/copy/large" && ctl cat "$r/copy/large" | cmp - "$work/large"'
check "server-side copy keeps metadata" eval 'ctl cp "$r/named" "$r/copy/named" && ctl stat --json "$r/copy/named" | grep -q "\"color\":\"blue\""'
check "copy between aliases" eval \
  'ctl alias set t2 "$url" "$key" "$secret" && ctl cp "$r/large" "t2/$b/relay" && ctl cat "$r/relay" | cmp - "$work/large"'
check "mv" eval 'ctl mv "$r/copy/large" "$r/moved" && not ctl stat "$r/copy/large" && ctl stat "$r/moved"'
check "mv of a file deletes it" eval 'cp "$work/tree/one.txt" "$work/gone" && ctl mv "$work/gone" "$r/gone" && [ ! -e "$work/gone" ]'
check "pipe and head" eval 'seq 100 | ctl pipe "$r/piped" && [ "$(ctl head -n 3 "$r/piped" | tr "\n" " ")" = "1 2 3 " ]'
check "pipe in parts" eval 'ctl pipe "$r/piped-large" < "$work/large" && ctl cat "$r/piped-large" | cmp - "$work/large"'
check "cat a range" eval '[ "$(ctl cat --offset 2 --bytes 3 "$r/piped")" = "$(seq 100 | tail -c +3 | head -c 3)" ]'

check "upload goes on where it was interrupted" eval '
  "$bin/flashctl" --parallel 1 cp "$work/large" "$r/resumed" & p=$!
  for _ in $(seq 100); do [ -n "$(ls "$work/state/flashstor/uploads" 2>/dev/null)" ] && break; sleep 0.02; done
  sleep 0.3; kill -INT $p; wait $p
  ctl cp "$work/large" "$r/resumed" && ctl cat "$r/resumed" | cmp - "$work/large" && [ -z "$(ls "$work/state/flashstor/uploads")" ]'
check "upload goes on after a SIGKILL, without the parts that are there" eval '
  "$bin/flashctl" --parallel 1 --debug cp "$work/large" "$r/killed" 2> "$work/first" & p=$!
  for _ in $(seq 500); do [ "$(grep -c partNumber "$work/first")" -ge 3 ] && break; sleep 0.01; done
  kill -KILL $p; wait $p
  "$bin/flashctl" --debug cp "$work/large" "$r/killed" 2> "$work/second" && ctl cat "$r/killed" | cmp - "$work/large" &&
  [ "$(grep -c "PUT .*partNumber" "$work/second")" -le 7 ]'
check "download goes on where it was interrupted" eval '
  "$bin/flashctl" --parallel 1 cp "$r/large" "$work/part" & p=$!
  for _ in $(seq 100); do [ -e "$work/part.part" ] && break; sleep 0.02; done
  sleep 0.1; kill -INT $p; wait $p
  ctl cp "$r/large" "$work/part" && cmp "$work/part" "$work/large" && [ ! -e "$work/part.part" ]'

check "ls -r --json is one object a line" eval 'ctl --json ls -r "$r/tree/" > "$work/json"; [ "$(wc -l < "$work/json")" = 5 ] && [ "$(grep -c "\"status\":\"success\"" "$work/json")" = 5 ]'
check "ls opens a folder" prints "one.txt" ctl ls "$r/tree"
check "du" prints "5 objects" ctl du "$r/tree"
check "find" prints "$r/tree/sub/five" ctl find "$r/tree" --name 'f*' --larger 1MiB
check "tree" prints "└─ lines" ctl tree "$r/tree/sub/deep"
check "mirror up, then nothing to do" eval 'ctl mirror "$work/tree" "$r/mirror" && [ -z "$(ctl mirror "$work/tree" "$r/mirror")" ]'
check "mirror: change, extra, --dry-run, --remove" eval '
  echo changed >> "$work/tree/one.txt" && rm "$work/tree/sub/five" &&
  ctl mirror --dry-run --overwrite --remove "$work/tree" "$r/mirror" && not ctl diff "$work/tree" "$r/mirror" &&
  not ctl mirror "$work/tree" "$r/mirror" && ctl mirror --overwrite --remove "$work/tree" "$r/mirror" &&
  ctl diff "$work/tree" "$r/mirror"'
check "mirror down" eval 'ctl mirror "$r/mirror" "$work/mirrored" && diff -r "$work/tree" "$work/mirrored"'
check "share download" eval 'curl -sf "$(ctl share download "$r/one.txt" -E 5m)" | grep -qx one'
check "share upload" eval 'echo shared > "$work/FILE" && (cd "$work" && eval "$(ctl share upload "$r/shared")" 2>/dev/null) && ctl cat "$r/shared" | grep -qx shared'
check "share: longer than 7d is refused" status_is 2 ctl share download "$r/one.txt" -E 8d
check "tag set, list, remove" eval '
  ctl tag set "$r/one.txt" "a=1&b=two words" && [ "$(ctl tag list "$r/one.txt" | sort | tr "\n" ,)" = "a=1,b=two words," ] &&
  ctl tag remove "$r/one.txt" && [ -z "$(ctl tag list "$r/one.txt")" ]'

check "version enable" prints Enabled ctl version enable "$r"
check "versions: old one is still there, rm leaves a marker" eval '
  echo v1 | ctl pipe "$r/v" && echo v2 | ctl pipe "$r/v" && ctl rm --force "$r/v" && not ctl cat "$r/v" &&
  [ "$(ctl ls --versions "$r/v" | wc -l)" = 3 ] &&
  old=$(ctl --json ls --versions "$r/v" | grep -v "\"isDeleteMarker\":true" | tail -n 1 | sed "s/.*\"versionId\":\"\([^\"]*\)\".*/\1/") &&
  ctl cat --version-id "$old" "$r/v" | grep -qx v1'
check "rm --versions" eval 'ctl rm --versions --force "$r/v" && [ -z "$(ctl ls --versions "$r/v")" ]'
check "version suspend" prints Suspended ctl version suspend "$r"

check "rm says what it would delete" prints "$r/tree/one.txt" "$bin/flashctl" rm -r --dry-run "$r/tree/"
check "rm -r asks or refuses" eval 'status_is 1 ctl rm -r "$r/tree/" < /dev/null && ctl stat "$r/tree/one.txt"'
check "rm -r --force" eval 'ctl rm -r --force "$r/tree/" && [ -z "$(ctl ls -r "$r/tree/")" ]'
check "rm of what is not there fails" status_is 1 ctl rm "$r/never" < /dev/null
check "a key that would leave the folder is not written" eval '
  echo evil | ctl pipe "$r/evil/../../escaped" && not ctl cp -r "$r/evil/" "$work/jail/deep" && [ ! -e "$work/escaped" ] && [ ! -e "$work/jail/escaped" ]'
check "rb of a full bucket fails, --force does not" eval 'not ctl rb "$r" && ctl rb --force "$r" && not ctl stat "$r"'

check "unknown command names the nearest" prints 'did you mean `mirror`' eval 'status_is 2 ctl miror 2>&1'
check "unknown alias names the nearest" prints 'did you mean' eval 'ctl ls tt/x 2>&1 || true'
ctl mb t/completed > /dev/null && echo x | ctl pipe t/completed/dir/key > /dev/null
offers() {  # LINE COMMAND…: whether the command prints that line; read to its end, since a closed pipe would end it with an error.
  local printed
  printed=$("${@:2}") && grep -qx -e "$1" <<< "$printed"
}
complete_in_bash() {  # WORD…: what bash offers for the last one.
  PATH="$bin:$PATH" bash -c 'source <(flashctl completion bash); COMP_WORDS=(flashctl "$@"); COMP_CWORD=$#; _flashctl; printf "%s\n" "${COMPREPLY[@]}"' - "$@"
}
check "bash completes commands, options, aliases, buckets and keys" eval '
  offers admin complete_in_bash adm && offers enable complete_in_bash admin user en && offers --recursive complete_in_bash cp --rec &&
  offers t/ complete_in_bash ls t && offers t/completed/ complete_in_bash ls t/comp && offers t/completed/dir/key complete_in_bash cat t/completed/dir/'
if command -v zsh > /dev/null; then check "completion parses in zsh" eval 'ctl completion zsh | zsh -n'; else skip "completion in zsh" "zsh is not installed"; fi
if command -v fish > /dev/null; then
  complete_in_fish() { PATH="$bin:$PATH" fish -c 'flashctl completion fish | source; complete -C "$argv[1]"' "flashctl $1" | cut -f 1; }
  check "fish completes commands, aliases, buckets and keys" eval '
    offers admin complete_in_fish adm && offers enable complete_in_fish "admin user en" &&
    offers t/ complete_in_fish "ls t" && offers t/completed/dir/key complete_in_fish "cat t/completed/dir/"'
else
  skip "completion in fish" "fish is not installed"
fi
check "ping" ctl ping -c 1 t

if [ "$own" = 1 ]; then
  ctl mb t/kept > /dev/null && ctl cp "$work/large" t/kept/ > /dev/null
  check "admin info" prints "drives, parity" ctl admin info t
  check "admin heal" ctl admin heal t
  cat > "$work/policy.json" <<'POLICY'
{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::shop","arn:aws:s3:::shop/*"]}]}
POLICY
  check "admin: a user may do what the policy says and no more" eval '
    ctl mb t/shop && echo hi | ctl pipe t/shop/a && ctl admin user add t alice alice-secret-123 &&
    ctl alias set alice "$url" alice alice-secret-123 && not ctl cat alice/shop/a &&
    ctl admin policy create t shop-reader "$work/policy.json" && ctl admin policy attach t shop-reader --user alice &&
    ctl cat alice/shop/a | grep -qx hi && not ctl cp "$work/policy.json" alice/shop/b'
  check "admin user list, info, policies" eval '
    ctl admin user list t | grep -q alice && ctl admin user info t alice | grep -q shop-reader &&
    ctl admin policy list t | grep -qx readonly && ctl admin policy info t shop-reader | grep -q s3:ListBucket'
  check "admin user disable, enable, detach, remove" eval '
    ctl admin user disable t alice && not ctl cat alice/shop/a && ctl admin user enable t alice && ctl cat alice/shop/a &&
    ctl admin policy detach t shop-reader --user alice && not ctl cat alice/shop/a &&
    ctl admin user remove t alice && not ctl admin user info t alice && ctl admin policy remove t shop-reader'
  check "admin trace sees requests" eval '
    timeout 20 "$bin/flashctl" --json admin trace t --operation "HeadObject" -n 1 > "$work/trace" & p=$!
    for _ in $(seq 50); do ctl stat t/shop/a >/dev/null; kill -0 $p 2>/dev/null || break; sleep 0.1; done
    wait $p && grep -q "\"operation\":\"HeadObject\"" "$work/trace"'
  if [ ! -e /dev/fuse ] || [ "$(id -u)" != 0 ]; then
    skip "mount and umount" "needs root and /dev/fuse"
  elif [ -z "$(ctl --json admin info t | sed -n 's/.*"mount_socket":"\([^"]*\)".*/\1/p')" ]; then
    skip "mount and umount" "this node has no mount socket"
  else
    mkdir "$work/mount"
    check "mount: S3 and files are one" eval '
      ctl mount t/shop "$work/mount" | grep -q ^ready && grep -qx hi "$work/mount/a" &&
      echo back > "$work/mount/from-mount" && ctl cat t/shop/from-mount | grep -qx back'
    check "who is no administrator mounts by its own policy" eval '
      ctl admin user add t mona mona-secret-123 && ctl admin policy attach t readwrite --user mona &&
      ctl alias set mona "$url" mona mona-secret-123 && mkdir "$work/mona" && ctl mount mona/shop "$work/mona" &&
      grep -qx back "$work/mona/from-mount" && ctl umount "$work/mona"'
    check "umount" eval 'ctl umount "$work/mount" && not mountpoint -q "$work/mount"'
    check "mount with a wrong secret leaves nothing mounted" eval \
      'not ctl mount bad/shop "$work/mount" && not mountpoint -q "$work/mount"'
  fi
  check "drive verify refuses a drive in use" status_is 1 ctl drive verify "$work/node/drive1"
  check "SIGTERM ends the node with status 0" stop_node
  check "drive inspect" prints "condition: formatted" ctl drive inspect "$work/node/drive1"
  check "drive inspect of no drive fails" status_is 1 ctl drive inspect "$work/no-such-drive"
  check "drive verify: good drives" prints ": good" ctl drive verify "$work"/node/drive{1..4}
  check "drive verify: one changed byte is found" eval '
    changed=0
    while read -r file; do  # every file: one that belongs to a deleted object is nobody any more
      printf "\\$(printf %03o $(( $(od -An -tu1 -j 600 -N 1 "$file") ^ 1 )))" | dd of="$file" bs=1 seek=600 conv=notrunc 2>/dev/null && changed=$((changed + 1))
    done < <(find "$work/node/drive2/shards" -type f -size +1k)
    [ "$changed" -gt 0 ] && status_is 1 ctl drive verify "$work/node/drive2"'

  mkdir "$work/certs"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$work/certs/private.key" -out "$work/certs/public.crt" 2> /dev/null
  port=$(free_port 9400)
  start_node "$port" "$work/tls" --certs-dir "$work/certs"
  check "https: a certificate that nobody vouches for is refused" eval '
    ctl alias set s "https://127.0.0.1:$port" "$key" "$secret" && not ctl ls s && ctl --insecure ls s'
  export FLASHSTORE_CA_FILE=$work/certs/public.crt
  check "https: large and small, unsigned payloads" eval '
    ctl mb s/tls && ctl cp "$work/large" "$work/json" s/tls/ && ctl cat s/tls/large | cmp - "$work/large" &&
    ctl cat s/tls/json | cmp - "$work/json"'
  unset FLASHSTORE_CA_FILE
  check "https: SIGTERM ends the node with status 0" stop_node
else
  skip "admin, mount and https" "not a node of our own"
fi

[ $failed = 0 ]
