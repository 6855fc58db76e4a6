import { expect, test } from 'vitest';
import { files, runCommand, startCommand } from '../support/command.js';
import { frame, openRaw, type RawClient } from '../support/raw-client.js';
import { accepting, plain, startByHand } from '../support/websocket-server.js';

/** A backend that accepts the handshake and returns each frame; `asked`: the requests so far. */
async function startBackend() {
  const asked: string[] = [];
  const backend = await startByHand(async (peer: RawClient, head) => {
    asked.push(head);
    peer.send(accepting(head));
    for (let next = await peer.frame(); next; next = await peer.frame())
      peer.send(plain(next.opcode, next.payload));
  });
  return { ...backend, asked };
}

async function returnsText(port: number): Promise<void> {
  const client = await openRaw(port, '/websockify');
  client.send(frame(1, 'text'));
  expect(await client.frame()).toMatchObject({ opcode: 1, payload: Buffer.from('text') });
}

test('a ws: URL is a target, whose query is not printed', async () => {
  const backend = await startBackend();
  const { program, port } = await startCommand(['0', `${backend.url}?token=secret`]);
  await returnsText(port);
  expect(backend.asked[0]).toMatch(/^GET \/x\?token=secret HTTP\/1\.1\r\n/);
  expect(program.output).toContain(` for ${backend.url}?token=***;`);
  expect(program.output).not.toContain('secret');
});

test('a JSON file gives a URL as text, or with headers and other options', async () => {
  const backend = await startBackend();
  const short = await files({ json: JSON.stringify({ listen: '0', server: backend.url }) });
  await returnsText((await startCommand(['--config', short.json!])).port);
  const server = { url: backend.url, headers: { 'X-User': 'ann' }, subprotocol: 'tty', passStatus: false };
  const long = await files({ json: JSON.stringify({ listen: '0', server }) });
  await returnsText((await startCommand(['--config', long.json!])).port);
  expect(backend.asked[1]).toMatch(/X-User: ann\r\n/);
  expect(backend.asked[1]).toMatch(/Sec-WebSocket-Protocol: tty\r\n/);
});

test.each([
  [['0', 'ws://ann:secret@desk/'], /TARGET\[0\]\.url must have no user and password/],
  [['0', 'http://desk/ws'], /"http:\/\/desk\/ws" is not a target: give HOST:PORT, .* or wss:\/\/HOST\/PATH/],
  [['6080', 'ws://127.0.0.1:6080/'], /127\.0\.0\.1:6080 is an address that this command listens on/],
])('is refused: %j', async (args, message) => {
  const { code, stderr } = await runCommand(args);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
  expect(stderr).not.toContain('secret');
});
