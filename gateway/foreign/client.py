"""A Glassbook client in plain Python: Debian's python3-websockets and python3-msgpack and nothing else.

Written from the protocol's description alone, to show that it suffices. Logs a session on, follows
streams, trades with signed frames, loses its connection, comes back and resumes. Prints one JSON line.

  python3 client.py URL ACCOUNT APPROVAL PRIVATE_KEY_HEX DOMAIN_HASH_HEX
"""
import asyncio
import hashlib
import json
import secrets
import struct
import sys

import msgpack
import websockets

# P-256 (FIPS 186-4, D.1.2.3).
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
A = P - 3
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def add(p, q):
    if p is None:
        return q
    if q is None:
        return p
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] + A) * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def multiply(k, point):
    total = None
    while k:
        if k & 1:
            total = add(total, point)
        point = add(point, point)
        k >>= 1
    return total


def sign(key, message):
    """ECDSA with SHA-256; r || s, 64 bytes."""
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    while True:
        k = secrets.randbelow(N - 1) + 1
        r = multiply(k, G)[0] % N
        s = pow(k, -1, N) * (digest + r * key) % N
        if r and s:
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Client:
    def __init__(self, url, account, approval, key, domain):
        self.url, self.key, self.domain = url, key, domain
        self.account, self.approval = account, approval
        self.next_id = 0
        self.pushed = []

    async def connect(self):
        self.socket = await websockets.connect(self.url, subprotocols=["glassbook.v2.msgpack"])
        hello = msgpack.unpackb(await self.socket.recv())
        assert hello[0] == 6 and hello[1] == 1, hello
        message = b"glassbook.v2.logon" + self.domain + struct.pack(">IQ", self.account, self.approval) + hello[4]
        return await self.request("logon", [self.account, self.approval, sign(self.key, message)])

    async def request(self, method, params):
        """Sends a request; keeps what is pushed meanwhile; returns the result or raises with the code."""
        self.next_id += 1
        await self.socket.send(msgpack.packb([0, self.next_id, method, params]))
        while True:
            message = msgpack.unpackb(await asyncio.wait_for(self.socket.recv(), 10))
            if message[0] == 1 and message[1] == self.next_id:
                return message[2]
            if message[0] == 2 and message[1] == self.next_id:
                raise RuntimeError(message[3]["name"])
            self.pushed.append(message)

    async def pushed_one(self, kind, stream):
        while True:
            for index, message in enumerate(self.pushed):
                if message[0] == kind and message[1] == stream:
                    return self.pushed.pop(index)
            self.pushed.append(msgpack.unpackb(await asyncio.wait_for(self.socket.recv(), 10)))

    async def frame(self, nonce, commands):
        payload = msgpack.packb(commands)
        header = b"glassbook.v2.frame" + self.domain + struct.pack(">IQQ", self.account, self.approval, nonce)
        return await self.request(
            "frame", [self.account, self.approval, nonce, payload, sign(self.key, header + payload)]
        )


async def main():
    url, account, approval = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    client = Client(url, account, approval, int(sys.argv[4], 16), bytes.fromhex(sys.argv[5]))
    logon = await client.connect()
    await client.request("subscribe", ["book:0"])
    await client.request("subscribe", ["orders"])
    book = await client.pushed_one(4, "book:0")
    orders = await client.pushed_one(4, "orders")
    # place: market 0, buy, 50 ticks, 3 lots, client order id beyond 2^53
    cloid = 2**63 + 5
    _, items = await client.frame(10, [[1, 0, 0, 50, 3, cloid], [1, 0, 0, 0, 3, cloid + 1]])
    event = await client.pushed_one(3, "orders")
    change = await client.pushed_one(3, "book:0")
    replay = "taken"
    try:
        await client.frame(10, [[1, 0, 0, 50, 3, cloid + 2]])
    except RuntimeError as error:
        replay = str(error)
    # Gone, while something happens that it must not miss.
    await client.socket.close()
    await client.connect()
    _, cancelled = await client.frame(11, [[3, 0, cloid]])
    await client.request("subscribe", ["orders", [orders[2], event[2]]])
    resumed = await client.pushed_one(3, "orders")
    await client.socket.close()
    print(
        json.dumps(
            {
                "account": logon["account"],
                "snapshot": [book[4], orders[4]],
                "items": items,
                "event": event[4][0][1:5],
                "book": change[4],
                "replay": replay,
                "cancelled": cancelled,
                "resumed": [resumed[3] == event[2], resumed[4][0][1], resumed[4][0][3]],
            }
        )
    )


asyncio.run(main())
