import { cp, readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { expect } from 'vitest';
import { frame, handshake, openRaw, RawClient, type RawAnswer } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { logIn, makeProject } from './recipe.js';
import { RECIPES, startRecipe } from './start.js';

/** The URL of the tunnel of most recipes. */
export const PATH = '/vnc/websockify';

/** Starts a recipe with an echo server as the backend. */
export async function start(file: string, env: Record<string, string> = {}) {
  const { port } = await startEcho();
  return startRecipe(file, { VNC_PORT: String(port), ...env });
}

/** Starts a copy of a recipe with some text replaced. */
export async function startEdited(file: string, edits: readonly [from: string | RegExp, to: string][]) {
  let text = await readFile(join(RECIPES, file), 'utf8');
  for (const [from, to] of edits) {
    const edited = text.replace(from, to);
    expect(edited, String(from)).not.toBe(text);
    text = edited;
  }
  const folder = await makeProject(file, text);
  for (const part of ['accounts.mjs', 'desktop-page.mjs', 'login-form.mjs', 'session-ids.mjs'])
    await cp(join(RECIPES, part), join(folder, part));
  const { port } = await startEcho();
  return startRecipe(file, { VNC_PORT: String(port) }, { folder });
}

export async function echoes(client: RawClient): Promise<void> {
  client.send(frame(2, 'ping'));
  expect((await client.payload(4)).toString()).toBe('ping');
}

export async function knock(
  socket: Socket,
  headers = {},
  path = PATH,
): Promise<RawAnswer & { body: string }> {
  const client = new RawClient(socket).send(handshake(path, headers));
  const answer = await client.answer();
  // nginx keeps the connection open.
  const body = answer.status === 101 ? '' : await client.take(Number(answer.headers['content-length']));
  return { ...answer, body: body.toString() };
}

/** Expects 401 without the login, from the first request on, and an open tunnel with the login. */
export async function guards({ dial }: { dial: () => Socket }): Promise<RawClient> {
  expect((await knock(dial())).status).toBe(401);
  const client = await openRaw(dial(), PATH, await logIn(dial()));
  await echoes(client);
  expect((await knock(dial())).status).toBe(401);
  return client;
}
