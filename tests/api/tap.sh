# Small TAP helpers for shell tests inside with-engine: . tap.sh; check NAME COMMAND...; done_testing
set -u
LC_ALL=C; export LC_ALL
DOCKER=${DOCKER:-docker}
d() { "$DOCKER" "$@"; }
n=0 failed=0
T=$(mktemp -d "$BULWARK_DIR/t.XXXX")
chmod 755 "$T"
export T
ok() { n=$((n + 1)); echo "ok $n - $1"; }
not_ok() { n=$((n + 1)); failed=$((failed + 1)); echo "not ok $n - $1"; shift; printf '%s\n' "$@" | head -n 15 | cut -c1-400 | sed 's/^/#   /'; }
is() { # NAME GOT WANT
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got  «$2»" "want «$3»"; fi
}
like() { # NAME GOT REGEX
	if [[ $2 =~ $3 ]]; then ok "$1"; else not_ok "$1" "got  «$2»" "want /$3/"; fi
}
unlike() { if [[ $2 =~ $3 ]]; then not_ok "$1" "got «$2»"; else ok "$1"; fi; }
rc() { # NAME WANT COMMAND...: exit status; output in $out, errors in $err
	local name=$1 want=$2 got=0; shift 2
	out=$("$@" 2>"$T/.err" </dev/null) || got=$?
	err=$(<"$T/.err")
	if [ "$got" = "$want" ]; then ok "$name"; else not_ok "$name" "status $got, want $want: $*" "$out" "$err"; fi
}
bad() { # NAME REGEX COMMAND...: fails with a message
	local name=$1 want=$2 got=0; shift 2
	out=$("$@" 2>"$T/.err" </dev/null) || got=$?
	err=$(<"$T/.err")
	if [ "$got" = 0 ]; then not_ok "$name" "succeeded: $*" "$out"; elif [[ $err$out =~ $want ]]; then ok "$name"; else not_ok "$name" "message «$err»" "want /$want/"; fi
}
within() { # SECONDS COMMAND: polls
	local end=$((SECONDS + $1))
	until eval "$2" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.05; done
}
comes() { # NAME SECONDS COMMAND
	if within "$2" "$3"; then ok "$1"; else not_ok "$1" "still not so after $2 s: $3"; fi
}
pty() { script -qefc "$1" /dev/null; }
done_testing() {
	echo "1..$n"
	echo "$((n - failed)) passed, $failed failed"
	[ $failed = 0 ]
}
