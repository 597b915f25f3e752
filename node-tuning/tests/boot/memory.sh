#!/bin/bash
# The first process of a machine with two nodes of 512 MiB and a disk of 1 GiB: what the memory settings of the planes do,
# without and with them. One `AOB@@ NAME=VALUE` on the serial line for each count.
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t cgroup2 cgroup /sys/fs/cgroup
cd /sys/fs/cgroup
echo '+memory +cpuset' >cgroup.subtree_control
mkdir -p aob
echo '+memory +cpuset' >aob/cgroup.subtree_control
mkdir aob/control aob/runner
say() { printf 'AOB@@ %s=%s\n' "$1" "$2" >/dev/ttyS0; }
# A command in a plane's group.
in_plane() {
    (
        echo $BASHPID >"aob/$1/cgroup.procs"
        shift
        "$@"
    )
}
crowded() { perl -e 'push @held, "x" x (50 << 20) for 1 .. 10; system "dd if=/dev/nvme0n1 of=/dev/null bs=1M skip=100 count=900 status=none"'; }
piece() { dd if=/dev/nvme0n1 of=/dev/null bs=1M skip="$1" count="$2" status=none; }

# While somebody has it open, what was read of it stays in memory.
exec 9</dev/nvme0n1
# MiB of the 64 that the control plane has read from a disk that are still in memory when the runner plane, which holds
# 550 itself, has read 900.
kept() {
    echo 3 >/proc/sys/vm/drop_caches
    echo "$1" >aob/memory.low
    echo "$1" >aob/control/memory.low
    in_plane control piece 0 64
    in_plane runner crowded
    awk '/^file / {printf "%d", $2 / 1048576}' aob/control/memory.stat
}
say low_before "$(kept 0)"
say low_after "$(kept 80M)"

# MiB on node 0 of a process of node 1 that wants more than node 1 has: the most it said before it ended.
HOG='for (1 .. 12) {
    push @held, "x" x 5e7;
    my $pages = 0;
    open my $maps, "<", "/proc/self/numa_maps";
    while (<$maps>) { $pages += $1 if /anon=/ && / N0=(\d+)/ }
    printf "%d\n", $pages / 256;
}'
strayed() {
    echo 3 >/proc/sys/vm/drop_caches
    echo 1 >aob/runner/cpuset.cpus
    echo "$1" >aob/runner/cpuset.mems
    in_plane runner perl -e '$| = 1;'"$HOG" | sort -n | tail -1
}
say numa_before "$(strayed 0-1)"
say numa_after "$(strayed 1)"
say end yes
systemctl poweroff -f -f
