import { expect, test } from 'vitest';
import { closeFrame, frame, handshake, openRaw, RawClient } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { logIn } from './recipe.js';
import { startRecipe } from './start.js';

const SECRET = 'a-token-nobody-may-read';

/** The attributes of each span with this name, and its instrumentation, as the console exporter prints them. */
function spansOf(output: string, name: string): string[] {
  return output.split('\n{\n').filter((text) => text.includes(`\n  name: '${name}',\n`));
}

/** A metric with this value, as the console exporter prints both. */
function valueOf(name: string, value: number): RegExp {
  return new RegExp(`name: '${name}',\\n(?:(?!descriptor)[^])*?value: ${value}\\n`);
}

test('opentelemetry: a span for each opening, and metrics from the channels', async () => {
  const { port } = await startEcho();
  const site = await startRecipe('opentelemetry.mjs', { VNC_PORT: String(port), METRICS_INTERVAL: '0.5' });
  const cookie = await logIn(site.dial());
  const client = await openRaw(site.dial(), `/vnc?token=${SECRET}`, cookie);
  await client.send(frame(2, 'ping')).payload(4);
  await site.program.prints(valueOf('wstunnel.tunnels.open', 1));
  client.send(closeFrame(1000)).socket.end();
  const refused = new RawClient(site.dial());
  refused.send(handshake('/vnc', { ...cookie, Origin: 'https://a.example' }));
  expect((await refused.answer()).status).toBe(403);
  const { program } = site;
  await program.prints(/attributes: \{ tunnel: 'vnc', cause: 'client-closed' \}/);
  await program.prints(/attributes: \{ tunnel: 'vnc', code: 'WSTUNNEL_ORIGIN_REFUSED' \}/);
  await program.prints(valueOf('wstunnel.bytes', 4));
  await program.prints(valueOf('wstunnel.tunnels.open', 0));
  await program.stop();
  const openings = spansOf(program.output, 'GET /vnc');
  expect(openings.map((text) => /'http\.response\.status_code': (\d+)/.exec(text)?.[1])).toEqual([
    '101',
    '403',
  ]);
  for (const text of openings) expect(text).toContain("name: '@opentelemetry/instrumentation-http'");
  const [express = ''] = spansOf(program.output, 'middleware - wstunnel');
  expect(express).toContain("name: '@opentelemetry/instrumentation-express'");
  // The span of the middleware belongs to the trace of the opening.
  const traceOf = (text: string) => /traceId: '(\w+)'/.exec(text)?.[1];
  expect(traceOf(express)).toBe(traceOf(openings[0] ?? ''));
  expect(program.output).toContain("'url.query': 'token=REDACTED'");
  expect(program.output).not.toContain(SECRET);
});
