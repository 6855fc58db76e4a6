import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { onCleanup } from '../support/cleanup.js';
import { Program } from '../support/programs.js';
import { RawClient } from '../support/raw-client.js';
import { PASSWORD, type Site } from './start.js';

const ROOT = join(import.meta.dirname, '../..');
export const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const BLOCK = /^<!-- recipe: (.+) -->\n\n```(\w+)\n([\s\S]*?)^```$/gm;

/** A text of a block, and the test's replacement. */
export type Edit = readonly [from: string, to: string];

/** A marked block of the README, with the test's own ports and files. */
export function recipe(name: string, language: string, edits: readonly Edit[] = []): string {
  const blocks = Array.from(README.matchAll(BLOCK)).filter(([, n, l]) => n === name && l === language);
  if (blocks.length !== 1) throw new Error(`README.md has ${blocks.length} blocks ${name} in ${language}`);
  let text = blocks[0]?.[3] ?? '';
  for (const [from, to] of edits) {
    if (!text.includes(from)) throw new Error(`the recipe ${name} has no ${from}`);
    text = text.replace(from, () => to);
  }
  return text;
}

/** Creates a folder like a user's project: the text as the main file, and the packages. */
export async function makeProject(main: string, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-recipe-'));
  onCleanup(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }\n');
  await writeFile(join(folder, main), text);
  const modules = join(folder, 'node_modules');
  const { devDependencies } = createRequire(import.meta.url)(join(ROOT, 'package.json')) as {
    devDependencies: Record<string, string>;
  };
  for (const name of Object.keys(devDependencies)) {
    await mkdir(dirname(join(modules, name)), { recursive: true });
    await symlink(join(ROOT, 'node_modules', name), join(modules, name));
  }
  await symlink(ROOT, join(modules, 'express-wstunnel'));
  return folder;
}

/** Runs a block of the README as a program. */
export async function runBlock(name: string, main: string, edits: readonly Edit[]): Promise<Site> {
  const folder = await makeProject(main, recipe(name, 'js', edits));
  const hook = pathToFileURL(join(import.meta.dirname, 'on-loopback.mjs')).href;
  const program = new Program(process.execPath, ['--import', hook, join(folder, main)], { NODE_ENV: 'test' });
  const [, port = ''] = await program.prints(/PORT=(\d+)/);
  return { program, port: Number(port), dial: () => connect(Number(port), '127.0.0.1') };
}

/** An ordinary request on its own connection. */
export async function request(
  socket: Socket,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body = '',
): Promise<{ status: number; headers: Record<string, string>; body: string }> {
  const all = { Host: '127.0.0.1', Connection: 'close', 'Content-Length': String(body.length), ...headers };
  const lines = Object.entries(all).map(([key, value]) => `${key}: ${value}\r\n`);
  const client = new RawClient(socket).send(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`);
  const answer = await client.answer();
  return { status: answer.status, headers: answer.headers, body: (await client.rest()).toString() };
}

/** Logs in as a page's form does, and returns the header that proves the login. */
export async function logIn(socket: Socket, username = 'ann', headers = {}): Promise<{ Cookie: string }> {
  const body = new URLSearchParams({ username, password: PASSWORD }).toString();
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', ...headers };
  const answer = await request(socket, 'POST', '/login', form, body);
  if (answer.status !== 303) throw new Error(`no login: ${answer.status} ${answer.body}`);
  return { Cookie: answer.headers['set-cookie']?.split(';')[0] ?? '' };
}
