"""A switch that keeps every frame for a while: wire.py HOSTS MILLISECONDS

For kernels without tc's netem. Makes the interfaces node1, node2, … of so many hosts (TAP devices), prints a line
when they are there, and hands each frame on when its time has come: to the host that has sent from the frame's
destination before, or to all others.
"""
import collections
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
hosts, delay = int(sys.argv[1]), float(sys.argv[2]) / 1000
taps = []
for host in range(1, hosts + 1):
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", b"node%d" % host, IFF_TAP | IFF_NO_PI))
    taps.append(tap)
print("ready", flush=True)

under_way = collections.deque()
places = {}
while True:
    now = time.monotonic()
    while under_way and under_way[0][0] <= now:
        _, source, frame = under_way.popleft()
        places[frame[6:12]] = source
        known = places.get(frame[:6])
        for tap in taps if known is None else [known]:
            if tap != source:
                try:
                    os.write(tap, frame)
                except OSError:
                    pass  # not up yet
    wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
    for tap in select.select(taps, [], [], wait)[0]:
        try:
            for _ in range(64):
                under_way.append((time.monotonic() + delay, tap, os.read(tap, 65536)))
        except OSError:
            pass  # empty
