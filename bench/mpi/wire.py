"""A switch that delays every frame: wire.py HOSTS MILLISECONDS

For kernels without tc's netem. Creates the interfaces node1, node2, … (TAP devices), prints a line when they exist,
and forwards each frame after the delay: to the host that has sent from the frame's destination before, or to all others.
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

in_transit = collections.deque()
places = {}
while True:
    now = time.monotonic()
    while in_transit and in_transit[0][0] <= now:
        _, source, frame = in_transit.popleft()
        places[frame[6:12]] = source
        known = places.get(frame[:6])
        for tap in taps if known is None else [known]:
            if tap != source:
                try:
                    os.write(tap, frame)
                except OSError:
                    pass  # not up yet
    wait = max(0, in_transit[0][0] - time.monotonic()) if in_transit else None
    for tap in select.select(taps, [], [], wait)[0]:
        try:
            for _ in range(64):
                in_transit.append((time.monotonic() + delay, tap, os.read(tap, 65536)))
        except OSError:
            pass  # empty
