#!/bin/sh
# The first process of a test cluster, in mount, network, pid and cgroup namespaces of its own: when it ends, every
# process, mount and address of the cluster ends with it. FOLDER, CGROUP, NODE_IP, LINK_IP come from the environment.
set -eu

# What the machine has mounted stays as it is; what is mounted here is shared with the pods.
hierarchies=$(sed -n 's/^[1-9][0-9]*:\([^:]*\):.*/\1/p' /proc/self/cgroup)
mount --make-rprivate /
mount -t proc proc /proc
mount --make-rshared /

# The hierarchies of cgroup v1 again, as this namespace sees them: pods become children of whoever began the cluster.
mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
for one in $hierarchies; do
    name=${one#name=}
    mkdir -p "/sys/fs/cgroup/$name"
    case $one in
    name=*) mount -t cgroup -o "none,$one" cgroup "/sys/fs/cgroup/$name" ;;
    *) mount -t cgroup -o "$one" cgroup "/sys/fs/cgroup/$name" ;;
    esac
    for alias in $(echo "$name" | tr , ' '); do
        [ -e "/sys/fs/cgroup/$alias" ] || ln -s "$name" "/sys/fs/cgroup/$alias"
    done
    # A root of its own: cleaning up meets nobody else's pods.
    mkdir -p "/sys/fs/cgroup/$name/$CGROUP"
    if [ -f "/sys/fs/cgroup/$name/cpuset.cpus" ]; then
        for file in cpuset.cpus cpuset.mems; do
            cat "/sys/fs/cgroup/$name/$file" > "/sys/fs/cgroup/$name/$CGROUP/$file"
        done
    fi
done

# Folders whose names the kubelet and the network plugins have built in, and those that node tuning writes to.
for one in /var/lib/kubelet /var/log/containers /var/lib/cni /run/lock /run/netns /etc/sysctl.d /var/lib/aob; do
    mkdir -p "$one"
    mount -t tmpfs tmpfs "$one"
done
mount --make-rshared /

# The kubelet writes these for the whole machine. It finds files here which say what it wants, and writes nothing.
for one in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
    file=$FOLDER/run/sysctl.$(basename "${one%=*}")
    echo "${one#*=}" > "$file"
    mount --bind "$file" "/proc/sys/${one%=*}"
done

# The node's address is that of a bridge; a pair of its own gives it a carrier. The gateway does not exist: a default
# route must be there for addresses of services to be rewritten.
ip link set lo up
ip link add node0 type bridge
ip link add node1 type veth peer name node2
ip link set node1 master node0
for one in node1 node2 node0; do ip link set "$one" up; done
ip addr add "$NODE_IP/24" dev node0
ip route add default via "${NODE_IP%.*}.254" dev node0
echo 1 > /proc/sys/net/ipv4/ip_forward

echo ready > "$FOLDER/run/ready"
# Children that lose their parent are its own: it waits for them.
trap : CHLD
while :; do
    sleep 3600 &
    wait $! || true
done
