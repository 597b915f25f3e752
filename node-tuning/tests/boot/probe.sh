#!/bin/bash
# Runs in the guest once it is up; says what it finds on the serial line, one `AOB@@ name=value` each. The test judges.
exec 2>/run/probe.err
UNITS="aob-gateway.service aob-coordinator.service aob-runner.service aob-fanout.service aob-runner@agent.service"
say() { printf 'AOB@@ %s=%s\n' "$1" "$2" >/dev/ttyS0; }
line() { tr '\n' ' '; }
sysctls() {
    for key in net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports net.ipv4.tcp_fin_timeout \
        net.ipv4.tcp_tw_reuse net.core.somaxconn fs.inotify.max_user_instances vm.overcommit_memory; do
        value=$(</proc/sys/${key//.//})
        printf '%s=%s;' "$key" "${value//$'\t'/ }"
    done
}
# What the kernel shows of processors, nodes and control groups: all that a plan reads of them.
tree() {
    for file in sys/devices/system/cpu/online sys/devices/system/cpu/cpu*/topology/thread_siblings_list \
        sys/devices/system/node/online sys/devices/system/node/has_memory sys/devices/system/node/node*/cpulist \
        sys/fs/cgroup/cgroup.controllers; do
        [ -e "/$file" ] && printf '%s=%s;' "$file" "$(</$file)"
    done
}
slices() { systemctl show -p Id -p AllowedCPUs init.scope system.slice user.slice | line; }
files() { find /etc/sysctl.d /etc/systemd/system -name '*aob*' | sort | line; }
# What systemd says of a unit, and what its process really has.
process() {
    show=$(systemctl show -p MainPID -p ActiveState -p Slice -p NUMAPolicy -p NUMAMask -p LimitNOFILE -p LimitNPROC -p TasksMax "$1")
    say "$1 show" "${show//$'\n'/ }"
    pid=${show#*MainPID=}
    pid=${pid%%$'\n'*}
    say "$1 status" "$(awk '/^(Cpus|Mems)_allowed_list|^NoNewPrivs|^Seccomp:/ {printf "%s ", $1 $2}' "/proc/$pid/status")"
    read -r _ policy _ <"/proc/$pid/numa_maps"
    say "$1 policy" "$policy"
    say "$1 limits" "$(awk '/^Max open files/ {printf "NOFILE:%s:%s ", $4, $5} /^Max processes/ {printf "NPROC:%s:%s ", $3, $4}' "/proc/$pid/limits")"
    say "$1 group" "$(sed -n 's/^0:://p' "/proc/$pid/cgroup")"
}
# Runs a command until it succeeds, at most so many seconds.
until_true() {
    end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.2
    done
}
# The gateway's answer over the network, without a client: none is in so small a system.
healthy() {
    local answer
    exec 3<>/dev/tcp/127.0.0.1/8080 || return 1
    printf 'GET /healthz HTTP/1.0\r\n\r\n' >&3
    read -t 10 -r answer <&3
    exec 3>&-
    [[ $answer == *" 200 "* ]]
}
aob() { /usr/bin/aob "$@" --redis redis://127.0.0.1:6379; }

say kernel "$(uname -r) $(systemctl --version | head -1)"
say cpus "$(cat /sys/devices/system/cpu/online) $(cat /sys/devices/system/node/node*/cpulist | line)"
say tree "$(cd / && tree)"
say found "$(sysctls)"
say found_slices "$(slices)"
say found_files "$(files)"
until_true 120 redis-cli ping >/dev/null
redis-cli set survivor yes >/dev/null
# One shard is a quarter of the looks that idle processes take: emulated, they keep the guest from everything else.
redis-cli set 'aob:{s0}:shards' 1 >/dev/null

dpkg --force-unsafe-io -i /aob.deb >/run/dpkg.log 2>&1
say install "$? $(tail -1 /run/dpkg.log)"
say pages "$(cd /usr/share && ls man/man1/aob.1.gz man/man1/aob-run.1.gz man/man1/aob-node-revert.1.gz \
    man/man1/aob-runner.1.gz bash-completion/completions/aob zsh/vendor-completions/_aob-node fish/vendor_completions.d/aob.fish | wc -l)"
say verify "$(systemd-analyze verify --man=no $UNITS aob-node.service /usr/lib/systemd/system/aob*.slice 2>&1 | tr '\n' ';')"
systemd-analyze security --no-pager $UNITS aob-node.service 2>&1 |
    sed -n 's/.*exposure level for \([^:]*\): \([0-9.]*\).*/\1 \2/p' |
    while read -r unit exposure; do say "$unit security" "$exposure"; done

say node_start "$(systemctl start aob-node 2>&1) $(systemctl is-active aob-node)"
systemctl restart redis-server
until_true 120 redis-cli ping >/dev/null
# The first makes the store's functions; while five did, the emulated server answered nobody in time.
systemctl start aob-coordinator 2>/run/start
systemctl start $UNITS 2>>/run/start
say start "$(tr '\n' ';' </run/start)"
[ -s /run/start ] && say journal "$(journalctl -p warning -n 8 -o cat | tr '\n' ';' | head -c 1500)"
say applied "$(sysctls)"
say applied_slices "$(slices)"
aob-node status >/run/status 2>&1
say status "$? $(tr '\n' ';' </run/status)"
systemctl restart systemd-sysctl
say after_sysctl "$(sysctls)"
for unit in $UNITS redis-server.service; do process "$unit"; done
for slice in aob-control aob-runner aob-fanout; do
    path=/sys/fs/cgroup/aob.slice/$slice.slice
    say "$slice.slice memory" "$(systemctl show -p MemoryLow -p MemoryHigh -p MemoryMax -p MemorySwapMax $slice.slice | line)"
    say "$slice.slice kernel" "$(cd $path && cat cpuset.cpus.effective cpuset.mems.effective memory.low memory.high memory.max cpu.weight pids.max | line)"
done
say total "$(awk '/^MemTotal/ {printf "%.0f", $2 * 1024}' /proc/meminfo)"

# Drift is seen and not fought with.
echo 45 >/proc/sys/net/ipv4/tcp_fin_timeout
aob-node status >/run/drift 2>&1
say drift "$? $(tr '\n' ';' </run/drift)"
echo 30 >/proc/sys/net/ipv4/tcp_fin_timeout

# A live run: the runner is stopped while a node works, and started again.
# How often each node was tried, and what stands of the run from its output on.
get() {
    text=$(aob get "$run" -o json 2>&1 | tr -d '\n ')
    echo "$(grep -o '"attempts":[0-9]*' <<<"$text" | line)${text##*\"output\":}"
}
run=$(aob run /live.yaml --detach 2>/run/run.err | tr -d '"\n')
say run "$run $(head -c 200 /run/run.err | line)"
say busy "$(until_true 120 pgrep -x sleep >/dev/null && echo yes)"
begun=$SECONDS
systemctl stop aob-runner
say drained "$(systemctl show -p Result --value aob-runner) $((SECONDS - begun)) $(pgrep -x sleep >/dev/null && echo left-behind)"
say stopped_run "$(get)"
systemctl start aob-runner
ended() {
    get >/run/resumed
    grep -q '"status":"succeeded"' /run/resumed
}
until_true 120 ended
say resumed "$(cat /run/resumed)"

# A process that hangs is killed and started again.
old=$(systemctl show -p MainPID --value aob-runner)
kill -STOP "$old"
again() {
    show=$(systemctl show -p MainPID -p ActiveState -p NRestarts aob-runner | line)
    [[ $show != *"MainPID=0 "* && $show != *"MainPID=$old "* && $show == *ActiveState=active* ]]
}
until_true 180 again && show="restarted $show"
say watchdog "$show"

# A hog of memory in the runner's slice dies of the slice's limit; the control plane answers all the while.
(
    worst=0 lost=0 asked=0
    while [ ! -e /run/hog-done ]; do
        t=${EPOCHREALTIME/./}
        [ "$(timeout 10 redis-cli ping)" = PONG ] || lost=$((lost + 1))
        healthy || lost=$((lost + 1))
        t=$(((${EPOCHREALTIME/./} - t) / 1000))
        [ $t -gt $worst ] && worst=$t
        asked=$((asked + 1))
    done
    echo "$lost $worst $asked" >/run/ping
) &
pinger=$!
systemd-run --quiet --wait --slice=aob-runner.slice --unit=hog perl -e 'print length("x" x 1.5e9)'
say hog "$? $(systemctl show -p Result --value hog.service)"
say hog_events "$(line </sys/fs/cgroup/aob.slice/aob-runner.slice/memory.events)"
touch /run/hog-done
wait $pinger
say ping "$(cat /run/ping)"
say after_hog "$(systemctl is-active $UNITS redis-server | line)"

dpkg -r aob >/run/dpkg.log 2>&1
say remove "$? $(tail -1 /run/dpkg.log)"
rm -rf /etc/systemd/system/aob-runner.service.d
say reverted "$(sysctls)"
say reverted_slices "$(slices)"
say reverted_files "$(files)"
say survivor "$(redis-cli get survivor) $(systemctl is-active redis-server)"
say errors "$(grep -v '^$' /run/probe.err | head -5 | tr '\n' ';' | head -c 500)"
say end yes
systemctl poweroff -f -f
