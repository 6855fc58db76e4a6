import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, realpathSync } from 'node:fs';
import { cp, mkdir, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { afterAll } from 'vitest';
import { DEVELOPERS } from '../support/environment.js';

/** Milliseconds for a build and `npm pack` on a busy machine; also the timeout of `beforeAll`. */
export const PACK_TIMEOUT = 240_000;

/** TypeScript's ways to resolve the package. */
export const MODES = {
  node16: { module: 'node16', moduleResolution: 'node16' },
  nodenext: { module: 'nodenext', moduleResolution: 'nodenext' },
  bundler: { module: 'preserve', moduleResolution: 'bundler' },
};

export const COMPILES = { code: 0, stdout: '', stderr: '' };

/** The working copy. */
export const ROOT = join(import.meta.dirname, '../..');
const MODULES = join(ROOT, 'node_modules');

/** Exit code and output of a program. */
export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Record<string, string>;
}

/** Makes a folder for the tests of a file; call at the top of the file. Returns the real path, as programs print. */
export function temporaryFolder(): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'wstunnel-packaging-')));
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Returns the folder of the unpacked package: of the tarball that `WSTUNNEL_SPEC_TARBALL` names, such as the one to be published,
 * or else of a new one.
 */
export async function pack(folder: string): Promise<string> {
  const out = join(folder, 'packed');
  await mkdir(out);
  const given = process.env.WSTUNNEL_SPEC_TARBALL;
  const tarball = join(out, 'package.tgz');
  if (given !== undefined && given !== '') await cp(given, tarball);
  else await packCopy(folder, tarball);
  const tar = await run('tar', ['-xzf', tarball], out);
  if (tar.code !== 0) throw new Error(tar.stderr);
  return join(out, 'package');
}

/** Runs `npm pack` in a copy, since the build would disturb other tests. */
async function packCopy(folder: string, target: string): Promise<void> {
  const copy = join(folder, 'copy');
  const out = dirname(target);
  const isLeftOut = (path: string) =>
    ['node_modules', '.git', 'dist', '.build', 'coverage'].some((name) => path.split(sep).at(-1) === name);
  await cp(ROOT, copy, { recursive: true, filter: (path) => path === ROOT || !isLeftOut(path) });
  await symlink(MODULES, join(copy, 'node_modules'));
  // Files left by an older build must not be packed.
  await mkdir(join(copy, 'dist'));
  await writeFile(join(copy, 'dist/stale.js'), '');
  const env = {
    npm_config_update_notifier: 'false',
    npm_config_cache: join(folder, 'npm-cache'),
    // The build is a script of npm.
    npm_config_ignore_scripts: 'false',
  };
  const npm = await run('npm', ['pack', '--silent', '--pack-destination', out], copy, env, PACK_TIMEOUT);
  const [tarball] = (await readdir(out)).filter((file) => file.endsWith('.tgz'));
  if (npm.code !== 0 || tarball === undefined) throw new Error(`npm pack: ${npm.stdout}${npm.stderr}`);
  await rename(join(out, tarball), target);
}

/** Installs tools of exact versions from npm's registry or cache, without install scripts; returns the folder. */
export async function installTools(folder: string, versions: Record<string, string>): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies: versions }));
  const args = [
    'install',
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--no-package-lock',
  ];
  const npm = await run('npm', args, folder, { npm_config_update_notifier: 'false' }, 200_000);
  if (npm.code !== 0) throw new Error(`npm install: ${npm.stdout}${npm.stderr}`);
  return folder;
}

/** A project with the package installed. */
export class Consumer {
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Installs the package and the dependencies as npm does, and nothing else. */
  static async install(folder: string, packed: string): Promise<Consumer> {
    const consumer = new Consumer(folder);
    await mkdir(join(folder, 'node_modules'), { recursive: true });
    await consumer.write('package.json', JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
    const { name, dependencies = {} } = manifestOf(packed);
    await cp(packed, join(folder, 'node_modules', name), { recursive: true });
    for (const dependency of Object.keys(dependencies)) await consumer.link(dependency);
    return consumer;
  }

  /** Adds a package, under the name `as`. */
  async link(name: string, as = name): Promise<void> {
    await symlink(join(MODULES, name), join(this.folder, 'node_modules', as));
  }

  /** Adds types and their dependencies as copies: a link's target would see the working copy's `@types`. */
  async types(...names: string[]): Promise<void> {
    for (const name of names) await this.#copy(join(MODULES, name));
  }

  async #copy(source: string): Promise<void> {
    const { name, dependencies = {} } = manifestOf(source);
    const target = join(this.folder, 'node_modules', name);
    if (existsSync(target)) return;
    const isOwn = (path: string) => !path.startsWith(join(source, 'node_modules'));
    await cp(source, target, { recursive: true, filter: isOwn });
    for (const dependency of Object.keys(dependencies)) await this.#copy(found(dependency, source));
  }

  /** Removes packages again. */
  async remove(...names: string[]): Promise<void> {
    for (const name of names) await rm(join(this.folder, 'node_modules', name), { recursive: true });
  }

  /** The version of a package that is installed in the project. */
  versionOf(name: string): string {
    return manifestOf(join(this.folder, 'node_modules', name)).version;
  }

  async write(path: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.folder, path)), { recursive: true });
    await writeFile(join(this.folder, path), text);
  }

  /** Adds a file of `consumers/`, under the name `as`. */
  async take(file: string, as = file): Promise<void> {
    await cp(join(import.meta.dirname, 'consumers', file), join(this.folder, as));
  }

  /** Runs Node without NODE_OPTIONS and DEBUG, since both can change the output. */
  node(...args: string[]): Promise<Run> {
    return this.run(process.execPath, ...args);
  }

  /** Runs another program, also without both variables. */
  run(program: string, ...args: string[]): Promise<Run> {
    return run(program, args, this.folder, { NODE_OPTIONS: '', DEBUG: '' });
  }

  /** Links the programs of each package's `bin`, as `npm install` does. */
  async linkCommands(): Promise<void> {
    const { code, stderr } = await this.#npm('npm', 'rebuild', '--ignore-scripts');
    if (code !== 0) throw new Error(stderr);
  }

  /** Runs npx with the installed packages only. */
  npx(...args: string[]): Promise<Run> {
    return this.#npm('npx', '--no', '--', ...args);
  }

  #npm(command: string, ...args: string[]): Promise<Run> {
    return run(command, args, this.folder, {
      npm_config_update_notifier: 'false',
      npm_config_offline: 'true',
      npm_config_cache: join(this.folder, '../npm-cache'),
    });
  }

  tsc(...args: string[]): Promise<Run> {
    return this.node(join(MODULES, 'typescript/bin/tsc'), '--pretty', 'false', ...args);
  }
}

/** The path of a package as Node resolves the name from the folder, within the working copy. */
function found(name: string, from: string): string {
  for (let folder = from; folder.startsWith(ROOT); folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(candidate)) return candidate;
  }
  throw new Error(`${name} is not installed`);
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** Never rejects: a test compares the whole result, so a failed test shows the output. */
export function run(
  command: string,
  args: string[],
  cwd: string,
  env: Record<string, string> = {},
  timeout = 60_000,
): Promise<Run> {
  return new Promise((resolve) => {
    // The developer's environment sets npm's registry, proxy and cache.
    execFile(command, args, { cwd, env: { ...DEVELOPERS, ...env }, timeout }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, stdout, stderr });
    });
  });
}
