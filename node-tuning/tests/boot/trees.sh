#!/bin/bash
# The first process of a machine that is only looked at: what the kernel shows of processors, nodes and control groups,
# which is all that a plan reads of them. One `AOB@@ SECTION=FILE=VALUE;...` on the serial line for each section.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
cd /
say() { printf 'AOB@@ %s=%s\n' "$1" "$2" >/dev/ttyS0; }
shown() {
    for file; do
        [ -e "$file" ] && printf '%s=%s;' "$file" "$(<"$file")"
    done
}
processors() {
    shown sys/devices/system/cpu/online sys/devices/system/cpu/cpu*/topology/thread_siblings_list \
        sys/devices/system/node/online sys/devices/system/node/has_memory sys/devices/system/node/node*/cpulist
}
say online "$(processors)"

mount -t cgroup2 cgroup sys/fs/cgroup
say v2 "$(shown sys/fs/cgroup/cgroup.controllers)"
umount sys/fs/cgroup
# As systemd does where it is told to use version 1: a folder for each controller.
mount -t tmpfs cgroup sys/fs/cgroup
while read -r name _ _ on; do
    [ "$on" = 1 ] || continue
    mkdir "sys/fs/cgroup/$name"
    # Until the unified hierarchy has let go of it.
    for _ in {1..100}; do
        mount -t cgroup -o "$name" cgroup "sys/fs/cgroup/$name" && break
        sleep 0.1
    done
done <proc/cgroups
say v1 "$(shown sys/fs/cgroup/*/cpuset.cpus sys/fs/cgroup/*/cpu.shares sys/fs/cgroup/*/memory.swappiness)"

for word in $(<proc/cmdline); do
    [[ $word == offline=* ]] || continue
    for cpu in ${word//[!0-9]/ }; do
        echo 0 >"sys/devices/system/cpu/cpu$cpu/online"
    done
done
say offline "$(processors)"
say end yes
systemctl poweroff -f -f
