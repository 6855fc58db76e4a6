import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { Program } from '../support/programs.js';

export const RECIPES = join(import.meta.dirname, '../../demo/recipes');

export const recipeFiles = readdirSync(RECIPES).filter((file) => file !== 'README.md');

export const JWT_SECRET = Buffer.alloc(32, 'key').toString('base64');
export const PASSWORD = 'secret of the test';

/** A running recipe. */
export interface Site {
  readonly program: Program;
  readonly port: number;
  /** Opens a new connection to the recipe. */
  readonly dial: () => Socket;
}

/** Starts a program of demo/recipes as a user does. */
export async function startRecipe(
  file: string,
  env: Record<string, string> = {},
  { node = [] as string[], folder = RECIPES } = {},
): Promise<Site> {
  const program = new Program(process.execPath, [...node, join(folder, file)], {
    NODE_ENV: 'test',
    PORT: '0',
    PASSWORD,
    JWT_SECRET,
    SESSION_SECRET: 'a secret of the test',
    ...env,
  });
  const [, port = ''] = await program.prints(/^listening on https?:\/\/127\.0\.0\.1:(\d+)\/$/m);
  return { program, port: Number(port), dial: () => connect(Number(port), '127.0.0.1') };
}
