import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { describeWith } from '../support/programs.js';
import { startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

// Debian's Python, because the packages come from Debian.
const PYTHON = '/usr/bin/python3';
const PACKAGES = '/usr/lib/python3/dist-packages';

/** Runs a program in Python; if the program fails, the test fails and shows the output. */
async function python(program: string, url: string): Promise<string> {
  const { stdout } = await promisify(execFile)(PYTHON, ['-c', program, url], { timeout: 15_000 });
  return stdout;
}

const WEBSOCKETS = `
import asyncio, sys, websockets

async def main():
    block = bytes(range(256)) * 4000
    async with websockets.connect(sys.argv[1], subprotocols=["binary"], max_size=None) as ws:
        assert ws.subprotocol == "binary", ws.subprotocol
        # A message in fragments, as an iterable; then a large one, and text.
        await ws.send([block[:10], block[10:70000], block[70000:]])
        await ws.send("text")
        got = b""
        while len(got) < len(block) + 4:
            got += await ws.recv()
        assert got == block + b"text"
        pong = await ws.ping()
        await asyncio.wait_for(pong, 5)
    print("closed", ws.close_code)

asyncio.run(main())
`;

const WEBSOCKET_CLIENT = `
import sys, websocket

ws = websocket.create_connection(sys.argv[1], timeout=10)
block = bytes(range(256)) * 4000
ws.send_binary(block)
ws.send("text")
got = b""
while len(got) < len(block) + 4:
    got += ws.recv()
assert got == block + b"text"
ws.ping(b"you there?")
opcode, data = ws.recv_data(control_frame=True)
assert opcode == websocket.ABNF.OPCODE_PONG and data == b"you there?", (opcode, data)
ws.send_close(1000, b"bye")
opcode, data = ws.recv_data(control_frame=True)
assert opcode == websocket.ABNF.OPCODE_CLOSE, opcode
print("closed", int.from_bytes(data[:2], "big"))
`;

const REFUSED = `
import sys, websocket

try:
    websocket.create_connection(sys.argv[1], timeout=10)
except websocket.WebSocketBadStatusException as error:
    print(error.status_code)
`;

describeWith(PYTHON, `${PACKAGES}/websockets/__init__.py`)('Python websockets and our server', () => {
  test('exchange fragments, text, PING and Close', async () => {
    const { url, tunnel } = await startTunnel({ origins: '*' });
    expect(await python(WEBSOCKETS, url)).toBe('closed 1000\n');
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats()).toMatchObject({ closed: { 1000: 1 }, bytesIn: 1_024_004, bytesOut: 1_024_004 });
  });
});

describeWith(PYTHON, `${PACKAGES}/websocket/__init__.py`)('Python websocket-client and our server', () => {
  test('exchange binary, text, PING and Close', async () => {
    const { url, tunnel } = await startTunnel();
    expect(await python(WEBSOCKET_CLIENT, url)).toBe('closed 1000\n');
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats()).toMatchObject({ closed: { 1000: 1 }, bytesIn: 1_024_004, bytesOut: 1_024_004 });
  });

  test('get a refusal as a status', async () => {
    const { url } = await startTunnel({ authenticate: () => false });
    expect(await python(REFUSED, url)).toBe('401\n');
  });
});
