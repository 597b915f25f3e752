#!/bin/bash
# Runs in the guest once it is up; says what it finds on the serial line, one `AOB@@ name=value` each. The test judges.
exec 2>/run/probe.err
UNITS="aob-gateway.service aob-coordinator.service aob-runner.service"
ALL="$UNITS aob-node.service aob-runner@agent.service"
say() { printf 'AOB@@ %s=%s\n' "$1" "$2" >/dev/ttyS0; }
sysctls() {
    for key in net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports net.ipv4.tcp_fin_timeout \
        net.ipv4.tcp_tw_reuse net.core.somaxconn fs.inotify.max_user_instances vm.overcommit_memory; do
        printf '%s=%s;' "$key" "$(tr '\t' ' ' <"/proc/sys/${key//.//}")"
    done
}
slices() {
    for unit in init.scope system.slice user.slice; do
        printf '%s=%s;' "$unit" "$(systemctl show -p AllowedCPUs --value $unit)"
    done
}
files() { find /etc/sysctl.d /etc/systemd/system -name '*aob*' | sort | tr '\n' ' '; }
# What a unit's process really has.
process() {
    pid=$(systemctl show -p MainPID --value "$1")
    say "$1 active" "$(systemctl is-active "$1")"
    say "$1 cpus" "$(sed -n 's/^Cpus_allowed_list:\t//p' /proc/$pid/status)"
    say "$1 mems" "$(sed -n 's/^Mems_allowed_list:\t//p' /proc/$pid/status)"
    say "$1 policy" "$(sed -n '1s/^[^ ]* \([^ ]*\) .*/\1/p' /proc/$pid/numa_maps)"
    say "$1 nofile" "$(awk '/^Max open files/ {print $4" "$5}' /proc/$pid/limits)"
    say "$1 nproc" "$(awk '/^Max processes/ {print $3" "$4}' /proc/$pid/limits)"
    say "$1 group" "$(sed -n 's/^0:://p' /proc/$pid/cgroup)"
    say "$1 tasks" "$(systemctl show -p TasksMax --value "$1")"
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

say kernel "$(uname -r) $(systemctl --version | head -1)"
say cpus "$(cat /sys/devices/system/cpu/online) $(cat /sys/devices/system/node/node*/cpulist | tr '\n' ' ')"
say found "$(sysctls)"
say found_slices "$(slices)"
say found_files "$(files)"
until_true 60 redis-cli ping >/dev/null
redis-cli set survivor yes >/dev/null

dpkg -i /aob.deb >/run/dpkg.log 2>&1
say install "$? $(tail -1 /run/dpkg.log)"
say verify "$(systemd-analyze verify --man=no $ALL /usr/lib/systemd/system/aob*.slice 2>&1 | tr '\n' ';')"
for unit in $ALL; do
    say "$unit security" "$(systemd-analyze security --no-pager "$unit" 2>&1 | sed -n 's/.*exposure level for [^:]*: \([0-9.]*\).*/\1/p')"
done

echo 'AOB_ALLOW_EXEC=sleep,sh' >>/etc/aob/runner.env
mkdir -p /etc/systemd/system/aob-runner.service.d /etc/aob/secrets/erp
echo geheim >/etc/aob/secrets/erp/token
printf '[Service]\nWatchdogSec=20s\n' >/etc/systemd/system/aob-runner.service.d/30-test.conf
systemctl daemon-reload
say node_start "$(systemctl start aob-node 2>&1) $(systemctl is-active aob-node) $(journalctl -u aob-node -o cat 2>/dev/null | grep -i error | head -3 | tr '\n' ' ')"
systemctl restart redis-server
until_true 60 redis-cli ping >/dev/null
say start "$(systemctl start $UNITS 2>&1 | tr '\n' ';')"
say applied "$(sysctls)"
say applied_slices "$(slices)"
say status "$(aob-node status 2>&1 | tr '\n' ';')"
systemctl restart systemd-sysctl
say after_sysctl "$(sysctls)"
for unit in $UNITS redis-server.service; do process $unit; done
for slice in aob aob-control aob-runner; do
    say "$slice.slice memory" "$(systemctl show -p MemoryLow -p MemoryHigh -p MemoryMax --value $slice.slice | tr '\n' ' ')"
    path=$(systemctl show -p ControlGroup --value $slice.slice)
    say "$slice.slice effective" "$(cat /sys/fs/cgroup$path/cpuset.cpus.effective) $(cat /sys/fs/cgroup$path/cpuset.mems.effective)"
done
say total "$(awk '/^MemTotal/ {print $2 * 1024}' /proc/meminfo)"

# Drift is seen and not fought with.
echo 45 >/proc/sys/net/ipv4/tcp_fin_timeout
aob-node status >/run/drift 2>&1
say drift "$? $(tr '\n' ';' </run/drift)"
echo 30 >/proc/sys/net/ipv4/tcp_fin_timeout

# A live run: the runner is stopped while a node works, and started again.
run=$(aob run /live.yaml --redis redis://127.0.0.1:6379 --detach 2>/run/run.err | tr -d '"\n')
say run "$run $(head -c 200 /run/run.err | tr '\n' ' ')"
until_true 60 pgrep -x sleep >/dev/null
say busy "$(pgrep -x sleep >/dev/null && echo yes)"
begun=$SECONDS
systemctl stop aob-runner
say drained "$(systemctl show -p Result --value aob-runner) $((SECONDS - begun)) $(pgrep -x sleep >/dev/null && echo left-behind)"
say stopped_run "$(aob get "$run" --redis redis://127.0.0.1:6379 -o json 2>&1 | tr -d '\n ' | head -c 400)"
systemctl start aob-runner
state() { aob get "$run" --redis redis://127.0.0.1:6379 -o json 2>/dev/null | tr -d '\n ' | grep -q '"outcome":"succeeded"'; }
until_true 60 state
say resumed "$(aob get "$run" --redis redis://127.0.0.1:6379 -o json 2>&1 | tr -d '\n ' | head -c 400)"

# A process that hangs is killed and started again.
old=$(systemctl show -p MainPID --value aob-runner)
kill -STOP "$old"
again() { new=$(systemctl show -p MainPID --value aob-runner); [ "$new" != 0 ] && [ "$new" != "$old" ] && systemctl -q is-active aob-runner; }
until_true 120 again
say watchdog "$(again && echo restarted) $(systemctl show -p NRestarts --value aob-runner)"

# A hog of memory in the runner's slice dies; the control plane answers all the while.
(
    worst=0; lost=0
    while [ ! -e /run/hog-done ]; do
        t=$(date +%s%N)
        [ "$(timeout 10 redis-cli ping)" = PONG ] || lost=$((lost + 1))
        t=$((($(date +%s%N) - t) / 1000000))
        [ $t -gt $worst ] && worst=$t
    done
    echo "$lost $worst" >/run/ping
) &
pinger=$!
systemd-run --quiet --wait --slice=aob-runner.slice --unit=hog tail /dev/zero
say hog "$? $(systemctl show -p Result --value hog.service)"
touch /run/hog-done
wait $pinger
say ping "$(cat /run/ping)"
say after_hog "$(systemctl is-active $UNITS redis-server | tr '\n' ' ')"

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
