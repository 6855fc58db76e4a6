"""Two cables with delay, jitter and loss: carries packets between TUN devices in two network namespaces.

Arguments: seed, delay in ms, jitter in ms, loss in percent, then pairs of ends, each as namespace/device.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
# As a router's queue: what comes when so many packets are under way is dropped.
QUEUE = 1000

libc = ctypes.CDLL(None, use_errno=True)


def open_end(end):
    namespace, device = end.split("/")
    with open(f"/run/netns/{namespace}") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    return tun


def main():
    chance = random.Random(int(sys.argv[1]))
    delay, jitter = float(sys.argv[2]) / 1000, float(sys.argv[3]) / 1000
    loss = float(sys.argv[4]) / 100
    tuns = [open_end(end) for end in sys.argv[5:]]
    other = {tun: tuns[at ^ 1] for at, tun in enumerate(tuns)}
    under_way = []
    last = dict.fromkeys(tuns, 0.0)
    count = lost = 0
    print("linked", flush=True)
    while True:
        wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
        ready, _, _ = select.select(tuns, [], [], wait)
        now = time.monotonic()
        for tun in ready:
            try:
                packet = os.read(tun, 65536)
            except OSError:
                # Not there, or the cable is pulled.
                continue
            count += 1
            if chance.random() < loss or len(under_way) >= QUEUE:
                lost += 1
                continue
            # Jitter does not change the order.
            last[tun] = max(last[tun], now + delay + chance.uniform(0, jitter))
            heapq.heappush(under_way, (last[tun], count, other[tun], packet))
        while under_way and under_way[0][0] <= now:
            _, _, tun, packet = heapq.heappop(under_way)
            try:
                os.write(tun, packet)
            except OSError:
                pass


main()
