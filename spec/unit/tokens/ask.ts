import { mkdir, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { dirname, join } from 'node:path';
import { TunnelError } from '../../../src/errors.js';
import { files } from '../../support/command.js';
import type { TokenAnswer, TokenSource } from '../../../src/tokens/token-types.js';

const REQUEST = { headers: {}, url: '/' } as IncomingMessage;

/** What a source says of a token: the answer, or undefined and its notes; the code, status and detail of a failure. */
export async function ask(source: TokenSource, token: string, signal = new AbortController().signal) {
  const notes: string[] = [];
  try {
    const context = { req: REQUEST, signal, note: (reason: string) => void notes.push(reason) };
    const answer: TokenAnswer | undefined = await source(token, context);
    return answer ?? { notes };
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    return { code: error.code, status: error.status, detail: error.detail };
  }
}

/** A source that does not know the token. */
export const UNKNOWN = { notes: [] };

/** A folder with files in folders, removed after the test. */
export async function folderOf(texts: Record<string, string>): Promise<string> {
  const { folder = '' } = await files({});
  for (const [name, text] of Object.entries(texts)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  return folder;
}
